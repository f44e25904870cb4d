# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two deployments on one server, with one user and whatever is the default of all else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._dags import quiesce as waiting
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info, quiesce
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, RUN, Deployment
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset

UNPAUSED = {"first": ["p_demo_1__gone", "p_demo_1__hello"], "second": ["p_demo_1__gone", "p_demo_1__sleeping"]}


@dataclass
class Pair:
    act: Callable
    running: Callable
    deployments: dict


@pytest.fixture(params=["in one namespace", "of one name"])
def pair(request, server, database, bare, monkeypatch):
    """Of the same DAGs, some are paused in one of them and some in the other."""
    # No task runs that a pause would wait for.
    monkeypatch.setattr(waiting, "SETTLED_SECONDS", 0.0)
    # As `airflow` and `airflow_second`: the name of one begins with that of the other.
    deployments = {"first": bare, "second": Deployment(server, f"{bare.names.live}_second")}
    namespaces = dict.fromkeys(deployments, NAMESPACE)
    for name, deployment in deployments.items():
        deployment.name = name
        deployment.make_old()
    if request.param == "of one name":
        deployments["second"].name, namespaces["second"] = "first", "elsewhere"
    server.as_root(
        "UPDATE dag SET is_paused = 1 - is_paused WHERE dag_id <> 'p_demo_1__gone'", deployments["second"].names.live
    )

    # Both began in the same second.
    def act(module, name, **params):
        deployment = deployments[name]
        given = {"live": deployment.names.live, "deployment": deployment.name, "namespace": namespaces[name]}
        given |= {"run": RUN, "timeout": 0, **params}
        return module.act(call_of(database, monkeypatch, module, **given))

    def running(name):
        rows = server.as_root("SELECT dag_id FROM dag WHERE NOT is_paused", deployments[name].names.live)
        return sorted(rows.split())

    return Pair(act, running, deployments)


@pytest.mark.parametrize(
    "steps",
    [
        ["pause first", "unpause first", "pause second", "unpause second"],
        ["pause first", "pause second", "unpause first", "unpause second"],
        ["pause first", "pause second", "unpause second", "unpause first"],
        # A run that has paused nothing looks for what an earlier one has left.
        ["pause first", "unpause second", "pause second", "unpause first", "unpause second"],
    ],
    ids=" ".join,
)
def test_each_unpauses_what_it_has_paused(pair, steps):
    paused = set()
    for step in steps:
        what, name = step.split()
        expected = UNPAUSED[name] if (what == "pause") == (name not in paused) else []
        if what == "pause":
            assert pair.act(quiesce, name)["paused"] == expected
            paused.add(name)
        else:
            assert pair.act(quiesce, name, state="resumed")["resumed"] == expected
            paused.discard(name)
        for each, dags in UNPAUSED.items():
            listed = pair.act(metadata_info, each)["paused"]["now"]
            assert (pair.running(each), listed) == (([], dags) if each in paused else (dags, []))


def test_what_is_forgotten_is_the_list_of_one(pair):
    pair.act(quiesce, "first")
    pair.act(quiesce, "second")

    assert pair.act(quiesce, "first", state="forgotten")["forgotten"] == UNPAUSED["first"]

    assert pair.act(quiesce, "second", state="resumed")["resumed"] == UNPAUSED["second"]


def test_an_upgrade_of_one_leaves_the_other_its_list(pair, database, memory):
    first = pair.deployments["first"]
    pair.act(quiesce, "first")
    pair.act(quiesce, "second")
    first.make_new(database)

    assert reset(database, first, memory)["changed"]

    assert pair.act(quiesce, "second", state="resumed")["resumed"] == UNPAUSED["second"]
    # The new Airflow has parsed none yet.
    left = pair.act(quiesce, "first", state="resumed")
    assert (left["resumed"], sorted(left["unknown"] + left["gone"])) == ([], UNPAUSED["first"])
    assert pair.running("second") == UNPAUSED["second"]
