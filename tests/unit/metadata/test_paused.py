# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of paused DAGs is there as a whole or not at all: what isn't on it stays paused."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.paused import BATCH, PausedDag, PausedDags

EARLIER = {"earlier": PausedDag("/dags/earlier.py", gone=False, paused=True, run="before")}
MANY = {f"dag_{number:04}": PausedDag("/dags/x.py", gone=False, paused=True, run="r") for number in range(BATCH + 200)}


@pytest.fixture
def paused(database, bare):
    bare.make_empty()
    listed = PausedDags(database, bare.names.workspace, bare.owner())
    listed.write(EARLIER)
    return listed


def test_a_list_of_several_batches_is_whole(paused):
    paused.write(MANY)

    assert paused.read() == MANY


def test_a_session_that_ends_between_two_batches_leaves_the_list_as_it_was(server, database, bare, paused, monkeypatch):
    """A second batch in another session would be on the list, and the first one not."""

    real = database.insert

    def insert(table, columns, rows):
        real(table, columns, rows)
        server.as_root(f"KILL {database.value('SELECT CONNECTION_ID()')}")
        database._used -= 60

    monkeypatch.setattr(database, "insert", insert)

    with pytest.raises(OperatorError, match="while it was needed for a transaction"):
        paused.write(MANY)

    with server.session() as another:
        assert PausedDags(another, bare.names.workspace, bare.owner()).read() == EARLIER


def test_a_batch_that_is_refused_leaves_the_list_as_it_was(server, database, bare, paused):
    """What the same session does afterwards would otherwise commit the half that was written."""
    schema = bare.names.workspace
    too_long = {"d" * 513: PausedDag("/dags/x.py", gone=False, paused=True)}

    with pytest.raises(OperatorError, match="1406"):
        paused.write(MANY | too_long)
    database.execute(f"CREATE TABLE {schema}.other (id INT)")

    with server.session() as another:
        assert another.rows(f"SELECT dag_id FROM {schema}.hopsworks_airflow_paused") == [("earlier",)]
