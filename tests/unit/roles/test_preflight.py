# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before a run begins."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import DATABASE

HEAD = "fe199e1abd77"
INSTALLED = {**DATABASE, "revision": HEAD, "installed": {"image": "apache/airflow:3.0.6", "revision": HEAD}}
MOVING = {**DATABASE, "stage": "moving", "revision": None, "installed": None, "moving": {"new_revision": HEAD}}
OLD = {**DATABASE, "stage": "old", "revision": "03afc6b6f902", "installed": None, "sessions": []}

ROLES = (("deployment", "main"), ("upgrade", "preflight"))


@pytest.fixture
def preflight(stage):
    def play(database, playbook="upgrade"):
        answers = {
            "metadata_info": database,
            "image_revision_info": {"revision": HEAD, "version": "3.3.2", "asked": True},
        }
        tasks = [
            {
                "ansible.builtin.include_role": {
                    "name": f"hopsworks.airflow.{role}",
                    "tasks_from": tasks,
                    "public": True,
                },
                "vars": {"preflight_playbook": playbook},
            }
            for role, tasks in ROLES
        ]
        return stage.play(tasks, answers, airflow_image="apache/airflow:3.3.2")

    return play


@pytest.mark.parametrize("database", [OLD, MOVING], ids=["old", "moving"])
def test_who_uses_the_database_that_is_replaced_is_asked_when_somebody_does(preflight, database):
    sessions = [{"host": "10.244.0.7:40312"}]
    played = preflight({**database, "sessions": sessions})
    assert played.code == 0, played.output
    first, second = (entry for entry in played.asked if entry["action"] == "preflight")
    assert (first["deployment"], first.get("sessions")) == ("demo", None)
    assert (second["sessions"], second["stopped"]) == (sessions, first["workloads"])


@pytest.mark.parametrize("found", ["absent", "empty", "old"])
def test_whether_what_runs_uses_another_database_is_asked_where_it_can_not_use_this_one(preflight, found):
    playbook = "upgrade" if found == "old" else "install"
    played = preflight({**OLD, "stage": found}, playbook)
    assert played.code == 0, played.output
    first, second = (entry for entry in played.asked if entry["action"] == "preflight")
    assert (second["deployment"], second["stage"], second["stopped"]) == ("demo", found, first["workloads"])


def test_what_runs_with_the_installed_database_is_not_asked_about_another(preflight):
    assert len(preflight(INSTALLED).actions("preflight")) == 1


def test_tables_of_plugins_reach_the_database(stage):
    tasks = [
        {"ansible.builtin.include_role": {"name": f"hopsworks.airflow.{role}", "tasks_from": tasks, "public": True}}
        for role, tasks in ROLES
    ]
    played = stage.play(tasks, {"metadata_info": OLD}, airflow_database_extra_tables=["plugin"])
    assert played.code == 0, played.output
    asked = next(entry for entry in played.asked if entry["action"] == "metadata_info")
    assert (asked["extra_tables"], asked["workspace"]) == (["plugin"], "airflow_beside")


@pytest.mark.parametrize("host", ["mysql", "db.example.org", "fd00::10"])
def test_the_database_host_is_looked_at_whatever_it_is(stage, host):
    tasks = [
        {"ansible.builtin.include_role": {"name": f"hopsworks.airflow.{role}", "tasks_from": tasks, "public": True}}
        for role, tasks in ROLES
    ]
    played = stage.play(tasks, {"metadata_info": OLD}, airflow_database_host=host, airflow_database_port=3307)
    assert played.code == 0, played.output
    services = [entry["services"] for entry in played.asked if "services" in entry]
    assert [[(each["name"], int(each["port"])) for each in given] for given in services] == [[(host, 3307)]]


def words_of(played):
    """Its output, wherever its lines end."""
    return " ".join(played.output.replace("\\n", " ").split())


UNFIT = "the server is read-only (read_only): it may be a replica, or out of space"


@pytest.mark.parametrize("database", [OLD, MOVING], ids=["old", "moving"])
def test_a_server_that_can_not_do_what_is_needed_is_refused(preflight, database):
    played = preflight({**database, "unfit": [UNFIT, "SECOND"]})
    assert played.code != 0
    said = words_of(played)
    assert f"Found: {UNFIT}; SECOND Expected: a writable server that supports named locks" in said
    assert "Untouched: everything Next: correct airflow_database_host" in said


def test_it_serves_what_is_installed(preflight):
    played = preflight({**INSTALLED, "unfit": [UNFIT]})
    assert played.code == 0, played.output


def test_a_fernet_key_that_opens_nothing_is_refused(preflight):
    played = preflight({**OLD, "encrypted": {"looked_at": 3, "readable": 0}})
    assert played.code != 0
    said = words_of(played)
    assert "Found: none of 3 encrypted Connections and Variables was made with the Fernet key" in said
    assert "Untouched: everything Next: correct airflow_fernet_key_from" in said


@pytest.mark.parametrize(
    ("source", "encrypted"),
    [({"from_secret": {"name": "old", "key": "fernet"}}, {"looked_at": 3, "readable": 1}), ({}, None)],
    ids=["opens something", "none is taken over"],
)
def test_a_fernet_key_that_is_taken_over_is_compared(stage, source, encrypted):
    tasks = [
        {"ansible.builtin.include_role": {"name": f"hopsworks.airflow.{role}", "tasks_from": tasks, "public": True}}
        for role, tasks in ROLES
    ]
    database = {**OLD, "encrypted": encrypted}
    played = stage.play(tasks, {"metadata_info": database}, airflow_fernet_key_from=source)
    assert played.code == 0, played.output
    (asked,) = [entry for entry in played.asked if entry["action"] == "metadata_info"]
    own = {"from_secret": {"name": "airflow-runtime", "key": "fernet-key"}}
    assert asked.get("fernet_keys") == ([own, source] if source else None)


def test_a_fernet_key_is_taken_over_where_nothing_is_encrypted(preflight):
    played = preflight({**OLD, "encrypted": {"looked_at": 0, "readable": 0}})
    assert played.code == 0, played.output
