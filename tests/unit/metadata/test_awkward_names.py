# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that is done with a schema is done with one of any name: nothing in it is taken for syntax."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import make_dump, read_content
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import Restoration
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info, quiesce
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, Deployment, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset, restore


@pytest.fixture(params=["airflow_50%d", "airflow_ä'`%s-%%"])
def awkward(request, server, database):
    """An old deployment with a complete new schema beside it."""
    made = Deployment(server, request.param)
    made.make_old()
    made.make_new(database)
    yield made
    made.remove()


@pytest.fixture
def act(database, monkeypatch, awkward):
    def acted(module, **params):
        given = {"deployment": awkward.name, "run": RUN, **params}
        return module.act(call_of(database, monkeypatch, module, live=awkward.names.live, **given))

    return acted


def test_it_is_looked_at(awkward, act):
    found = act(metadata_info, rehearsal=f"{awkward.names.live}_rehearsal")

    assert (found["stage"], found["problems"], len(found["tables"])) == ("old", [], 33)
    assert (found["workspace"]["schema"], found["workspace"]["state"]) == (awkward.names.workspace, "complete")
    assert found["missing_privileges"] == []


def test_its_dags_are_paused_and_unpaused(awkward, act):
    before = awkward.definition(awkward.names.live)

    paused = act(quiesce, timeout=0)["paused"]

    assert paused == ["p_demo_1__gone", "p_demo_1__hello"]
    assert act(metadata_info)["paused"]["now"] == paused
    assert act(quiesce, state="resumed")["resumed"] == paused
    assert awkward.definition(awkward.names.live) == before


def test_it_is_dumped_and_restored(awkward, database, tools, tmp_path):
    live = awkward.names.live
    before = read_content(database, live, quiet)
    path = tmp_path / "dump.sql.gz"

    manifest = make_dump(database, tools, live, RUN, path, before, quiet)
    restoration = Restoration(database, f"{live}_rehearsal", awkward.owner(), path, manifest, quiet)
    restoration.make_room("rehearsal")
    restoration.play(tools)

    assert restoration.compare() == before
    restoration.clear()
    assert awkward.tables(f"{live}_rehearsal") == set()


def test_its_tables_are_set_aside_and_come_back(awkward, act, database, memory):
    before = awkward.content(database, awkward.names.live)

    assert reset(database, awkward, memory)["set_aside"] == awkward.names.aside(RUN)
    assert act(metadata_info)["stage"] == "installed"
    assert restore(database, awkward, memory)["changed"]

    assert act(metadata_info)["stage"] == "old"
    assert awkward.content(database, awkward.names.live) == before


def test_its_tables_are_dropped(awkward, act, database, memory):
    rehearsed = awkward.rehearsed(database, awkward.names.live)

    assert reset(database, awkward, memory, method="drop", rehearsed_dump=rehearsed)["changed"]

    assert act(metadata_info)["stage"] == "installed"
    assert awkward.schemas() == {awkward.names.live, awkward.names.workspace}
