# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the conditions of a reset must know about the neighbours of old tables: hidden programs, other schemas' keys."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.engine import Use
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.privileges import NEEDED
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap import states
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_swap
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset


@pytest.fixture
def connect(server, deployment):
    """Sessions of a user that has just the rights that moving and dropping need, and those given to it further."""
    user = f"u_{deployment.names.live}"
    rights = ", ".join(sorted(NEEDED[Use.BUILD] | NEEDED[Use.LOCK]))
    server.as_root(f"CREATE USER {user}; GRANT {rights} ON `{deployment.names.live}%`.* TO {user}")

    @contextlib.contextmanager
    def opened(*grants):
        for grant in grants:
            server.as_root(f"GRANT {grant} TO {user}")
        with session("127.0.0.1", server.port, user, b"", "the test's server") as database:
            yield database

    yield opened
    server.as_root(f"DROP USER {user}")


@pytest.fixture
def bi(server, deployment):
    """A schema of somebody else with a key onto Airflow's `dag`."""
    name = f"bi_{deployment.names.live}"
    server.as_root(
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; CREATE TABLE {name}.t ("
        f"dag_id VARCHAR(250), CONSTRAINT bi_dag FOREIGN KEY (dag_id) REFERENCES {deployment.names.live}.dag (dag_id))"
    )
    yield name
    server.as_root(f"DROP DATABASE {name}")


def dropping(database, deployment):
    return {"method": "drop", "rehearsed_dump": deployment.rehearsed(database, deployment.names.live)}


def found(result, condition):
    return next(entry for entry in result["conditions"] if entry["condition"] == condition)


class TestHidden:
    @pytest.mark.parametrize(
        ("kind", "statement"),
        [
            ("routines", "CREATE PROCEDURE {}.tidy() SELECT 1"),
            ("routines", "CREATE FUNCTION {}.one() RETURNS INT RETURN 1"),
            ("events", "CREATE EVENT {}.nightly ON SCHEDULE EVERY 1 DAY DO SELECT 1"),
            ("triggers", "CREATE TRIGGER {0}.audit BEFORE UPDATE ON {0}.dag FOR EACH ROW SET NEW.is_paused = 1"),
        ],
    )
    def test_what_is_not_shown_is_not_dropped(self, server, deployment, memory, connect, kind, statement):
        live = deployment.names.live
        server.as_root(statement.format(live))
        before = deployment.definition(live)
        with connect() as database:
            with pytest.raises(OperatorError, match=f"would not show .*{kind}") as caught:
                reset(database, deployment, memory, **dropping(database, deployment))
            grants = caught.value.next_step.partition("database: ")[2].partition("; or")[0]
        assert deployment.definition(live) == before

        server.as_root(grants)

        # Shown now, and known as something that Airflow never makes.
        with connect() as database, pytest.raises(OperatorError, match="stored programs"):
            reset(database, deployment, memory, **dropping(database, deployment))

    def test_rows_that_can_not_be_locked_are_not_dropped(self, server, deployment, memory, connect):
        live = deployment.names.live
        with connect(f"EXECUTE, TRIGGER, EVENT ON `{live}%`.*") as database:
            server.as_root(f"REVOKE LOCK TABLES ON `{live}%`.* FROM u_{live}")
            with pytest.raises(OperatorError, match=f"lacks LOCK TABLES ON {live}") as caught:
                reset(database, deployment, memory, **dropping(database, deployment))
            assert len(deployment.tables(live)) == 33

            server.as_root(caught.value.next_step.partition(": ")[2])
            assert reset(database, deployment, memory, **dropping(database, deployment))["changed"]

    def test_without_the_right_to_lock_tables_are_set_aside(self, server, deployment, memory, connect):
        live = deployment.names.live
        with connect() as database:
            server.as_root(f"REVOKE LOCK TABLES ON `{live}%`.* FROM u_{live}")
            assert reset(database, deployment, memory)["changed"]

    def test_with_the_rights_to_be_shown_everything_it_drops(self, deployment, memory, connect):
        with connect(f"EXECUTE, TRIGGER, EVENT ON `{deployment.names.live}%`.*") as database:
            assert reset(database, deployment, memory, **dropping(database, deployment))["changed"]

    def test_setting_aside_says_so_and_goes_on(self, deployment, memory, connect):
        with connect() as database:
            result = reset(database, deployment, memory)

        assert found(result, "nothing_hidden")["verdict"] == "noted"


class TestKeys:
    @pytest.mark.parametrize("grant", ["PROCESS ON *.*", "INSERT ON `{bi}`.*"])
    def test_a_key_that_is_shown_refuses_the_drop(self, deployment, memory, connect, bi, grant):
        with (
            connect(f"EXECUTE, TRIGGER, EVENT ON `{deployment.names.live}%`.*", grant.format(bi=bi)) as database,
            pytest.raises(OperatorError, match=rf"foreign key bi_dag of {bi}\.t onto dag"),
        ):
            reset(database, deployment, memory, **dropping(database, deployment))

        assert len(deployment.tables(deployment.names.live)) == 33

    def test_a_key_that_is_not_shown_is_told_and_does_not_block_for_ever(self, server, deployment, memory, connect, bi):
        with connect(f"EXECUTE, TRIGGER, EVENT ON `{deployment.names.live}%`.*") as database:
            changes = dropping(database, deployment)
            for _attempt in range(3):
                with pytest.raises(OperatorError, match=r"answered 1(217|451)") as caught:
                    reset(database, deployment, memory, **changes)
                assert "REFERENTIAL_CONSTRAINTS" in caught.value.next_step
                assert "rehearsed dump" in caught.value.untouched
                assert "dag" in deployment.tables(deployment.names.live)
            # It shows itself to whoever may see it.
            connect(f"INSERT ON `{bi}`.*").__enter__()
            with pytest.raises(OperatorError, match=rf"foreign key bi_dag of {bi}\.t"):
                reset(database, deployment, memory, **changes)

            server.as_root(f"ALTER TABLE {bi}.t DROP FOREIGN KEY bi_dag")

            assert reset(database, deployment, memory, **changes)["changed"]
            assert inspect(database, deployment.names).stage == "installed"

    def test_of_whom_nothing_is_known_is_said(self, deployment, memory, connect):
        with connect(f"EXECUTE, TRIGGER, EVENT ON `{deployment.names.live}%`.*") as database:
            result = reset(database, deployment, memory, **dropping(database, deployment))

        assert found(result, "no_key_from_outside")["verdict"] == "noted"
        assert "PROCESS" in found(result, "no_key_from_outside")["found"]

    def test_with_process_it_is_known_that_there_is_none(self, deployment, memory, connect):
        with connect("PROCESS ON *.*") as database:
            result = reset(database, deployment, memory)

        assert found(result, "no_key_from_outside")["verdict"] == "holds"

    def test_setting_aside_says_that_the_key_follows(self, server, deployment, memory, connect, bi):
        with connect("PROCESS ON *.*") as database:
            result = reset(database, deployment, memory)

        assert found(result, "no_key_from_outside")["verdict"] == "noted"
        assert "bi_dag" in found(result, "no_key_from_outside")["found"]
        assert deployment.names.aside(RUN) in server.as_root(f"SHOW CREATE TABLE {bi}.t")

    @pytest.mark.parametrize(
        ("kind", "statement"),
        [
            ("view", "CREATE VIEW {bi}.v AS SELECT dag_id FROM {live}.dag"),
            ("routine", "CREATE PROCEDURE {bi}.v() SELECT * FROM {live}.dag"),
            ("event", "CREATE EVENT {bi}.v ON SCHEDULE EVERY 1 YEAR DO DELETE FROM `{live}` . log"),
        ],
    )
    def test_what_names_the_tables_is_said(self, server, deployment, memory, connect, bi, kind, statement):
        server.as_root(f"ALTER TABLE {bi}.t DROP FOREIGN KEY bi_dag")
        server.as_root(statement.format(bi=bi, live=deployment.names.live))
        with connect(f"ALL ON `{bi}`.*", "SELECT, SHOW VIEW ON *.*") as database:
            result = reset(database, deployment, memory)

        assert f"{kind} {bi}.v" in found(result, "no_reader_outside")["found"]


def test_the_plan_warns_of_what_it_can_not_know_and_of_what_follows(
    server, deployment, memory, connect, bi, monkeypatch
):
    live = deployment.names.live
    server.as_root(f"CREATE VIEW {bi}.v AS SELECT dag_id FROM {live}.dag")
    monkeypatch.setattr(states, "Memory", lambda *_given: memory)
    warnings = []
    with connect(f"EXECUTE, TRIGGER, EVENT ON `{live}%`.*", f"SELECT, INSERT, SHOW VIEW ON `{bi}`.*") as database:
        given = {"deployment": "demo", "confirm": "demo", "run": RUN, "check_mode": True}
        call = call_of(database, monkeypatch, metadata_swap, live=live, **given)
        metadata_swap.act(dataclasses.replace(call, warn=warnings.append))

    key, reader, sessions = warnings
    assert f"foreign key bi_dag of {bi}.t onto dag will follow the old table" in key
    assert f"view {bi}.v names tables of schema {live}" in reader
    assert "lacks the right PROCESS, so sessions of other users are not shown" in sessions


@pytest.fixture
def capitals(server, deployment):
    """A schema of somebody else whose name differs from the live one in capitals only."""
    name = deployment.names.live.replace("airflow_t", "airflow_T")
    server.as_root(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    yield name
    server.as_root(f"DROP DATABASE {name}")


class TestOfANameThatDiffersInCapitals:
    def test_a_key_refuses_the_drop(self, server, database, deployment, memory, capitals):
        live = deployment.names.live
        server.as_root(
            f"CREATE TABLE {capitals}.t (dag_id VARCHAR(250),"
            f" CONSTRAINT bi_dag FOREIGN KEY (dag_id) REFERENCES {live}.dag (dag_id));"
            f" CREATE VIEW {capitals}.v AS SELECT dag_id FROM {live}.dag"
        )

        neighbours = database.neighbours(live, database.rights())

        assert neighbours.keys == (f"foreign key bi_dag of {capitals}.t onto dag",)
        assert neighbours.readers == (f"view {capitals}.v",)

    def test_its_own_keys_are_not_onto_ours(self, server, database, deployment, capitals):
        server.as_root(
            f"CREATE TABLE {capitals}.dag (id INT PRIMARY KEY);"
            f" CREATE TABLE {capitals}.t (id INT, FOREIGN KEY (id) REFERENCES {capitals}.dag (id));"
            f" CREATE VIEW {capitals}.v AS SELECT id FROM {capitals}.dag"
        )

        neighbours = database.neighbours(deployment.names.live, database.rights())

        assert (neighbours.keys, neighbours.readers) == ((), ())

    def test_what_is_in_it_and_who_uses_it_is_not_ours(self, server, database, deployment, capitals):
        server.as_root(
            f"CREATE TABLE {capitals}.t (id INT PRIMARY KEY); CREATE PROCEDURE {capitals}.p() SELECT 1;"
            f" CREATE EVENT {capitals}.e ON SCHEDULE EVERY 1 YEAR DO SELECT 1;"
            f" CREATE TRIGGER {capitals}.tr BEFORE INSERT ON {capitals}.t FOR EACH ROW SET @a = 1"
        )
        with contextlib.closing(server.connect(capitals)):
            assert database.sessions_in(deployment.names.live) == []
            assert len(database.sessions_in(capitals)) == 1
        assert len(database.stored_programs(capitals)) == 3
        assert inspect(database, deployment.names).stage == "old"


@pytest.mark.parametrize("letters", ["ä", "Ä-é", "日本"])
def test_a_key_onto_a_name_that_is_not_ascii_is_known(server, connect, letters):
    """InnoDB has it as the name of a file."""
    live, other = f"airflow_{letters}", f"bi_{letters}"
    onto = f"FOREIGN KEY (id) REFERENCES `{live}`.dag (id)"
    server.as_root(
        f"CREATE DATABASE `{live}`; CREATE TABLE `{live}`.`dag` (id INT PRIMARY KEY);"
        f" CREATE TABLE `{live}`.own (id INT, {onto}); CREATE DATABASE `{other}`;"
        f" CREATE TABLE `{other}`.`t_{letters}` (id INT, CONSTRAINT bi_dag {onto})"
    )
    try:
        with connect("PROCESS ON *.*") as database:
            keys = database.neighbours(live, database.rights()).keys
        assert keys == (f"foreign key bi_dag of {other}.t_{letters} onto dag",)
    finally:
        server.as_root(f"DROP DATABASE `{other}`; DROP DATABASE `{live}`")
