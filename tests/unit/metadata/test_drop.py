# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

"""The vendor's way: one DROP DATABASE, whatever happens."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.metadata.support import (
    ClientDiedError,
    DyingDatabase,
    quiet,
    reset,
    restore,
    set_state,
)


class TestDrop:
    """The vendor's way: one DROP DATABASE, whatever happens."""

    def test_drops_once_and_again_changes_nothing(self, database, deployment, mirror):
        dropped = deployment.server.logged("DROP DATABASE")

        result = reset(database, deployment, mirror, **self._drop(database, deployment))

        assert result["method"] == "drop"
        assert result["set_aside"] is None
        assert inspect(database, deployment.names).stage == "installed"
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert not reset(database, deployment, mirror, **self._drop(database, deployment))["changed"]
        assert deployment.server.logged("DROP DATABASE") == dropped + 1
        assert deployment.schemas() == {deployment.names.live, deployment.names.workspace}
        with pytest.raises(OperatorError, match="dropped the old tables"):
            restore(database, deployment, mirror)

    def test_interrupted_at_every_statement_it_drops_once(self, server, bare, mirror):
        """The client dies before each of the statements it sends, one after the other, until there is none left."""
        with server.session() as database:
            bare.make_old()
            bare.make_new(database)
            changes = self._drop(database, bare)
        dropped = server.logged("DROP DATABASE")
        crashes = 0
        while True:
            with server.session() as database:
                dying = DyingDatabase(database, after=crashes)
                try:
                    reset(dying, bare, mirror, **changes)
                    break
                except ClientDiedError:
                    crashes += 1
        assert crashes >= 8
        with server.session() as database:
            assert inspect(database, bare.names).stage == "installed"
        assert server.logged("DROP DATABASE") == dropped + 1
        assert bare.tables(bare.names.workspace) == set()

    def test_a_failure_after_the_drop_does_not_call_the_old_tables_untouched(self, database, deployment, mirror):
        changes = self._drop(database, deployment)
        action = Reset(database, deployment.request(**changes), mirror, quiet)
        plan = action._write_plan(inspect(database, deployment.names))
        set_state(database, plan, "dropping")
        live = deployment.names.live
        deployment.server.as_root(
            f"DROP DATABASE {live}; CREATE DATABASE {live}; CREATE TABLE {live}.orders (id INT);"
            f" RENAME TABLE {plan.workspace}.{plan.moves[0].table} TO {live}.{plan.moves[0].table}"
        )

        with pytest.raises(OperatorError) as caught:
            reset(database, deployment, mirror, **changes)

        assert "dropped before" in caught.value.untouched

    def _drop(self, database, deployment):
        rehearsed = deployment.rehearsed(database, deployment.names.live)
        return {"method": "drop", "rehearsed_dump": rehearsed}
