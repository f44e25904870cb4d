# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

"""What the server rolls back for a transaction of Airflow, and asks to be sent again, is sent again."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as quiesce_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql import session as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted

ATTEMPTS = len(subject.PAUSES_SECONDS) + 1
GIVEN_UP_SECONDS = 60


@pytest.fixture
def pauses(monkeypatch):
    monkeypatch.setattr(subject, "PAUSES_SECONDS", (0,) * (ATTEMPTS - 1))


@pytest.fixture
def refusing(server, bare, pauses):
    """A table of one row whose next changes are refused, with an error and a number of times."""
    bare.make_empty()

    def refuse(code, times):
        # What a trigger writes into a table without transactions is not rolled back.
        server.as_root(
            "CREATE TABLE counter (n INT) ENGINE = MyISAM; INSERT INTO counter VALUES (0);"
            "CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE = InnoDB; INSERT INTO t VALUES (1, 0);"
            "\nDELIMITER //\n"
            "CREATE TRIGGER refuse BEFORE UPDATE ON t FOR EACH ROW BEGIN UPDATE counter SET n = n + 1;"
            f" IF (SELECT n FROM counter) <= {times} THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code},"
            " MESSAGE_TEXT = 'try again'; END IF; END//\n",
            bare.names.live,
        )
        return quoted(bare.names.live, "t")

    return refuse


def attempts(server, bare):
    return int(server.as_root("SELECT n FROM counter", bare.names.live))


@pytest.mark.parametrize("code", [1213, 1297])
def test_a_statement_is_sent_again(server, database, bare, refusing, code):
    table = refusing(code, ATTEMPTS - 1)

    assert database.execute(f"UPDATE {table} SET a = a + 1 WHERE id = %s", [1]) == 1

    assert attempts(server, bare) == ATTEMPTS
    assert server.as_root(f"SELECT a FROM {table}").strip() == "1"


def test_it_ends_in_words(server, database, bare, refusing):
    table = refusing(1297, 1000)

    with pytest.raises(OperatorError, match="answered 1297: try again") as caught:
        database.execute(f"UPDATE {table} SET a = a + 1")

    assert attempts(server, bare) == ATTEMPTS
    assert "rolled back each time" in caught.value.expected


def test_another_error_is_told_at_once(server, database, bare, refusing):
    table = refusing(1644, 1)

    with pytest.raises(OperatorError, match="answered 1644"):
        database.execute(f"UPDATE {table} SET a = a + 1")

    assert attempts(server, bare) == 1


@pytest.mark.parametrize("times", [1, 1000])
def test_a_transaction_is_sent_again_as_a_whole(server, database, bare, refusing, times):
    """What came before the statement in the transaction is rolled back, too."""
    table = refusing(1213, times)

    def work():
        database.execute(f"INSERT INTO {table} VALUES (2, 0)")
        database.execute(f"UPDATE {table} SET a = a + 1 WHERE id = 1")

    with pytest.raises(OperatorError, match="answered 1213") if times > ATTEMPTS else contextlib.nullcontext():
        database.together(work)

    done = times < ATTEMPTS
    assert attempts(server, bare) == (times + 1 if done else ATTEMPTS)
    assert server.as_root(f"SELECT * FROM {table}").split() == (["1", "1", "2", "0"] if done else ["1", "0"])
    # Afterwards each statement is one of its own again.
    server.as_root("UPDATE counter SET n = 0", bare.names.live)
    with contextlib.suppress(OperatorError):
        database.execute(f"UPDATE {table} SET a = 7 WHERE id = 1")
    assert attempts(server, bare) == (times + 1 if done else ATTEMPTS)


@pytest.fixture
def crossing(server, deployment):
    """A transaction of the scheduler: has a later DAG's row, and wants an earlier one's when somebody waits for it."""
    live = deployment.names.live
    server.as_root(
        "INSERT INTO dag (dag_id, is_paused, is_active) SELECT CONCAT('p_', LPAD(seq, 3, '0')), 0, 1 FROM seq_1_to_120",
        live,
    )

    @contextlib.contextmanager
    def cross(later, earlier):
        scheduler = server.connect(live)
        with contextlib.closing(scheduler), scheduler.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            # The server rolls back the transaction that has changed less.
            cursor.execute("INSERT INTO log (event) SELECT event FROM log")
            cursor.execute(f"UPDATE dag SET last_scheduler_run = NOW() WHERE dag_id = '{later}'")

            def go_on():
                deadline = time.monotonic() + GIVEN_UP_SECONDS
                waiting = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"
                while not int(server.as_root(waiting)) and time.monotonic() < deadline:
                    time.sleep(0.1)
                cursor.execute(f"UPDATE dag SET last_scheduler_run = NOW() WHERE dag_id = '{earlier}'")
                scheduler.commit()

            thread = threading.Thread(target=go_on)
            thread.start()
            try:
                yield
            finally:
                thread.join()

    return cross


def deadlocks(server):
    return int(server.as_root("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").split()[1])


def test_a_deadlock_with_the_scheduler_does_not_end_a_pause(server, database, deployment, crossing):
    before, quiesce = deadlocks(server), deployment.quiesce(database)

    with crossing("p_040", "p_001"):
        quiesce.pause()

    assert deadlocks(server) > before
    assert quiesce.unpaused() == {}


def test_a_pause_does_not_hold_rows_of_other_dags_while_it_waits_for_one(server, database, deployment, crossing):
    before, quiesce = deadlocks(server), deployment.quiesce(database)

    with crossing(f"p_{quiesce_module.ROWS_AT_ONCE * 2:03}", "p_001"):
        quiesce.pause()

    assert deadlocks(server) == before
    assert quiesce.unpaused() == {}
