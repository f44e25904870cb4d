# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between a session and its server is a proxy that closes connections on which nothing is asked for a while."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import contextlib
import dataclasses
import select
import socket
import threading
import types
from unittest import mock

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import make_dump, read_content
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import migration
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_migrate
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NEW_REVISION, RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD, address_of

IDLE_SECONDS = 1.0
# Only where it never closes anything.
GIVEN_UP_SECONDS = 60


class Proxy:
    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed, self._open = threading.Condition(), 0
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def wait_for_its_limit(self):
        """Idle until every connection is closed for it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == 0, GIVEN_UP_SECONDS)

    def end(self):
        # Closing alone doesn't wake a thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self._count(1)
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _count(self, change):
        with self._changed:
            self._open += change
            self._changed.notify_all()

    def _relay(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._port)) as server:
            asked = False
            # However long an answer takes, the connection is not idle.
            while ready := select.select([client, server], [], [], None if asked else IDLE_SECONDS)[0]:
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        raise ConnectionError
                    asked = source is client
                    (server if asked else client).sendall(data)
        self._count(-1)


@pytest.fixture
def proxy(server):
    made = Proxy(server.port)
    yield made
    made.end()


@pytest.fixture
def database(proxy):
    with session("127.0.0.1", proxy.port, "airflow", PASSWORD.encode(), "the test's proxy") as connected:
        yield connected


@pytest.fixture
def table(server, bare):
    bare.make_empty()
    server.as_root("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20)); INSERT INTO t VALUES (1, 'x')", bare.names.live)
    return quoted(bare.names.live, "t")


def test_a_session_that_was_closed_is_opened_again_with_its_settings(proxy, database, table):
    earlier = database.value("SELECT CONNECTION_ID()")
    proxy.wait_for_its_limit()

    assert database.execute(f"UPDATE {table} SET a = 'again'") == 1
    assert database.value("SELECT CONNECTION_ID()") != earlier
    assert database.value("SELECT @@time_zone") == "+00:00"


def test_it_is_an_error_while_a_lock_is_held(proxy, database, table, server, bare):
    with database.move_lock(bare.names.live, 1):
        proxy.wait_for_its_limit()
        with pytest.raises(OperatorError, match=f"the lock on schema {bare.names.live}"):
            database.execute(f"UPDATE {table} SET a = 'without the lock'")

    assert server.as_root(f"SELECT a FROM {table}").strip() == "x"


def test_it_is_opened_again_once_the_lock_is_given_back(proxy, database, bare):
    with database.move_lock(bare.names.live, 1):
        pass
    proxy.wait_for_its_limit()

    assert database.value("SELECT 1") == 1


def test_a_dump_that_takes_longer_is_kept(proxy, database, deployment, tools, tmp_path):
    """The session that compares rows waits while the tool works."""
    before = read_content(database, deployment.names.live, quiet)

    def dump(schema, write, left_out):
        tools.dump(schema, write, left_out)
        proxy.wait_for_its_limit()

    slow = types.SimpleNamespace(dump=dump)
    path = tmp_path / "slow.sql.gz"

    assert make_dump(database, slow, deployment.names.live, RUN, path, before, quiet).bytes > 0
    assert path.exists()


def test_a_killed_runs_job_may_take_its_time_to_end(proxy, database, bare, monkeypatch):
    """As long as nothing is locked that the session has to keep."""
    bare.make_old()

    def migrate(_seconds):
        schema = bare.names.workspace
        bare.server.as_root(f"CREATE TABLE {schema}.alembic_version (version_num VARCHAR(32))")
        bare.server.as_root(f"INSERT INTO {schema}.alembic_version VALUES ('{NEW_REVISION}')")
        return []

    removed = mock.Mock(side_effect=lambda *_given: proxy.wait_for_its_limit())
    monkeypatch.setattr(migration, "remove_leftovers", removed)
    monkeypatch.setattr(migration, "Job", lambda *_given: types.SimpleNamespace(run=migrate))
    monkeypatch.setattr(migration, "head_in", lambda _lines: (NEW_REVISION, "3.0.6"))
    given = {"live": bare.names.live, "deployment": bare.name, "run": RUN, "image": "image:1"}
    call = call_of(database, monkeypatch, metadata_migrate, **given)
    call.params["database"] = {"password_secret": {"name": "database", "key": "password"}}
    address = dataclasses.replace(address_of(bare.server), name=bare.names.live)
    monkeypatch.setattr(migration, "read_address", lambda *_given: address)

    assert metadata_migrate.act(call)["revision"] == NEW_REVISION
    removed.assert_called_once()
