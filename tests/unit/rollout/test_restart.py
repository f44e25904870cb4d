# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import datetime
from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.verdict import Observed
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import restart as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.gates import Access
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.restart import Restarter, Terms

RUN = "hopsworks.airflow/restarted-by"
COMPONENTS = {"web": "api-server", "runs": "scheduler", "parses": "dag-processor"}


def merged(target, change):
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merged(target.setdefault(key, {}), value)
        else:
            target[key] = value
    return target


def workload(name, kind="Deployment", strategy="Recreate", **metadata):
    return {
        "kind": kind,
        "metadata": {"name": name, "uid": name, "generation": 1, **metadata},
        "spec": {
            "replicas": 1,
            "strategy": {"type": strategy},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main"}]}},
        },
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    }


class Cluster:
    """A namespace whose controllers are quick: what a watch would tell is scripted by `verdicts`, one a rollout."""

    def __init__(self, *workloads):
        self.workloads = {item["metadata"]["name"]: item for item in workloads}
        self.revisions = {name: [self.kept(item, 1)] for name, item in self.workloads.items()}
        self.patches, self.deleted, self.waited, self.verdicts, self.gates = [], [], [], {}, []
        self.namespace = "lab"
        self.listing_error = None
        self.pods = {}
        self.events, self.tried_again, self.patiences, self.scaling = [], [], [], {}

    def kept(self, item, number):
        meta = {
            "name": f"{item['metadata']['name']}-{number}",
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [{"uid": item["metadata"]["uid"]}],
        }
        spec = {"template": copy.deepcopy(item["spec"]["template"])}
        return {"metadata": meta, "spec": spec, "revision": number, "data": {"spec": spec}}

    def read(self, kind, name):
        found = self.workloads.get(name)
        return copy.deepcopy(found) if found is not None and found["kind"] == kind else None

    def patch(self, _kind, name, change):
        item = self.workloads[name]
        self.patches.append((name, change))
        merged(item, copy.deepcopy(change))
        item["metadata"]["generation"] += 1
        item["status"]["observedGeneration"] += 1
        self.revisions[name].append(self.kept(item, len(self.revisions[name]) + 1))
        return copy.deepcopy(item)

    def list(self, kind, **selectors):
        if kind == "Event":
            assert selectors["field_selector"].startswith("involvedObject.kind=StatefulSet,")
            return {"items": self.events}
        assert kind in ("ReplicaSet", "ControllerRevision")
        if self.listing_error is not None:
            raise self.listing_error
        return {"items": [revision for kept in self.revisions.values() for revision in kept]}

    def delete(self, kind, name, *, uid):
        self.deleted.append((kind, name, uid))

    def annotations(self, name):
        return self.workloads[name]["spec"]["template"]["metadata"].get("annotations", {})


class Watcher:
    def __init__(self, cluster, _objects, item, _progress, patience=None):
        self._cluster, self._item, self._name = cluster, item, item["metadata"]["name"]
        self.patience = patience
        cluster.patiences.append((self._name, patience))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def observe(self):
        return Observed(copy.deepcopy(self._item))

    def until(self, judge, *, timeout_seconds):
        """As often as `scaling` says the autoscaler is not done yet; then it is."""
        for _attempt in range(self._cluster.scaling.get(self._name, 0)):
            busy = self.observe()
            busy.workload["status"]["availableReplicas"] = 0
            assert judge(busy).state == "waiting"
        assert timeout_seconds == subject.LOOK_SECONDS
        return judge(self.observe())

    def own_pods(self):
        return self._cluster.pods.get(self._name, [])

    def until_dropped(self, _uid):
        pass

    def try_again(self):
        self._cluster.tried_again.append(self._name)

    def until_rolled_out(self, **arguments):
        self._cluster.waited.append((self._name, arguments))
        self._fail()

    def until_passed(self, gate, **arguments):
        gate.check([])
        self._cluster.gates.append((self._name, gate.kind, arguments["timeout_seconds"]))
        self._fail()

    def _fail(self):
        found = (self._cluster.verdicts.get(self._name) or [None]).pop(0)
        if found:
            raise OperatorError(found, expected="health", untouched="the rest", next_step="x", evidence=("log",))


