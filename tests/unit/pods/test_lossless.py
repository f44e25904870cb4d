# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.lossless import (
    bounds,
    examine,
    pre_stop_seconds,
    startup_seconds_of,
)


def api_server(**strategy):
    """As roles/deployment makes it."""
    container = {
        "name": "api-server",
        "readinessProbe": {"httpGet": {"path": "/api/v2/version", "port": 12358}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }
    return {
        "kind": "Deployment",
        "metadata": {"name": "airflow-webserver"},
        "spec": {
            "replicas": 1,
            "strategy": strategy or {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {},
                "spec": {"terminationGracePeriodSeconds": 135, "containers": [container]},
            },
        },
    }


def container_of(workload):
    return workload["spec"]["template"]["spec"]["containers"][0]


def scheduler(grace=600, **strategy):
    workload = api_server(**(strategy or {"type": "Recreate"}))
    workload["metadata"]["name"] = "airflow-scheduler"
    workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = grace
    del container_of(workload)["lifecycle"]
    return workload


def kinds(findings):
    return [finding.kind for finding in findings]


def test_our_own_manifests_lose_nothing():
    assert examine(api_server(), "api-server") == []


def test_a_recreated_api_server_is_away_until_a_new_pod_is_ready():
    (finding,) = examine(api_server(type="Recreate"), "api-server", startup_seconds=9.0)
    assert finding.kind == "outage"
    assert finding.outage_seconds == 14.0  # it goes on sleeping before it ends, and only then is there a new one
    assert "Recreate" in finding.text


def test_without_knowledge_of_the_start_the_vendors_number_is_told():
    workload = api_server(type="Recreate")
    del container_of(workload)["lifecycle"]
    (finding,) = examine(workload, "api-server")
    assert finding.outage_seconds == 30.0


@pytest.mark.parametrize(
    ("replicas", "rolling", "outage"),
    [
        (1, {"maxSurge": 1, "maxUnavailable": 0}, False),
        (1, {"maxSurge": 0, "maxUnavailable": 1}, True),
        (1, {}, False),  # defaults: 25 % up is one, 25 % down is none
        (2, {"maxSurge": 0, "maxUnavailable": 1}, False),
        (2, {"maxSurge": 0, "maxUnavailable": 2}, True),
        (2, {"maxSurge": 0, "maxUnavailable": "100%"}, True),
        (4, {"maxSurge": "0%", "maxUnavailable": "25%"}, False),
        (1, {"maxSurge": "0%", "maxUnavailable": "25%"}, True),  # both are none: then the controller takes one down
        (0, {"maxSurge": 0, "maxUnavailable": 1}, False),
    ],
)
def test_whether_a_pod_always_serves(replicas, rolling, outage):
    workload = api_server(type="RollingUpdate", rollingUpdate=rolling)
    workload["spec"]["replicas"] = replicas
    assert (kinds(examine(workload, "api-server")) == ["outage"]) is outage


@pytest.mark.parametrize(("replicas", "why"), [(1, "has one replica"), (2, "may stop all its pods at once")])
def test_why_no_pod_serves(replicas, why):
    workload = api_server(type="RollingUpdate", rollingUpdate={"maxSurge": 0, "maxUnavailable": 2})
    workload["spec"]["replicas"] = replicas
    (finding,) = examine(workload, "api-server")
    assert why in finding.text


@pytest.mark.parametrize(("replicas", "outage"), [(1, True), (2, False)])
def test_a_stateful_set_takes_a_pod_down_first(replicas, outage):
    workload = api_server()
    workload.update(kind="StatefulSet")
    workload["spec"].update(replicas=replicas, strategy=None, updateStrategy={"type": "RollingUpdate"})
    del workload["spec"]["strategy"]
    assert (kinds(examine(workload, "api-server")) == ["outage"]) is outage


def test_bounds_round_as_the_controllers_do():
    workload = api_server(type="RollingUpdate", rollingUpdate={"maxSurge": "25%", "maxUnavailable": "25%"})
    workload["spec"]["replicas"] = 5
    assert bounds(workload) == (2, 1)


def test_without_readiness_requests_meet_a_pod_that_cannot_answer():
    workload = api_server()
    del container_of(workload)["readinessProbe"]
    assert kinds(examine(workload, "api-server")) == ["outage"]


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [
        ({}, 0),
        ({"preStop": {"sleep": {"seconds": 4}}}, 4),
        ({"preStop": {"exec": {"command": ["sleep", "5"]}}}, 5),
        ({"preStop": {"exec": {"command": ["/bin/sleep", "7.5"]}}}, 7.5),
        ({"preStop": {"exec": {"command": ["sh", "-c", "nginx -s quit; sleep 3 && sleep 1m"]}}}, 63),
        ({"preStop": {"exec": {"command": ["sh", "-c", "echo asleep 9"]}}}, 0),
        ({"preStop": {"httpGet": {"path": "/stop", "port": 80}}}, 0),
    ],
)
def test_sleeping_before_the_end(hook, seconds):
    workload = api_server()
    container_of(workload)["lifecycle"] = hook
    assert pre_stop_seconds(container_of(workload)) == seconds
    findings = examine(workload, "api-server")
    assert (findings[:1] != [] and findings[0].outage_seconds == 1.5) is (seconds < 5)


