# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

from ._common.temporary_files import own_temporary_files
from ._run.unlogged import unlogged

if TYPE_CHECKING:
    from ._run.action import Performable


def run_as_module(action: Performable) -> None:
    """Perform an action in a separate process, on the machine that Ansible sent this module to."""
    module = AnsibleModule(argument_spec=action.argument_spec, supports_check_mode=True, **action.rules)
    module.no_log_values = unlogged(action.argument_spec, module.params)
    with own_temporary_files(module.tmpdir):
        result = action.perform(module._name, module.params, check_mode=module.check_mode, warn=module.warn)
    if not isinstance(module.params.get("kubeconfig"), str | None):
        # Ansible shows the arguments of a module.
        module.params = {**module.params, "kubeconfig": "(not shown)"}
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