@pytest.fixture
def lab(monkeypatch):
    """Makes a restarter of a cluster with these workloads."""
    monkeypatch.setattr(subject, "Objects", lambda cluster: cluster)
    monkeypatch.setattr(subject, "Watcher", Watcher)
    proven = []
    monkeypatch.setattr(subject, "prove", lambda _access, components: proven.append(components))
    gate_of = subject.gate_of

    def passed(*arguments):
        """A gate that asks nobody."""
        gate = gate_of(*arguments)
        return gate and SimpleNamespace(kind=gate.kind, check=lambda _pods: None, seen=gate.seen)

    monkeypatch.setattr(subject, "gate_of", passed)

    def make(*workloads, run="one", cluster=None, **terms):
        cluster = cluster or Cluster(*workloads)
        return SimpleNamespace(
            cluster=cluster, proven=proven, restarter=Restarter(cluster, lambda _line: None, run, Terms(**terms))
        )

    return make


def everything(lab_):
    restarts = lab_.restarter.plan(list(lab_.cluster.workloads))
    lab_.took = lab_.restarter.restart_all(restarts)
    return restarts


def test_a_plan_changes_nothing(lab):
    found = lab(workload("web"), workload("runs"))
    assert [restart.due for restart in found.restarter.plan(["web", "runs"])] == [True, True]
    assert found.cluster.patches == []


def test_annotations_are_written_in_the_same_change(lab):
    found = lab(workload("web"), annotations={"hopsworks.airflow/keys-generation": "4"})
    everything(found)
    annotations = {"hopsworks.airflow/keys-generation": "4", RUN: "one"}
    assert found.cluster.patches == [("web", {"spec": {"template": {"metadata": {"annotations": annotations}}}})]
    assert found.cluster.waited[0][1]["generation"] == 2


def test_what_this_run_restarted_is_only_waited_for(lab):
    first = lab(workload("web"), workload("runs"))
    everything(first)
    again = lab(cluster=first.cluster)
    assert [restart.due for restart in everything(again)] == [False, False]
    assert len(first.cluster.patches) == 2
    assert [name for name, _arguments in first.cluster.waited] == ["web", "runs", "web", "runs"]


def test_what_an_earlier_run_left_in_a_back_off_is_tried_again(lab):
    first = lab(workload("web"), workload("runs"), components=COMPONENTS, settle="end")
    first.cluster.verdicts["web"] = ["its pods are rejected"]
    with pytest.raises(OperatorError):
        everything(first)
    assert first.cluster.tried_again == []
    everything(lab(cluster=first.cluster, components=COMPONENTS, settle="end"))
    assert set(first.cluster.tried_again) == {"web"}


def test_a_restart_has_one_patience_from_its_begin_to_its_end(lab):
    """What settles last may have failed while others were waited for."""
    found = lab(workload("web"), workload("set", "StatefulSet"), components=COMPONENTS, settle="end")
    found.cluster.events = [{"metadata": {"uid": "before", "resourceVersion": "7"}}]
    restarts = found.restarter.plan(["web", "set"])
    found.cluster.workloads["web"]["status"]["conditions"] = [
        {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "before"}
    ]
    found.cluster.patiences.clear()
    found.restarter.restart_all(restarts)
    web, others = ([patience for name, patience in found.cluster.patiences if name == each] for each in ("web", "set"))
    assert len(set(map(id, web))) == len(set(map(id, others))) == 1
    assert web[0].deadline == "before"
    assert others[0].events == {"before/7"}
    assert others[0] is not web[0]


def test_annotations_do_not_grow_with_the_runs(lab):
    cluster = Cluster(workload("web"))
    for number in range(10):
        everything(lab(cluster=cluster, run=f"run-{number}", annotations={"generation": str(number)}))
    assert cluster.annotations("web") == {RUN: "run-9", "generation": "9"}


def test_a_missing_workload_stops_all(lab):
    found = lab(workload("web"))
    with pytest.raises(OperatorError, match="no Deployment or StatefulSet absent in namespace lab"):
        found.restarter.plan(["web", "absent"])


