# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from .._common.failure import OperatorError, unforeseen
from .._common.progress import Progress
from .._kubernetes.call import Call
from .._kubernetes.cluster import Cluster
from .._kubernetes.connection import connect
from .._kubernetes.retrying_client import RetryPolicy
from .._kubernetes.unreachable import unauthorized, unreachable, words_of
from .child import Result, Warn
from .keeper import Keeper

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    import kubernetes
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    KUBERNETES_VERSION: str = kubernetes.__version__
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()

# This version uses another code generator, and its clients send requests differently
# (https://github.com/kubernetes-client/python/issues/1943).
KUBERNETES_BEFORE = 36
REQUIRED = {"type": "str", "required": True}


class Performable(Protocol):
    """What a module does, with its options and AnsibleModule's rules about them (`required_if`)."""

    argument_spec: dict[str, Any]
    rules: dict[str, Any]

    def perform(self, name: str, params: dict[str, Any], *, check_mode: bool, warn: Warn) -> Result:
        """The result in Ansible's format. A failure has `failed` and `msg`, the message for the operator.

        `params` are checked against `argument_spec` and complete; `name` is the module's, for lines of progress.
        """


class Action:
    """What a module does to a deployment, in a separate process or in a worker of `ansible-playbook`.

    `act` returns the result; `changed` defaults to false. `options` holds the module's own; those of
    `kubernetes.core.k8s_auth_options` and of the fragment `hopsworks.airflow.deployment` are added. `libraries` lists
    (name, traceback of its failed import or None). With `under_lock` false the option `lock` is accepted, as for every
    module of the action group, but not used.
    """

    def __init__(
        self,
        act: Callable[[Call], dict[str, Any]],
        options: dict[str, Any],
        *,
        libraries: tuple[tuple[str, str | None], ...] = (),
        under_lock: bool = True,
        **rules: Any,
    ) -> None:
        self._act, self._libraries, self._under_lock = act, libraries, under_lock
        self.rules = rules
        self.argument_spec: dict[str, Any] = {
            **AUTH_ARG_SPEC,
            # It may be the content of a kubeconfig.
            "kubeconfig": {**AUTH_ARG_SPEC["kubeconfig"], "no_log": True},
            "namespace": REQUIRED,
            "lock": {"type": "dict", "options": {"name": REQUIRED, "holder": REQUIRED}},
            "cluster": {"type": "dict", "options": {"server": REQUIRED, "context": {"type": "str"}}},
            **options,
        }

    def perform(self, name: str, params: dict[str, Any], *, check_mode: bool, warn: Warn) -> Result:
        for library, error in (("kubernetes", KUBERNETES_IMPORT_ERROR), *self._libraries):
            if error:
                return {"failed": True, "msg": missing_required_lib(library), "exception": error}
        if int(KUBERNETES_VERSION.partition(".")[0]) >= KUBERNETES_BEFORE:
            return _failed(_another_client())
        progress = Progress(name)
        # A run that holds a lock has reached its server before, so this failure may be temporary.
        retry_policy = RetryPolicy(reached=bool(params["lock"]))

        def act(cluster: Cluster, warn: Warn) -> Result:
            call = Call(params, check_mode, cluster, progress, warn)
            return in_words(cluster, lambda: {"changed": False, **self._act(call)})

        def connected() -> Result:
            cluster = Cluster(connect(params, retry_policy), params["namespace"])
            lock = params["lock"]
            if not lock or not self._under_lock or check_mode:
                return act(cluster, warn)
            return in_words(cluster, lambda: Keeper(cluster, lock["name"], lock["holder"]).perform(act, warn))

        return outcome(connected)


def outcome(act: Callable[[], Result]) -> Result:
    """The result of `act`, or its failure."""
    try:
        return act()
    except OperatorError as error:
        return _failed(error)
    except Exception as error:  # noqa: BLE001  nobody foresaw it, so nobody has looked at what its text holds
        return unforeseen(error)


def in_words(cluster: Cluster, act: Callable[[], Result]) -> Result:
    """The same for an action on a cluster; errors of the API server become messages for the operator."""

    def worded() -> Result:
        try:
            return act()
        except ApiException as error:
            if error.status == 401:
                raise unauthorized(error, cluster.trouble) from error
            raise (from_api(error) if error.status else unreachable(error, cluster.server)) from error
        except HTTPError as error:
            raise unreachable(error, cluster.server) from error
        except RecursionError as error:
            raise _too_deep(error) from error

    return outcome(worded)


class LocalAction:
    """What a module does only on this machine. `act` gets the parameters and `check_mode`."""

    def __init__(self, act: Callable[..., dict[str, Any]], options: dict[str, Any], **rules: Any) -> None:
        self._act = act
        self.argument_spec, self.rules = options, rules

    def perform(self, name: str, params: dict[str, Any], *, check_mode: bool, warn: Warn) -> Result:
        del name, warn
        return outcome(lambda: {"changed": False, **self._act(params, check_mode=check_mode)})


def _failed(error: OperatorError) -> dict[str, Any]:
    return {"failed": True, "msg": str(error), "failure": error.as_result()}


def _too_deep(error: RecursionError) -> OperatorError:
    """Python's parser raises this for a document, whoever reads it, including the API client."""
    frames = traceback.extract_tb(error.__traceback__)
    readers = dict.fromkeys(f"{os.path.basename(frame.filename)}, {frame.name}" for frame in frames)
    return OperatorError(
        "a document or response is nested too deeply",
        expected="documents and responses as Kubernetes, Airflow, HopsFS and this collection write them",
        untouched="everything that this action had not reached",
        next_step="see the evidence for the code that read it, and fix the document; then run the same command again",
        evidence=tuple(readers)[-4:],
    )


def _another_client() -> OperatorError:
    return OperatorError(
        f"the Python package kubernetes {KUBERNETES_VERSION}, for {sys.executable}",
        expected=f"version 29 or newer, but older than {KUBERNETES_BEFORE}",
        untouched="everything; no request was sent",
        next_step=f"{sys.executable} -m pip install 'kubernetes>=29.0.0,<{KUBERNETES_BEFORE}'",
    )


def from_api(error: ApiException) -> OperatorError:
    """The API server's rejection as a message for the operator. Contains only its message, because the body may hold an
    object."""
    message = words_of(error)
    return OperatorError(
        f"the Kubernetes API server answered {error.status}: {message}",
        expected="the request to be accepted",
        untouched="everything that this request would have changed",
        next_step="if a right is missing, grant it (docs/operator.md lists them) and run the same command again",
    )
