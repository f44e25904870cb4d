# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image for another schema is refused before pods start with it, and asked only if some will."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import DATABASE
from ansible_collections.hopsworks.airflow.tests.unit.roles.test_cut_over import ANSWERS, scheduler

HEAD, OTHER = "fe199e1abd77", "d2f4e1b3c5a7"
READ = {**DATABASE, "sessions": [], "tables": [], "bytes": 0}
INSTALLED = {**READ, "revision": HEAD, "installed": {"image": "apache/airflow:3.0.6", "revision": HEAD}}
MOVING = {**READ, "stage": "moving", "revision": None, "installed": None, "moving": {"new_revision": HEAD}}
OLD = {**READ, "stage": "old", "revision": "03afc6b6f902", "installed": None}


@pytest.fixture
def planned(stage):
    """Runs what comes before the lock: the preflight and the plan of a rehearsal."""

    def run(database, revision, *answers, playbook="upgrade"):
        given = {**ANSWERS, "metadata_info": database, "metadata_swap": {"set_aside": "x"}}
        given["image_revision_info"] = {"revision": revision, "version": "3.3.2", "asked": True}
        for answer in answers:
            given |= answer
        frame = {"run_playbook": playbook, "run_role": "upgrade", "run_replaces": True, "run_phases": ["cut_over"]}
        stage.arguments = ("--check",)
        return stage.play(
            [{"ansible.builtin.include_role": {"name": "hopsworks.airflow.run"}, "vars": frame}],
            given,
            airflow_image="apache/airflow:3.3.2",
            airflow_objects=[],
            airflow_workloads=[],
        )

    return run


@pytest.mark.parametrize("database", [INSTALLED, MOVING], ids=["installed", "moving"])
@pytest.mark.parametrize("playbook", ["upgrade", "install"])
def test_an_image_for_another_schema_is_refused(planned, database, playbook):
    played = planned(database, OTHER, scheduler(600), playbook=playbook)
    assert played.code != 0
    assert f"is at revision {HEAD}, and apache/airflow:3.3.2 (Airflow 3.3.2) is made for revision" in played.output
    assert OTHER in played.output
    assert played.actions("run_lock") == []


def test_it_is_refused_before_anything_else_is_tried_while_tables_are_being_moved(planned):
    assert planned(MOVING, OTHER, scheduler(600)).actions("workloads", "metadata_swap") == []


def test_an_image_for_the_schema_that_is_there_passes(planned):
    played = planned(INSTALLED, HEAD, scheduler(600))
    assert played.code == 0, played.output
    asked = next(entry for entry in played.asked if entry["action"] == "image_revision_info")
    assert (asked["image"], asked["known_image"], asked["known_revision"]) == (
        "apache/airflow:3.3.2",
        "apache/airflow:3.0.6",
        HEAD,
    )


def test_no_image_is_asked_if_no_pod_will_start_with_it(planned):
    played = planned(INSTALLED, OTHER, scheduler(None, "unchanged"))
    assert played.code == 0, played.output
    assert "Nothing to do" in played.output
    assert played.actions("image_revision_info") == []


def test_no_image_is_asked_where_its_own_schema_is_still_to_be_built(planned):
    played = planned(OLD, OTHER, scheduler(600), {"hopsfs_snapshot": {"changed": False}})
    assert played.code == 0, played.output
    assert played.actions("image_revision_info") == []