def test_a_sick_workload_stops_all(lab):
    sick = workload("runs")
    sick["status"]["availableReplicas"] = 0
    found = lab(workload("web"), sick)
    with pytest.raises(OperatorError, match="runs is already unhealthy before the restart"):
        found.restarter.plan(["web", "runs"])


def test_an_autoscaler_may_just_be_adding_a_pod(lab):
    found = lab(workload("web"))
    found.cluster.scaling["web"] = 2
    assert found.restarter.plan(["web"])


def test_the_order_is_that_of_the_components_unless_another_is_meant(lab):
    found = lab(workload("web"), workload("runs"), components=COMPONENTS)
    with pytest.raises(OperatorError, match="before"):
        found.restarter.plan(["runs", "web"])
    given = lab(workload("web"), workload("runs"), components=COMPONENTS, order_given=True)
    assert given.restarter.plan(["runs", "web"])


def test_what_somebody_would_undo_is_refused_unless_accepted(lab):
    argo = workload("web", labels={"argocd.argoproj.io/instance": "airflow"})
    with pytest.raises(OperatorError, match="Argo CD"):
        lab(argo).restarter.plan(["web"])
    (restart,) = lab(argo, managed_by_others="accept").restarter.plan(["web"])
    assert "Argo CD" in restart.warnings[0]


def test_what_others_restart_when_the_keys_change_is_refused_unless_accepted(lab):
    reloaded = workload("runs", annotations={"secret.reloader.stakater.com/reload": "keys"})
    with pytest.raises(OperatorError, match="runs is restarted by Reloader"):
        lab(reloaded, changed_secrets={"keys": {}}).restarter.plan(["runs"])
    assert lab(reloaded).restarter.plan(["runs"])[0].warnings == []
    accepting = lab(reloaded, changed_secrets={"keys": {}}, managed_by_others="accept")
    assert "Reloader" in accepting.restarter.plan(["runs"])[0].warnings[0]


def test_helm_is_a_warning(lab):
    (restart,) = lab(workload("web", labels={"app.kubernetes.io/managed-by": "Helm"})).restarter.plan(["web"])
    assert "helm upgrade" in restart.warnings[0]


def test_what_a_restart_costs_is_said_and_refused_where_nothing_may_be_lost(lab):
    terms = {"components": COMPONENTS}
    web, runs = lab(workload("web"), workload("runs"), **terms).restarter.plan(["web", "runs"])
    assert [finding.kind for finding in web.findings] == ["outage"]
    assert [finding.kind for finding in runs.findings] == ["pause"]
    with pytest.raises(OperatorError, match="without a loss") as refused:
        lab(workload("web"), **terms, require_lossless=True).restarter.plan(["web"])
    assert "require_lossless: false" in refused.value.next_step
    # That its work waits is no loss.
    assert lab(workload("runs"), **terms, require_lossless=True).restarter.plan(["runs"])


def test_two_schedulers_are_refused_even_where_losses_are_accepted(lab):
    surging = workload("runs", strategy="RollingUpdate")
    with pytest.raises(OperatorError, match="15 of 24 ran twice"):
        lab(surging, components=COMPONENTS).restarter.plan(["runs"])
    assert lab(surging, components=COMPONENTS, row_locks=True).restarter.plan(["runs"])


def test_what_is_done_is_not_judged_again(lab):
    done = workload("web", labels={"argocd.argoproj.io/instance": "airflow"})
    done["spec"]["template"]["metadata"]["annotations"] = {RUN: "one"}
    done["status"]["availableReplicas"] = 0
    (restart,) = lab(done, components=COMPONENTS, require_lossless=True).restarter.plan(["web"])
    assert (restart.due, restart.findings) == (False, [])


ACCESS = Access("https://example.com", user="admin", password="CANARY", timeout_seconds=77)


def test_gates_are_tried_before_and_passed_after(lab):
    found = lab(workload("web"), workload("runs"), workload("proxy"), components=COMPONENTS, access=ACCESS)
    everything(found)
    assert found.proven == [{"api-server", "scheduler"}]
    assert found.cluster.gates == [("web", "login", 77), ("runs", "heartbeat", 77)]


