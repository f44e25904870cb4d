# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reset and its reverse have in common: what they are asked, what they read, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import conditions
from ..inspection import Inspection, inspect
from ..ownership import Owner

if TYPE_CHECKING:
    from ..._database.engine import Database
    from ..memory import Memory
    from ..schemas import Schemas

SET_ASIDE, DROP = "set_aside", "drop"


@dataclass(frozen=True)
class Request:
    """What the operator asks for. `namespace` is that of the deployment."""

    names: Schemas
    namespace: str
    deployment: str
    run: str
    confirm: str
    method: str = SET_ASIDE
    image: str = ""
    session_timeout_seconds: float = 60
    verify_content: bool = True
    rehearsed_dump: Mapping[str, Any] | None = None
    extra_tables: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner:
        return Owner(self.deployment, self.namespace, self.names.live, self.run)


class Swap:
    """A reset, or its reverse."""

    def __init__(self, database: Database, request: Request, memory: Memory, progress: Callable[[str], None]) -> None:
        self._database, self._request, self._memory = database, request, memory
        self._progress, self._names = progress, request.names

    def predict(self) -> dict[str, Any]:
        """What `carry_out` would do, without a change. Raises OperatorError if it would refuse even later."""
        return self._act(changes=False)

    def carry_out(self) -> dict[str, Any]:
        """Do it. The caller holds `Database.move_lock`."""
        return self._act(changes=True)

    def _act(self, *, changes: bool) -> dict[str, Any]:
        raise NotImplementedError

    def _inspect(self) -> Inspection:
        return inspect(self._database, self._names, self._request.extra_tables, self._request.owner)

    def _confirmed(self) -> conditions.Condition:
        return conditions.confirmed(self._request.deployment, self._request.confirm)

    def _wait_until_unused(self) -> None:
        seconds = self._request.session_timeout_seconds
        conditions.wait_until_unused(self._database, self._names.live, seconds, self._progress)


def outcome(stage: str, *, changed: bool, checked: Sequence[conditions.Condition] = (), **facts: Any) -> dict[str, Any]:
    """The result of the module, with the facts that are not given as they are if nothing was done."""
    nothing: dict[str, Any] = {
        "method": None,
        "run": None,
        "revision": None,
        "set_aside": None,
        "moved": 0,
        "tables": [],
    }
    checks = [entry.as_result() for entry in checked]
    return {"changed": changed, "stage": stage, **nothing, **facts, "conditions": checks}
