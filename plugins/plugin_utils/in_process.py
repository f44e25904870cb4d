# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pathlib
import random
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action.normal import ActionModule as Normal
from ansible.plugins.loader import filter_loader, test_loader

from ..module_utils._common.failure import unforeseen
from ..module_utils._common.private_file import write_privately
from ..module_utils._common.temporary_files import own_temporary_files
from ..module_utils._run.action import Performable
from ..module_utils._run.child import Child, Warn, let_go
from ..module_utils._run.unlogged import unlogged
from .output import outlive_output
from .workers import start_surely

# Called here, because the first acting task is the first one with something to lose. Workers inherit it from their
# parent.
if multiprocessing.parent_process() is None:
    outlive_output()
    start_surely()
    # Every worker would load them again, for its first expression.
    LOADED = (*filter_loader.all(), *test_loader.all())
# Each worker is a fork of this process. Modules that are imported by now are permanent, so the garbage collection of
# the workers does not scan them, and so does not copy them.
gc.freeze()


class InProcess(Normal):
    """Performs a module's action in a fork of the worker that Ansible forked for the task.

    A module is a program: it is packed, passed to a new interpreter and compiled, and only then imports the Kubernetes
    client. A worker inherits all of that from its parent, which saves a second per action. The worker itself waits,
    because Ansible would wait forever for a crashed worker (`_run/child.py`).

    The module runs as a program if the two could differ: on another machine, as another user, with another interpreter
    or environment.
    """

    ACTION: ClassVar[Performable]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._is_here(task_vars or {}):
            result: dict[str, Any] = super().run(tmp, task_vars)
            return result
        options = self.ACTION.argument_spec
        validation = ArgumentSpecValidator(options, **self.ACTION.rules).validate(plain(self._task.args))
        parameters = validation.validated_parameters
        # As in AnsibleModule: an option with `no_log` is never shown, not even in errors.
        hidden = unlogged(options, parameters)

        def perform(warn: Warn) -> dict[str, Any]:
            return self._perform(parameters, warn)

        def shown(act: Callable[[Warn], dict[str, Any]]) -> dict[str, Any]:
            warnings: list[str] = []
            with own_temporary_files(constants.DEFAULT_LOCAL_TMP):
                result = act(warnings.append)
            with_warnings = {**result, "warnings": warnings} if warnings else result
            cleaned: dict[str, Any] = remove_values(with_warnings, hidden)
            return cleaned

        if validation.error_messages:
            refused: dict[str, Any] = {"failed": True, "msg": "; ".join(validation.error_messages)}
            result = remove_values(refused, hidden)
        elif self._task.async_val:
            folder = pathlib.Path(self.get_shell_option("async_dir", default="~/.ansible_async"))
            result = in_background(lambda: shown(perform), folder.expanduser(), self._task.async_val)
        else:
            result = shown(lambda warn: Child(perform).result(warn))
        return result

    def _perform(self, parameters: dict[str, Any], warn: Warn) -> dict[str, Any]:
        name = type(self).__module__.rpartition(".")[2]
        return self.ACTION.perform(name, parameters, check_mode=bool(self._task.check_mode), warn=warn)

    def _is_here(self, task_vars: dict[str, Any]) -> bool:
        """Whether a module would run on this machine, as this user, with this interpreter and this environment."""
        task = self._task
        variables = task_vars
        if task.delegate_to:
            variables = task_vars.get("ansible_delegated_vars", {}).get(task.delegate_to, {})
        return (
            self._connection.transport == "local"
            and self._templar.template(variables.get("ansible_python_interpreter")) == sys.executable
            and not self._connection.become
            and not any(task.environment or [])
            # Ansible rejects it.
            and not (task.async_val and task.check_mode)
        )


def in_background(perform: Callable[[], dict[str, Any]], folder: pathlib.Path, seconds: int) -> dict[str, Any]:
    """Start an action that outlives its task, for at most `seconds`; the result is a file in `folder`, as
    `async_status` reads it."""
    job = f"j{random.randrange(10**12)}.{os.getpid()}"  # noqa: S311  a name, not a secret
    file = folder / job
    # Not 1 and 0, as before ansible-core 2.19: 2.21 warns about these, and older versions compare them as numbers.
    begun = {"started": True, "finished": False, "ansible_job_id": job}
    _write(file, begun)
    if os.fork() == 0:
        # The copy must not use or run anything of the worker: pipes to Ansible, handlers, exit functions.
        try:
            os.setsid()
            let_go(set())
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, lambda *_given: sys.exit(1))
            signal.alarm(seconds)
            try:
                _write(file, {**begun, **perform(), "finished": True})
            except BaseException as error:  # noqa: BLE001  no other code would see it
                _write(file, {**begun, **unforeseen(error), "finished": True})
        finally:
            os._exit(0)
    return {**begun, "results_file": str(file)}


def _write(file: pathlib.Path, result: dict[str, Any]) -> None:
    write_privately(file, json.dumps(result).encode())


def plain(value: Any) -> Any:
    """A task's argument as a module would get it: plain JSON values, without Ansible's tags, lazy values and vaults."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)