def test_gates_of_what_is_done_are_passed_again_but_not_tried_before(lab):
    cluster = Cluster(workload("web"))
    everything(lab(cluster=cluster, components=COMPONENTS, access=ACCESS))
    again = lab(cluster=cluster, components=COMPONENTS, access=ACCESS)
    again.proven.clear()
    everything(again)
    assert again.proven == []
    assert [name for name, _kind, _seconds in cluster.gates] == ["web", "web"]


@pytest.fixture
def gates(monkeypatch):
    """The gates as they are made, each with whether its pods are taken for this run's."""
    made, for_each_pod = [], subject.for_each_pod

    def noted(*arguments, made_by_this_run):
        made.append((for_each_pod(*arguments, made_by_this_run=made_by_this_run), made_by_this_run))
        return made[-1][0]

    monkeypatch.setattr(subject, "for_each_pod", noted)
    return made


def test_one_heartbeat_is_enough_only_of_pods_that_this_run_makes(lab, gates):
    cluster = Cluster(workload("runs"))
    for _attempt in range(2):
        everything(lab(cluster=cluster, components=COMPONENTS, access=ACCESS))
    assert [made_by_this_run for _gate, made_by_this_run in gates] == [True, False]


def test_each_has_settled_before_the_next_begins(lab):
    found = lab(workload("web"), workload("runs"), components=COMPONENTS, access=ACCESS)
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(milliseconds=1)
    everything(found)
    waited = [(name, arguments["wait_for_old"], arguments["later"]) for name, arguments in found.cluster.waited]
    assert waited == [("web", True, ["runs"]), ("runs", True, [])]
    moments = [moment for took in found.took.values() for moment in (took.begun, took.ended)]
    times = [datetime.datetime.fromisoformat(moment) for moment in moments]
    assert times == sorted(times)
    assert times[0] >= before


def test_only_the_new_pods_of_the_api_server_are_waited_for_in_between(lab):
    found = lab(workload("web"), workload("runs"), workload("x"), components=COMPONENTS, access=ACCESS, settle="end")
    found.cluster.verdicts["web"] = [None, None, "the login was answered with 500"]
    with pytest.raises(OperatorError, match="answered with 500"):
        everything(found)
    waited = [(name, arguments["wait_for_old"]) for name, arguments in found.cluster.waited]
    assert waited == [("web", False), ("web", True), ("runs", True), ("x", True)]
    assert [name for name, _kind, _seconds in found.cluster.gates] == ["web"]
    assert [found.cluster.annotations(name) for name in ("runs", "x")] == [{RUN: "one"}] * 2


def test_all_settle_in_the_end(lab):
    found = lab(workload("web"), workload("runs"), components=COMPONENTS, access=ACCESS, settle="end")
    everything(found)
    assert [name for name, _arguments in found.cluster.waited] == ["web", "web", "runs"]
    assert [name for name, _kind, _seconds in found.cluster.gates] == ["web", "runs"]
    assert list(found.took) == ["web", "runs"]


def test_gates_are_tried_while_another_one_is_waited_for(lab):
    """Those that need two heartbeats see their first one meanwhile."""
    found = lab(workload("web"), workload("runs"), workload("x"), components=COMPONENTS, access=ACCESS, settle="end")
    restarts = found.restarter.plan(["web", "runs", "x"])
    tried = []
    for restart in restarts[:2]:
        restart.gate = SimpleNamespace(
            kind="recorded", check=lambda _pods, name=restart.name: tried.append(name), seen=dict
        )
    found.restarter.restart_all(restarts)
    assert [(name, gate) for name, gate, _seconds in found.cluster.gates] == [("web", "recorded"), ("runs", "recorded")]
    assert tried == ["runs", "web", "runs"]


def test_what_settles_later_has_no_way_back(lab):
    found = lab(workload("web"), settle="end", on_failure="previous_revision")
    with pytest.raises(OperatorError, match="settle: end"):
        everything(found)
    assert found.cluster.annotations("web") == {}


