# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.memory import Memory, Remembered
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import Plan
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import PLAN
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import UNDO_RUN, Deployment, quiet


class RememberingMemory:
    """The ConfigMap's entry, kept here."""

    config_map = "airflow-runbook"

    def __init__(self) -> None:
        self.remembered: Remembered | None = None

    def read(self) -> Remembered | None:
        return self.remembered

    def write(self, remembered: Remembered) -> None:
        self.remembered = remembered


def reset(database: MySql, deployment: Deployment, memory: RememberingMemory, **changes: object) -> dict[str, Any]:
    return Reset(database, deployment.request(**changes), cast(Memory, memory), quiet).carry_out()


def restore(database: MySql, deployment: Deployment, memory: RememberingMemory, **changes: object) -> dict[str, Any]:
    request = deployment.request(run=UNDO_RUN, **changes)
    return Restore(database, request, cast(Memory, memory), quiet).carry_out()


def set_state(database: MySql, plan: Plan, state: str) -> None:
    database.execute(
        f"UPDATE {quoted(plan.schema, PLAN)} SET detail = JSON_SET(detail, '$.state', '{state}') WHERE position = 0"
    )


class ClientDiedError(Exception):
    """The tests' stand-in for SIGKILL."""


class DyingDatabase(MySql):
    """A session whose client dies before it sends one more statement that changes something.

    That is the one `after` so many others, or the first that begins with `before`.
    """

    def __init__(self, database: MySql, after: int = -1, before: str = "") -> None:
        super().__init__(database._connection, database._where)
        self._left, self._before = after, before

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        if self._left == 0 or (self._before and statement.startswith(self._before)):
            raise ClientDiedError(statement)
        self._left -= 1
        return super().execute(statement, values)
