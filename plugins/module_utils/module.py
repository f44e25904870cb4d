# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import Lock
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.progress import Progress

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()


@dataclass
class Call:
    """What an action gets: checked parameters, the cluster, and how to talk to whoever runs it."""

    params: dict[str, Any]
    check_mode: bool
    cluster: Cluster
    progress: Progress
    warn: Callable[[str], None]


def run_module(
    argument_spec: dict[str, Any],
    action: Callable[[Call], dict[str, Any]],
    *,
    libraries: tuple[tuple[str, str | None], ...] = (),
    under_lock: bool = True,
    **module_arguments: Any,
) -> None:
    """Run one action as an Ansible module: the common options, the lock, and every failure as words for an operator.

    `argument_spec` holds the module's own options; those of `kubernetes.core.k8s_auth_options` and of the fragment
    `hopsworks.airflow.deployment` are added. `libraries` lists (name, traceback of its failed import or None).
    With `under_lock` false the option `lock` is accepted, as for every module of the action group, but not used.
    `action` returns the module's result; `changed` defaults to false.
    """
    module = AnsibleModule(
        argument_spec={
            **AUTH_ARG_SPEC,
            "namespace": {"type": "str", "required": True},
            "lock": {
                "type": "dict",
                "options": {
                    "name": {"type": "str", "default": "airflow-runbook"},
                    "holder": {"type": "str", "required": True},
                },
            },
            **argument_spec,
        },
        supports_check_mode=True,
        **module_arguments,
    )
    for name, error in (("kubernetes", KUBERNETES_IMPORT_ERROR), *libraries):
        if error:
            module.fail_json(msg=missing_required_lib(name), exception=error)
    try:
        api = get_api_client(**{name: module.params[name] for name in AUTH_ARG_SPEC if module.params.get(name)})
        cluster = Cluster(api.client.client, module.params["namespace"])
        call = Call(module.params, module.check_mode, cluster, Progress(module._name), module.warn)
        lock = module.params["lock"]
        if lock and under_lock and not module.check_mode:
            with Lock(cluster, lock["name"]).kept(lock["holder"]):
                result = action(call)
        else:
            result = action(call)
    except OperatorError as error:
        module.fail_json(msg=str(error), failure=error.as_result())
    except CoreException as error:
        module.fail_json(msg=str(error))
    except ApiException as error:
        module.fail_json(msg=str(from_api(error)), failure=from_api(error).as_result())
    except HTTPError as error:
        unreachable = OperatorError(
            f"the Kubernetes API server does not answer ({type(error).__name__})",
            expected="an answer",
            untouched="everything this action had not reached yet",
            next_step="check kubeconfig and network, then run the same command again: it goes on where this stopped",
        )
        module.fail_json(msg=str(unreachable), failure=unreachable.as_result())
    module.exit_json(**{"changed": False, **result})


def from_api(error: ApiException) -> OperatorError:
    """An API server's refusal in an operator's words: its message only, since the body may hold an object."""
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    return OperatorError(
        f"the Kubernetes API server answered {error.status}: {message}",
        expected="the request to be accepted",
        untouched="what this request was to change",
        next_step="if a right is missing, grant it (docs/operator.md lists them) and run the same command again",
    )