def test_a_failure_stays_as_it_is_by_default(lab):
    found = lab(workload("web"), workload("runs"))
    found.cluster.verdicts["web"] = ["crash loop"]
    with pytest.raises(OperatorError) as failure:
        everything(found)
    assert failure.value.found == "crash loop"
    assert found.cluster.annotations("web") == {RUN: "one"}
    assert found.cluster.annotations("runs") == {}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_previous_revision_serves_again_and_the_first_reason_is_told(lab, kind):
    before = workload("web", kind)
    before["spec"]["template"]["metadata"]["annotations"] = {RUN: "zero", "kept": "yes"}
    found = lab(before, workload("runs"), on_failure="previous_revision", annotations={"new": "1"})
    found.cluster.verdicts["web"] = ["crash loop"]
    with pytest.raises(OperatorError) as failure:
        everything(found)
    assert failure.value.found == "crash loop; its previous revision was restored and serves again"
    assert failure.value.evidence == ("log",)
    assert found.cluster.annotations("web") == {RUN: "zero", "kept": "yes"}
    # The rollout back was waited for at its own generation, and the run begins with this one again.
    assert [arguments["generation"] for _name, arguments in found.cluster.waited] == [2, 3]
    assert lab(cluster=found.cluster).restarter.plan(["web"])[0].due


def test_a_gate_that_fails_goes_back_too(lab):
    found = lab(workload("web"), components=COMPONENTS, access=ACCESS, on_failure="previous_revision")
    found.cluster.verdicts["web"] = [None, "the login was answered with 500"]
    with pytest.raises(OperatorError, match="serves again"):
        everything(found)
    assert found.cluster.annotations("web") == {}
    assert len(found.cluster.gates) == 2


def test_a_way_back_waits_for_heartbeats_of_its_own(lab, gates):
    """Of pods that were there before, whatever the new ones have shown."""
    found = lab(workload("runs"), components=COMPONENTS, access=ACCESS, on_failure="previous_revision")
    found.cluster.verdicts["runs"] = [None, "no heartbeat"]
    (restart,) = found.restarter.plan(["runs"])
    with pytest.raises(OperatorError, match="no heartbeat; its previous revision was restored and serves again"):
        found.restarter.restart_all([restart])
    (first, of_the_run), (second, of_the_way_back) = gates
    assert (of_the_run, of_the_way_back) == (True, False)
    assert first is not second
    assert restart.gate is second


def test_where_the_way_back_fails_both_reasons_are_told(lab):
    found = lab(workload("web"), on_failure="previous_revision")
    found.cluster.verdicts["web"] = ["crash loop", "no node"]
    with pytest.raises(OperatorError, match=r"crash loop; its previous revision was restored, but .* either: no node"):
        everything(found)


def test_without_a_previous_revision_it_stays(lab):
    found = lab(workload("web"), on_failure="previous_revision")
    found.cluster.revisions["web"].clear()
    found.cluster.verdicts["web"] = ["crash loop"]
    with pytest.raises(OperatorError, match="crash loop; there is no previous revision"):
        everything(found)


def test_a_right_that_lacks_for_the_way_back_does_not_hide_the_reason(lab):
    found = lab(workload("web"), on_failure="previous_revision")
    found.cluster.listing_error = ApiException(status=403)
    found.cluster.verdicts["web"] = ["crash loop"]
    with pytest.raises(OperatorError, match=r"crash loop; the previous revision was not restored: .* 403"):
        everything(found)


def test_a_deleted_workload_has_no_way_back(lab):
    found = lab(workload("web"), on_failure="previous_revision")
    (restart,) = found.restarter.plan(["web"])
    found.cluster.verdicts["web"] = ["it was deleted"]
    read = found.cluster.read
    found.cluster.read = lambda kind, name: None if found.cluster.waited else read(kind, name)
    with pytest.raises(OperatorError, match="it was deleted; there is no previous revision"):
        found.restarter.restart_all([restart])


def test_a_stateful_set_is_freed_of_pods_that_would_hold_it_up(lab):
    found = lab(workload("set", "StatefulSet"), on_failure="previous_revision")
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    found.cluster.pods["set"] = [
        {"metadata": {"name": "set-0", "uid": "0"}, "status": ready},
        {"metadata": {"name": "set-1", "uid": "1"}, "status": {}},
        {"metadata": {"name": "set-2", "uid": "2", "deletionTimestamp": "x"}, "status": {}},
    ]
    found.cluster.verdicts["set"] = ["crash loop"]
    with pytest.raises(OperatorError):
        everything(found)
    assert found.cluster.deleted == [("Pod", "set-1", "1")]
