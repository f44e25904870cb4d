# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module `quiesce` reports, and warns of."""

# Names of schemas and tables can't be bound as values.

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.modules import quiesce as module
from ansible_collections.hopsworks.airflow.tests.unit.dags.support import (
    UNPAUSED,
    cannot_import,
    on_the_list,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN


def test_what_is_not_there_is_not_taken_for_paused_by_the_next_run(upgraded, database, deployment, monkeypatch):
    """A rotation would wait for all tasks where one within its grace is enough."""
    upgraded("p_demo_1__hello")
    deployment.quiesce(database, installed=True).resume()
    act = {"live": deployment.names.live, "deployment": deployment.name, "state": "quiesced", "timeout": 60}

    assert module.act(call_of(database, monkeypatch, module, grace=60, **act))["paused"] == []
    for check_mode in (True, False):
        call = call_of(database, monkeypatch, module, check_mode=check_mode, **act)
        assert module.act(call)["paused"] == ["p_demo_1__hello"]


def test_it_is_said_which_dags_stay_paused_and_why(upgraded, database, deployment, monkeypatch):
    on_the_list(deployment, "broken", file="/dags/demo/slow.py")
    on_the_list(deployment, "renamed")
    cannot_import(deployment, "demo/slow.py")
    upgraded("p_demo_1__hello")
    act = {"live": deployment.names.live, "deployment": deployment.name, "state": "resumed", "timeout": 0}
    warnings = []
    call = dataclasses.replace(call_of(database, monkeypatch, module, **act), warn=warnings.append)

    result = module.act(call)

    assert (result["unknown"], result["broken"], result["gone"]) == (["renamed"], ["broken"], ["p_demo_1__gone"])
    (warning,) = warnings
    assert "1 are not known to the new Airflow yet: renamed; 1 are in files that it can't import: broken" in warning
    assert "p_demo_1__gone" in warning
    assert "run the same playbook again" in warning


class TestRights:
    """Taken away when the upgrade was through; a rotation pauses DAGs when the new keys are in use already."""

    @pytest.fixture
    def act(self, server, database, deployment, monkeypatch):
        live = deployment.names.live
        server.as_root(f"CREATE USER later@'%' IDENTIFIED BY 'x'; GRANT ALL ON {live}.* TO later@'%'")
        said = []

        def run(**options):
            with session("127.0.0.1", server.port, "later", b"x", "db") as later:
                call = call_of(later, monkeypatch, module, live=live, run=RUN, deployment="demo", **options)
                return module.act(dataclasses.replace(call, warn=said.append)), said

        yield run
        server.as_root("DROP USER later@'%'")

    @pytest.mark.parametrize("check_mode", [True, False])
    def test_that_a_list_needs_are_missed_before_anything_is_paused(self, act, database, deployment, check_mode):
        with pytest.raises(OperatorError, match="lacks CREATE ON") as caught:
            act(check_mode=check_mode)

        assert "GRANT CREATE, DELETE, DROP, INSERT, SELECT ON" in caught.value.next_step
        assert sorted(deployment.quiesce(database).unpaused()) == UNPAUSED

    def test_that_may_be_needed_later_are_said_in_the_plan(self, act):
        result, said = act(check_mode=True, grace=3600)
        assert result["paused"] == []
        assert "lacks CREATE ON" in said[0]
        assert act(grace=3600)[0]["paused"] == []