@pytest.mark.parametrize(("grace", "found"), [(125, ["requests"]), (126, []), (None, ["requests"])])
def test_the_longest_request_fits_into_the_grace(grace, found):
    workload = api_server()
    workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = grace
    if grace is None:  # 30 s by default
        del workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert kinds(examine(workload, "api-server")) == found


def test_the_container_that_kubectl_takes_counts():
    workload = api_server()
    sidecar = {"name": "proxy"}
    workload["spec"]["template"]["spec"]["containers"].insert(0, sidecar)
    assert examine(workload, "api-server")
    workload["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "api-server"}
    assert examine(workload, "api-server") == []


@pytest.mark.parametrize(
    "strategy",
    [{"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, {"type": "RollingUpdate"}],
)
def test_a_surging_scheduler_is_refused_unless_the_engine_locks_rows(strategy):
    assert kinds(examine(scheduler(**strategy), "scheduler")) == ["refuse"]
    assert kinds(examine(scheduler(**strategy), "scheduler", row_locks=True)) == []


@pytest.mark.parametrize(
    "strategy", [{"type": "Recreate"}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}]
)
def test_a_replaced_scheduler_only_pauses(strategy):
    (finding,) = examine(scheduler(**strategy), "scheduler", running_task_seconds=45, startup_seconds=5)
    assert finding.kind == "pause"
    assert finding.lossless
    assert finding.outage_seconds is None
    assert "50 s" in finding.text


@pytest.mark.parametrize(("running", "killed"), [(None, False), (59, False), (60, True), (3600, True)])
def test_a_task_that_outlasts_the_grace_is_killed(running, killed):
    findings = examine(scheduler(grace=60), "scheduler", running_task_seconds=running)
    assert ("tasks" in kinds(findings)) is killed


def test_the_sleep_before_the_end_is_part_of_the_grace():
    workload = scheduler(grace=60)
    container_of(workload)["lifecycle"] = {"preStop": {"sleep": {"seconds": 10}}}
    assert "tasks" in kinds(examine(workload, "scheduler", running_task_seconds=55))


@pytest.mark.parametrize("component", ["dag-processor", "triggerer"])
def test_nobody_waits_for_the_others(component):
    assert examine(scheduler(grace=30), component, running_task_seconds=3600) == []


def test_of_an_unknown_workload_only_the_outage_is_told():
    assert examine(scheduler(grace=30), None) != []
    workload = api_server()
    del container_of(workload)["lifecycle"]
    assert examine(workload, None) == []


READY = {
    "metadata": {"creationTimestamp": "2026-11-22T03:00:00Z"},
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T03:00:12Z"}],
        "containerStatuses": [
            {"name": "api-server", "restartCount": 0, "state": {"running": {"startedAt": "2026-11-22T03:00:02Z"}}}
        ],
    },
}


def test_the_quickest_pod_tells_how_long_a_start_takes():
    slow = copy.deepcopy(READY)
    slow["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-22T03:05:00Z"
    assert startup_seconds_of([slow, READY], "api-server") == 12.0


def test_a_restarted_container_tells_of_its_last_start():
    restarted = copy.deepcopy(READY)
    restarted["status"]["containerStatuses"][0].update(restartCount=3)
    restarted["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = "2026-11-22T09:00:00Z"
    restarted["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-22T09:00:07Z"
    assert startup_seconds_of([restarted], "api-server") == 7.0


def test_a_start_is_not_over_when_a_pod_has_found_its_node():
    pod = copy.deepcopy(READY)
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-22T02:00:00Z"}
    pod["status"]["conditions"].insert(0, scheduled)
    assert startup_seconds_of([pod], "api-server") == 12.0


def test_pods_that_are_not_ready_tell_nothing():
    waiting = copy.deepcopy(READY)
    waiting["status"]["conditions"][0]["status"] = "False"
    assert startup_seconds_of([waiting], "api-server") is None
