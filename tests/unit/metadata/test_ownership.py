# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

"""Two deployments on one server: what one of them has left there, the other one never takes for its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jinja2
import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import conditions, ownership
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump import restoring
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import make_dump, read_content
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import Entry, Manifest
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import REHEARSAL, Restoration
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import as_result, inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import building
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.ownership import Claim, Owner
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.plan import write_plan
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.records import write_record
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import (
    INSTALL,
    PAUSED,
    PLAN,
    WORKSPACE,
    Schemas,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.back import Restore
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.swap.reset import Reset
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info, metadata_restore, quiesce
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, RUN, Deployment, quiet

ROLES = Path(__file__).parents[3] / "roles"
OTHERS = pytest.mark.parametrize(
    "changes",
    [{"deployment": "other"}, {"namespace": "elsewhere"}, {"live": "airflow_elsewhere"}],
    ids=["another name", "another namespace", "another schema"],
)


@pytest.fixture
def sharing(server, database, deployment):
    """A second deployment that was told to use the workspace of the first."""
    second = Deployment(server, f"{deployment.names.live}_second")
    second.name = "second"
    second.names = Schemas(second.names.live, deployment.names.workspace)
    second.make_old()
    return second


def paused(database, monkeypatch, deployment, **params):
    given = {"deployment": deployment.name, "run": RUN, "workspace": deployment.names.workspace, **params}
    return quiesce.act(call_of(database, monkeypatch, quiesce, live=deployment.names.live, timeout=0, **given))


def test_each_deployment_has_schemas_of_its_own_by_default():
    defaults = yaml.safe_load((ROLES / "deployment/defaults/main.yml").read_text(encoding="utf-8"))
    names = [
        jinja2.Template(defaults[variable]).render(airflow_database_name=name)
        for variable in ("airflow_database_workspace", "airflow_database_rehearsal")
        for name in ("airflow_a", "airflow_b")
    ]
    assert names == ["airflow_a_beside", "airflow_b_beside", "airflow_a_rehearsal", "airflow_b_rehearsal"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("state", ["quiesced", "resumed", "forgotten"])
def test_the_list_of_paused_dags_is_its_deployments_own(database, deployment, sharing, monkeypatch, state, check_mode):
    paused(database, monkeypatch, deployment)
    before = {each: each.everything(database) for each in (deployment, sharing)}

    with pytest.raises(OperatorError, match=r"list of paused DAGs .* belongs to deployment 'demo'"):
        paused(database, monkeypatch, sharing, state=state, check_mode=check_mode)

    assert {each: each.everything(database) for each in (deployment, sharing)} == before
    assert paused(database, monkeypatch, deployment, state="resumed")["resumed"] == [
        "p_demo_1__gone",
        "p_demo_1__hello",
    ]


@pytest.mark.parametrize("state", ["resumed", "forgotten"])
def test_a_strange_schema_is_no_reason_to_fail_where_nothing_is_listed(database, deployment, monkeypatch, state):
    """Every run looks for something to unpause when it ends."""
    deployment.server.as_root("CREATE VIEW report AS SELECT 1", deployment.names.live)
    assert paused(database, monkeypatch, deployment, state=state)["resumed"] == []


def test_the_same_name_in_another_namespace_is_another_deployment(database, deployment, monkeypatch):
    paused(database, monkeypatch, deployment)

    with pytest.raises(OperatorError, match="in namespace hopsworks"):
        paused(database, monkeypatch, deployment, state="resumed", namespace="elsewhere")


@pytest.mark.parametrize("check_mode", [True, False])
@OTHERS
def test_what_another_has_marked_is_refused(database, deployment, memory, monkeypatch, changes, check_mode):
    write_record(database, deployment.names.workspace, deployment.mark(**changes))
    before = deployment.everything(database)

    action = Reset(database, deployment.request(), memory, quiet)
    actions = [
        lambda: paused(database, monkeypatch, deployment, check_mode=check_mode),
        lambda: building.refuse_others(database, inspect(database, deployment.names), deployment.owner()),
        action.predict if check_mode else action.carry_out,
    ]
    for action in actions:
        with pytest.raises(OperatorError, match=r"the mark in schema .* belongs to deployment"):
            action()

    assert deployment.everything(database) == before


@OTHERS
def test_an_install_of_another_is_never_put_back(database, deployment, memory, changes):
    write_record(database, deployment.names.live, deployment.install(**changes))
    before = deployment.everything(database)
    for kind in (Reset, Restore):
        action = kind(database, deployment.request(), memory, quiet)
        for attempt in (action.predict, action.carry_out):
            with pytest.raises(OperatorError, match=r"the sentinel in schema .* belongs to deployment"):
                attempt()
    assert deployment.everything(database) == before
    assert memory.remembered is None


@pytest.mark.parametrize("changes", [{"deployment": "other"}, {"namespace": "elsewhere"}], ids=["name", "namespace"])
def test_a_move_that_another_has_begun_is_not_finished(database, deployment, memory, changes):
    action = Reset(database, deployment.request(), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names))
    database.execute(f"DROP TABLE {plan.schema}.hopsworks_airflow_plan")
    write_plan(database, dataclasses.replace(plan, **changes))
    move = plan.moves[0]
    deployment.server.as_root(f"RENAME TABLE {move.source}.{move.table} TO {move.target}.{move.table}")
    before = deployment.everything(database)
    assert inspect(database, deployment.names).stage == "moving"

    for kind in (Reset, Restore):
        action = kind(database, deployment.request(), memory, quiet)
        for attempt in (action.predict, action.carry_out):
            with pytest.raises(OperatorError, match=r"the plan of a move in schema .* belongs to deployment"):
                attempt()

    assert deployment.everything(database) == before


def test_a_plan_for_another_live_schema_is_none_of_ours(database, deployment, memory):
    """Schema `<live>_before_x` may be the workspace of somebody whose live schema is called like that."""
    action = Reset(database, deployment.request(), memory, quiet)
    plan = action._write_plan(inspect(database, deployment.names))
    database.execute(f"DROP TABLE {plan.schema}.hopsworks_airflow_plan")
    write_plan(database, dataclasses.replace(plan, live="airflow_elsewhere"))
    move = plan.moves[0]
    deployment.server.as_root(f"RENAME TABLE {move.source}.{move.table} TO {move.target}.{move.table}")

    inspection = inspect(database, deployment.names)

    assert inspection.plans == ()
    assert inspection.begun is None


def test_the_state_of_a_schema_says_that_it_is_anothers(database, deployment, monkeypatch):
    write_record(database, deployment.names.workspace, deployment.mark(deployment="other"))

    def look(**params):
        call = call_of(database, monkeypatch, metadata_info, live=deployment.names.live, run=RUN, **params)
        return metadata_info.act(call)

    assert look(deployment="demo")["stage"] == "foreign"
    assert "belongs to deployment 'other'" in look(deployment="demo")["problems"][0]
    assert look()["stage"] == "old"


class TestTwoRehearsals:
    """Into one schema, whoever told them to."""

    @pytest.fixture
    def rehearsal(self, server, database, bare):
        def begin(run=RUN, **changes):
            tables = {"dag": Entry(0, "", True)}
            manifest = Manifest("x", run, "MariaDB", "utf8mb4", "utf8mb4_general_ci", 1, "", "", tables)
            owner = dataclasses.replace(bare.owner(run), **changes)
            schema = f"{bare.names.live}_rehearsal"
            return Restoration(database, schema, owner, Path("dump.sql.gz"), manifest, quiet)

        begin().make_room(REHEARSAL)
        database.execute(f"CREATE TABLE {bare.names.live}_rehearsal.dag (id INT)")
        return begin

    @pytest.fixture
    def tables(self, bare):
        return lambda: bare.tables(f"{bare.names.live}_rehearsal")

    @pytest.mark.parametrize("attempt", ["refuse_others", "make_room"])
    def test_the_second_is_refused(self, rehearsal, tables, attempt):
        with pytest.raises(OperatorError, match=f"run {RUN} began to build there"):
            getattr(rehearsal(run="20261130t000000"), attempt)(REHEARSAL)
        assert tables() == {"dag", WORKSPACE}

    @pytest.mark.parametrize("attempt", ["refuse_others", "make_room"])
    @OTHERS
    def test_that_of_another_deployment_is_refused_however_old(self, rehearsal, tables, monkeypatch, changes, attempt):
        monkeypatch.setattr(ownership, "FRESH_SECONDS", -1)
        with pytest.raises(OperatorError, match="belongs to deployment 'demo'"):
            getattr(rehearsal(run="20261130t000000", **changes), attempt)(REHEARSAL)
        assert tables() == {"dag", WORKSPACE}

    @pytest.mark.usefixtures("rehearsal")
    def test_check_mode_refuses_the_second(self, database, bare, monkeypatch):
        later = Manifest("x", "20261130t000000", "MariaDB", "utf8mb4", "utf8mb4_general_ci", 1, "", "")
        monkeypatch.setattr(restoring, "read_manifest", lambda _path: later)
        monkeypatch.setattr(restoring, "verify", lambda *_given: None)
        monkeypatch.setattr(restoring, "client_of", lambda *_given: ("image", "pod"))
        monkeypatch.setattr(restoring, "try_client", lambda *_given: None)
        given = {
            "live": bare.names.live,
            "schema": f"{bare.names.live}_rehearsal",
            "deployment": bare.owner().deployment,
        }
        call = call_of(
            database, monkeypatch, metadata_restore, dump="dump.sql.gz", state="rehearsed", check_mode=True, **given
        )
        with pytest.raises(OperatorError, match=f"run {RUN} began to build there"):
            metadata_restore.act(call)

    def test_an_empty_one_that_has_only_begun_counts_too(self, database, bare, rehearsal):
        database.execute(f"DROP TABLE {bare.names.live}_rehearsal.dag")
        with pytest.raises(OperatorError, match="began to build there"):
            rehearsal(run="20261130t000000").make_room(REHEARSAL)

    def test_what_this_run_or_a_dead_one_of_ours_has_left_is_taken_over(self, rehearsal, tables, monkeypatch):
        rehearsal().make_room(REHEARSAL)
        assert tables() == {WORKSPACE}
        monkeypatch.setattr(ownership, "FRESH_SECONDS", 0)
        rehearsal(run="20261130t000000").make_room(REHEARSAL)

    def test_one_whose_tool_still_plays_is_not_taken_over(self, server, bare, rehearsal, tables, monkeypatch):
        monkeypatch.setattr(restoring, "SESSION_SECONDS", 0.2)
        connection = server.connect(f"{bare.names.live}_rehearsal")
        try:
            with pytest.raises(OperatorError, match="1 sessions of others"):
                rehearsal().make_room(REHEARSAL)
        finally:
            connection.close()
        assert tables() == {"dag", WORKSPACE}


def test_a_run_of_ours_that_may_still_build_is_not_pulled_from_under(database, bare):
    bare.make_empty()
    begun = building.begin(database, inspect(database, bare.names), bare.owner(), "image", quiet)

    later = bare.owner("20261130t000000")
    with pytest.raises(OperatorError, match=f"run {begun.run} began to build there"):
        building.begin(database, inspect(database, bare.names), later, "image", quiet)

    assert building.begin(database, inspect(database, bare.names), bare.owner(), "image", quiet).run == RUN


def test_a_mark_without_a_time_counts_as_fresh(database, bare):
    bare.make_new(database)
    mark = bare.mark(state="building", created_at="yesterday")
    assert "has no time" in str(ownership.still_working(database, mark, bare.owner("20261130t000000")))
    assert ownership.still_working(database, mark, bare.owner()) is None


def test_an_owner_is_told_in_words():
    words = str(Owner("demo", NAMESPACE, "airflow", RUN))
    assert words == f"deployment 'demo' in namespace hopsworks (schema airflow, run {RUN})"


def test_a_drop_is_announced_before_it_is_made(server, database, deployment, memory):
    """So that no later run, on any machine, drops a second time."""
    states = []
    rehearsed = deployment.rehearsed(database, deployment.names.live)
    action = Reset(database, deployment.request(method="drop", rehearsed_dump=rehearsed), memory, quiet)
    execute = database.execute

    def watching(statement, values=()):
        if statement.startswith("DROP DATABASE"):
            states.extend(plan.state for plan in inspect(database, deployment.names).plans)
        return execute(statement, values)

    database.execute = watching
    action.carry_out()

    assert states == ["dropping"]


class TestAnotherNamespace:
    """A database that was restored after a disaster, or copied for tests: all is as it was, but for the namespace."""

    @pytest.fixture
    def moved(self, deployment):
        return dataclasses.replace(deployment.owner(), namespace="recovered")

    @pytest.fixture
    def left(self, database, deployment, memory):
        """An install, a plan and a list of paused DAGs, as an upgrade leaves them."""
        deployment.quiesce(database).pause()
        Reset(database, deployment.request(), memory, quiet).carry_out()

    @pytest.mark.usefixtures("left")
    def test_the_statements_adopt_all_of_it(self, database, deployment, moved):
        before = inspect(database, deployment.names, owner=deployment.owner())
        refused = inspect(database, deployment.names, owner=moved)
        assert refused.stage == "foreign"
        assert {claim.table for claim in refused.others} >= {INSTALL, PAUSED, PLAN}

        step = conditions.replaceable(refused).next_step
        assert "airflow_namespace" in step
        statements = step.partition("administrator of the database: ")[2].split("; ")
        assert statements == as_result(refused)["adopted_with"]
        for statement in statements:
            deployment.server.as_root(statement)

        adopted = inspect(database, deployment.names, owner=moved)
        assert (adopted.stage, adopted.others) == (before.stage, ())
        assert {plan.namespace for plan in adopted.plans} == {"recovered"}
        assert [plan.moves for plan in adopted.plans] == [plan.moves for plan in before.plans]
        assert inspect(database, deployment.names, owner=deployment.owner()).stage == "foreign"

    def test_a_mark_as_well(self, database, deployment, moved):
        with pytest.raises(OperatorError) as caught:
            ownership.refuse_others(database, database.schema(deployment.names.workspace), moved)
        deployment.server.as_root(caught.value.next_step.partition("administrator of the database: ")[2])

        ownership.refuse_others(database, database.schema(deployment.names.workspace), moved)

    @pytest.mark.usefixtures("left")
    @pytest.mark.parametrize("changes", [{"deployment": "other"}, {"live": "elsewhere"}, {"namespace": NAMESPACE}])
    def test_what_is_really_another_deployments_is_not_offered(self, database, deployment, moved, changes):
        found = inspect(database, deployment.names, owner=dataclasses.replace(moved, **changes))

        assert as_result(found)["adopted_with"] == []
        assert "UPDATE" not in conditions.replaceable(found).next_step

    @pytest.mark.parametrize("changes", [{}, {"namespace": "recovered"}])
    @pytest.mark.parametrize("suffix", ["_restored", "_o'clock"])
    def test_an_installed_schema_under_another_name_can_be_adopted(
        self, database, deployment, memory, dump, tools, suffix, changes
    ):
        """As metadata_restore restores it beside the live one: then airflow_database_name names it."""
        live = deployment.names.live
        Reset(database, deployment.request(), memory, quiet).carry_out()
        before = read_content(database, live, quiet)
        manifest = make_dump(database, tools, live, "daily", dump, before, quiet)
        names = Schemas(f"{live}{suffix}", f"{live}{suffix}_beside")
        restoration = Restoration(database, names.live, deployment.owner(), dump, manifest, quiet)
        restoration.make_room("restore")
        restoration.play(tools)
        restoration.keep()
        owner = dataclasses.replace(deployment.owner(), live=names.live, **changes)
        refused = inspect(database, names, owner=owner)
        (statement,) = as_result(refused)["adopted_with"]
        assert statement in conditions.replaceable(refused).next_step

        deployment.server.as_root(statement)

        assert inspect(database, names, owner=owner).stage == "installed"
        assert inspect(database, deployment.names, owner=deployment.owner()).stage == "installed"
        other = dataclasses.replace(owner, deployment="other")
        assert as_result(inspect(database, names, owner=other))["adopted_with"] == []

    @pytest.mark.parametrize("table", [WORKSPACE, PAUSED, PLAN, INSTALL])
    def test_what_stands_beside_another_live_schema_is_not_offered(self, database, deployment, table):
        """Two deployments of one name, which share a workspace by mistake: what is in it is in use."""
        owner = dataclasses.replace(deployment.owner(), live="elsewhere")

        assert ownership.adoption(database, Claim(deployment.names.workspace, table, deployment.owner()), owner) is None

    def test_nothing_is_offered_where_one_of_several_is_anothers(self, database, deployment, moved):
        def found_by(claim):
            return dataclasses.replace(claim, adopted_with=ownership.adoption(database, claim, moved))

        mine = found_by(Claim("s", WORKSPACE, deployment.owner()))
        strange = found_by(Claim("s", PAUSED, dataclasses.replace(deployment.owner(), deployment="other")))

        assert ownership.adopted_with([mine]) != []
        assert ownership.adopted_with([mine, strange]) == ownership.adopted_with([strange]) == []
        assert ownership.adopted_with([mine, found_by(Claim("s", INSTALL, None))]) == []
