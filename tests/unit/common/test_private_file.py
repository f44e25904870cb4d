# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a run keeps on this machine, where there is no room or no right for them."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import availability_probe


@pytest.mark.parametrize("state", ["probing", "begun"])
def test_a_probe_that_can_not_write_its_file_says_so_and_so_does_who_waits_for_it(state):
    """The probe is in the background; its file would have said why it has not begun."""
    defaults = {name: option.get("default") for name, option in availability_probe.ACTION.argument_spec.items()}
    files = {"file": "/dev/null/runs/r1/a.jsonl", "stop_file": "/dev/null/runs/r1/a.stop"}
    params = {**defaults, **files, "state": state, "urls": {"ui": "http://127.0.0.1:1/"}}
    with pytest.raises(OperatorError, match="can't be written on this machine") as refused:
        availability_probe.act(Call(params, False, None, None, pytest.fail))
    assert "airflow_run_directory" in refused.value.next_step
