# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

"""A server that folds names (lower_case_table_names): what is emptied is what was judged, whatever it was called."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump import restoring
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import Manifest
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import migration
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import on_server, schemas_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap import states
from ansible_collections.hopsworks.airflow.plugins.modules import (
    metadata_info,
    metadata_migrate,
    metadata_restore,
    metadata_swap,
    quiesce,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, UNDO_RUN, Deployment

_numbers = itertools.count(1)


@pytest.fixture
def folding(folding_server):
    with folding_server.session() as session:
        yield session


@pytest.fixture
def old(folding_server):
    made = Deployment(folding_server, f"airflow_f{next(_numbers)}")
    made.make_old()
    return made


def spelled(names):
    """As an inventory may have it."""
    return names.live.replace("airflow", "AirFlow")


def test_names_are_those_that_the_server_keeps(database, folding):
    names = schemas_of("Airflow", "Airflow_Other")
    assert on_server(database, names) == names
    assert on_server(folding, names) == schemas_of("airflow", "airflow_other")
    assert (database.folded("Ärger"), folding.folded("Ärger")) == ("Ärger", "ärger")


def test_two_spellings_of_one_schema_are_one(database, folding):
    names = schemas_of("airflow", "Airflow")
    assert on_server(database, names) == names
    with pytest.raises(OperatorError, match="the workspace is the live schema 'airflow'"):
        on_server(folding, names)


def test_the_stage_is_that_of_the_schema_that_is_there(folding, old, monkeypatch):
    call = call_of(folding, monkeypatch, metadata_info, live=spelled(old.names), run=RUN, deployment=old.name)

    result = metadata_info.act(call)

    assert (result["stage"], result["missing_privileges"]) == ("old", [])
    assert len(result["tables"]) == len(old.tables(old.names.live))


def test_a_schema_of_somebody_else_is_not_emptied_whatever_it_is_called(folding, old, monkeypatch):
    schema = f"{old.names.live}_other"
    old.server.as_root(f"CREATE DATABASE {schema}; CREATE TABLE {schema}.orders (id INT)")
    before = old.everything(folding)
    monkeypatch.setattr(migration, "remove_leftovers", lambda *_given: [])

    for check_mode in (True, False):
        call = call_of(
            folding,
            monkeypatch,
            metadata_migrate,
            live=old.names.live,
            workspace=schema.replace("other", "Other"),
            deployment=old.name,
            run=RUN,
            image="image:1",
            check_mode=check_mode,
        )
        with pytest.raises(OperatorError, match="has tables that no run of this collection made there: orders"):
            metadata_migrate.act(call)

    assert old.everything(folding) == before


def test_a_list_of_paused_dags_is_found_again_under_another_spelling(folding, old, monkeypatch):
    def act(live, state):
        given = {"deployment": old.name, "run": RUN, "state": state, "timeout": 5}
        return quiesce.act(call_of(folding, monkeypatch, quiesce, live=live, **given))

    paused = act(spelled(old.names), "quiesced")["paused"]

    assert len(paused) == 2
    assert act(old.names.live, "resumed")["resumed"] == paused


def test_a_rehearsal_in_the_workspace_is_refused_whatever_it_is_called(folding, old, monkeypatch, tmp_path):
    given = {"live": old.names.live, "deployment": old.name}
    rehearsal = old.names.workspace.replace("beside", "Beside")

    with pytest.raises(OperatorError, match=r"rehearsal, .*_beside', is the workspace"):
        metadata_info.act(call_of(folding, monkeypatch, metadata_info, run=RUN, rehearsal=rehearsal, **given))

    monkeypatch.setattr(restoring, "read_manifest", lambda _path: Manifest("", RUN, "", "", "", 0, "", ""))
    monkeypatch.setattr(restoring, "verify", lambda *_given: None)
    monkeypatch.setattr(restoring, "client_of", lambda *_given: ("", ""))
    given |= {"dump": str(tmp_path / "x"), "state": "rehearsed"}
    for schema, what in ((rehearsal, "the workspace"), (old.names.live.title(), "the live schema")):
        with pytest.raises(OperatorError, match=f"is {what}"):
            metadata_restore.act(call_of(folding, monkeypatch, metadata_restore, schema=schema, **given))
    assert old.schemas() == {old.names.live}


def test_extra_tables_are_found_under_any_capitals(folding_server, folding, old):
    folding_server.as_root("CREATE TABLE Team_Notes (id INT)", old.names.live)

    assert inspect(folding, old.names).stage == "foreign"
    assert inspect(folding, old.names, ["Team_Notes"]).stage == "old"
    assert inspect(folding, old.names, ["team_notes", "absent"]).stage == "old"


def test_where_names_are_not_folded_an_extra_table_is_the_very_same_one(database, deployment):
    deployment.server.as_root("CREATE TABLE team_notes (id INT)", deployment.names.live)

    assert inspect(database, deployment.names, ["Team_Notes"]).stage == "foreign"
    assert inspect(database, deployment.names, ["team_notes"]).stage == "old"


def test_the_whole_reset(folding, old, monkeypatch, memory):
    old.make_new(folding)
    monkeypatch.setattr(states, "Memory", lambda *_given: memory)
    given = {"deployment": old.name, "confirm": old.name, "run": RUN, "session_timeout": 1}

    def act(**params):
        call = call_of(folding, monkeypatch, metadata_swap, live=spelled(old.names), **{**given, **params})
        return metadata_swap.act(call)

    assert act()["changed"]
    assert inspect(folding, old.names).stage == "installed"
    assert not act()["changed"]
    assert act(state="restored", run=UNDO_RUN)["changed"]
    assert inspect(folding, old.names).stage == "old"


def test_where_names_are_not_folded_only_the_very_same_name_counts(server, database, deployment):
    """information_schema compares without regard to capitals, although the server doesn't."""
    live = deployment.names.live
    server.as_root(
        f"CREATE DATABASE {live.upper()}_BEFORE_{RUN}; CREATE DATABASE {live.upper()};"
        f" CREATE TABLE {live.upper()}.orders (id INT); GRANT ALL ON `AIRFLOW%`.* TO airflow@'%'"
    )
    try:
        assert set(inspect(database, deployment.names).schemas) == {live, deployment.names.workspace}
        assert database.schema(live.title()) is None
        ours, others = database.schema(live), database.schema(live.upper())
        assert ours is not None
        assert others is not None
        assert (set(others.tables), ours.tables.keys() & others.tables.keys()) == ({"orders"}, set())
    finally:
        server.as_root(
            f"DROP DATABASE {live.upper()}_BEFORE_{RUN}; DROP DATABASE {live.upper()};"
            " REVOKE ALL ON `AIRFLOW%`.* FROM airflow@'%'"
        )


def test_rights_on_the_schema_of_the_rehearsal_are_asked_for_where_there_is_one(folding, old, monkeypatch):
    def missing(live):
        given = {"live": live, "run": RUN, "rehearsal": "Elsewhere"}
        return metadata_info.act(call_of(folding, monkeypatch, metadata_info, **given))["missing_privileges"]

    assert "CREATE ON elsewhere.*" in missing(old.names.live)
    # Nothing to dump, nothing to rehearse.
    assert missing("airflow_none") == []
