# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of pods before anything is stopped for them. Real admission: tests/integration/rollout."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods import admission as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.admission import Admission, Coming, coming_of
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {
        "serviceAccountName": "airflow",
        "imagePullSecrets": [{"name": "registry"}],
        "containers": [
            {
                "name": "web",
                "resources": {"requests": {"memory": "1Gi"}},
                "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "x"}}}],
            }
        ],
        "volumes": [{"name": "c", "configMap": {"name": "launcher"}}],
    },
}
NODE = {
    "metadata": {"name": "n1", "labels": {"disk": "ssd", "size": "7"}},
    "spec": {},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"memory": "4Gi", "cpu": "4"}},
}
THERE = {
    ("Secret", "keys"): {"metadata": {}, "data": {"x": "eA=="}},
    ("Secret", "registry"): {"metadata": {}},
    ("ConfigMap", "launcher"): {"metadata": {}},
}


class Server:
    def __init__(self):
        self.asked, self.answers, self.warnings = [], [], []
        self.there = copy.deepcopy(THERE)
        self.quotas, self.limit_ranges, self.nodes = [], [], [NODE]
        self.forbidden = set()
        self.core = SimpleNamespace(list_node=lambda: {"items": self._allowed("Node", self.nodes)})

    def plain(self, answer):
        return answer

    def _allowed(self, kind, answer):
        if kind in self.forbidden:
            raise refusal(403, f"cannot list {kind}")
        return answer

    def read(self, kind, name):
        return self._allowed(kind, self.there.get((kind, name)))

    def list(self, kind, **_arguments):
        return {"items": self._allowed(kind, {"ResourceQuota": self.quotas, "LimitRange": self.limit_ranges}[kind])}

    def create_dry(self, body):
        self.asked.append(body)
        answers, self.answers = self.answers[:1], self.answers[1:]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return next(filter(None, answers), body), self.warnings


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(subject, "Objects", lambda _cluster: server)
    return server


def look(server, *coming, made=(), freed=None, **settings):
    return Admission(server, set(made), **settings).look(list(coming) or [Coming("Deployment", "web", TEMPLATE)], freed)


def test_pods_that_are_admitted_placed_and_can_start(server):
    verdict = look(server)
    assert (verdict.problems, verdict.warnings) == ([], [])
    verdict.refuse()


@pytest.mark.parametrize(
    ("kind", "owner", "labels"),
    [
        ("Deployment", "ReplicaSet", {"app": "web", "pod-template-hash": "dry-run"}),
        ("StatefulSet", "StatefulSet", {"app": "web"}),
        ("Job", "Job", {"app": "web", "job-name": "web", "batch.kubernetes.io/job-name": "web"}),
    ],
)
def test_the_pod_is_as_its_controller_makes_it(server, kind, owner, labels):
    look(server, Coming(kind, "web", TEMPLATE, claims=("data",)))
    (pod,) = server.asked
    assert pod["metadata"]["labels"] == labels
    assert pod["metadata"]["annotations"] == {"a": "b"}
    assert [(reference["kind"], reference["controller"]) for reference in pod["metadata"]["ownerReferences"]] == [
        (owner, True)
    ]
    assert pod["spec"]["serviceAccountName"] == "airflow"
    assert {"name": "data", "emptyDir": {}} in pod["spec"]["volumes"]
    assert TEMPLATE["metadata"]["labels"] == {"app": "web"}


def test_a_pod_of_its_own_has_no_owner(server):
    look(server, Coming("Pod", "image-pull", TEMPLATE))
    assert "ownerReferences" not in server.asked[0]["metadata"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "maximum memory usage per Container is 1Gi, but limit is 2Gi"),
        (403, 'violates PodSecurity "restricted:latest": seccompProfile'),
        (403, "no PriorityClass with name nope was found"),
        (403, 'pod rejected: RuntimeClass "nope" not found'),
        (403, "failed quota: q: must specify requests.cpu for: web"),
        (403, 'error looking up service account lab/airflow: serviceaccount "airflow" not found'),
        (422, "spec.containers[0].image: Required value"),
        (400, 'admission webhook "policy.example.com" denied the request'),
    ],
)
def test_what_admission_says_is_said_before_the_outage(server, status, message):
    server.answers = [refusal(status, message)]
    with pytest.raises(OperatorError, match="pods of Deployment web would be rejected") as failure:
        look(server).refuse()
    assert message in failure.value.found
    assert "dry run" in failure.value.untouched


def test_a_webhook_without_dry_run_is_told_and_forbids_nothing(server):
    server.answers = [refusal(400, 'admission webhook "istio" does not support dry run')]
    verdict = look(server)
    assert verdict.problems == []
    assert "does not support dry run" in verdict.warnings[0]


def test_what_policies_warn_of_is_told(server):
    server.warnings = ['would violate PodSecurity "restricted:latest": seccompProfile']
    verdict = look(server)
    assert verdict.problems == []
    assert verdict.warnings == ['Deployment web: would violate PodSecurity "restricted:latest": seccompProfile']


def test_an_account_that_this_run_makes_is_not_missed(server):
    missing = refusal(403, 'error looking up service account lab/airflow: serviceaccount "airflow" not found')
    server.answers = [missing]
    assert look(server, made=[("ServiceAccount", "airflow")]).problems == []
    assert [pod["spec"]["serviceAccountName"] for pod in server.asked[1:]] == ["default"]


def quota(hard, used):
    return {"metadata": {"name": "q"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}}


def test_a_quota_that_is_full_of_the_old_pods_is_counted_without_them(server):
    server.quotas = [quota({"requests.memory": "1Gi"}, {"requests.memory": "1Gi"})]
    server.answers = [refusal(403, "exceeded quota: q, requested: requests.memory=1Gi")]
    assert look(server, freed=[{"spec": TEMPLATE["spec"]}]).problems == []
    server.answers = [refusal(403, "exceeded quota: q, requested: requests.memory=1Gi")]
    (problem,) = look(server).problems
    assert "quota q allows 1024Mi of requests.memory, and 2048Mi would be used" in problem


def test_a_pod_is_counted_by_a_quota_that_refused_it_whatever_its_scopes_say(server):
    """The server knows what it adds: a default priority class, and what webhooks do."""
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": ["the-default"]}
    server.quotas = [quota({"pods": "1"}, {"pods": "1"})]
    server.quotas[0]["spec"]["scopeSelector"] = {"matchExpressions": [scope]}
    server.answers = [refusal(403, 'pods "web-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1')]
    (problem,) = look(server).problems
    assert "quota q allows 1 of pods, and 2 would be used" in problem


@pytest.mark.parametrize("name", ["count/deployments.apps", "count/replicasets.apps"])
def test_objects_that_come_with_pods_are_counted(server, name):
    server.quotas = [quota({name: "2"}, {name: "1"})]
    one, other = (Coming("Deployment", each, TEMPLATE, objects=subject.NEW_OBJECTS["Deployment"]) for each in "ab")
    assert look(server, one).problems == []
    (problem,) = look(server, one, other).problems
    assert f"quota q allows 2 of {name}, and 3 would be used" in problem


def test_all_pods_together_count(server):
    server.quotas = [quota({"requests.memory": "2Gi"}, {"requests.memory": "0"})]
    one, three = (Coming("Deployment", "web", TEMPLATE, count) for count in (1, 3))
    assert look(server, one, one).problems == []
    assert look(server, three).problems
    assert look(server, one, one, one).problems


def test_what_a_webhook_adds_to_a_pod_counts(server):
    server.quotas = [quota({"requests.memory": "1Gi"}, {"requests.memory": "0"})]
    injected = Coming("Deployment", "web", TEMPLATE).pod()
    injected["spec"]["containers"].append({"name": "proxy", "resources": {"requests": {"memory": "128Mi"}}})
    server.answers = [injected]
    assert look(server).problems


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (("Secret", "keys"), "there is no Secret keys"),
        (("ConfigMap", "launcher"), "there is no ConfigMap launcher"),
    ],
)
def test_what_a_pod_refers_to_is_there_or_made_by_this_run(server, missing, text):
    del server.there[missing]
    (problem,) = look(server).problems
    assert text in problem
    assert look(server, made=[missing]).problems == []


def test_an_entry_that_a_pod_names_is_there(server):
    server.there["Secret", "keys"]["data"] = {"y": "eA=="}
    (problem,) = look(server).problems
    assert "Secret keys has no entry x" in problem


def test_a_pull_secret_that_is_missing_is_a_warning(server):
    del server.there["Secret", "registry"]
    verdict = look(server)
    assert verdict.problems == []
    assert "there is no pull Secret registry, which Deployment web refers to" in verdict.warnings


@pytest.mark.parametrize(("kind", "text"), [("Node", "nodes"), ("ResourceQuota", "quotas"), ("ConfigMap", "launcher")])
def test_what_may_not_be_read_is_said_and_forbids_nothing(server, kind, text):
    server.forbidden = {kind}
    verdict = look(server)
    assert verdict.problems == []
    assert any(text in warning and "unknown" in warning for warning in verdict.warnings)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"nodeSelector": {"disk": "hdd"}}, "none of 1 nodes may run"),
        ({"containers": [{"name": "c", "resources": {"requests": {"memory": "5Gi"}}}]}, "no node is large enough"),
        ({"containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}, "no node is large enough"),
    ],
)
def test_a_node_for_each_pod(server, change, text):
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], **change}}
    (problem,) = look(server, Coming("Deployment", "web", template)).problems
    assert text in problem
    assert "airflow_nodes_on_demand" in problem
    # A pool at 0, of cluster-autoscaler or Karpenter: the only nodes that are there are others.
    verdict = look(server, Coming("Deployment", "web", template), nodes_on_demand=True)
    assert verdict.problems == []
    assert text in verdict.warnings[0]


def test_a_taint_wants_a_toleration(server):
    server.nodes = [{**NODE, "spec": {"taints": [{"key": "team", "value": "data", "effect": "NoSchedule"}]}}]
    assert look(server).problems
    tolerations = [{"key": "team", "operator": "Exists"}]
    tolerant = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "tolerations": tolerations}}
    assert look(server, Coming("Deployment", "web", tolerant)).problems == []


def test_a_job_is_tried_itself_and_its_quota_is_not_waited_for(server):
    job = {"kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": TEMPLATE}}
    assert Admission(server, set()).job(job).problems == []
    assert [body["kind"] for body in server.asked] == ["Pod", "Job"]
    server.answers = [None, refusal(403, "exceeded quota: q, requested: count/jobs.batch=1")]
    (problem,) = Admission(server, set()).job(job).problems
    assert "count/jobs.batch" in problem


def test_the_pods_of_a_workload():
    deployment = {"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3, "template": TEMPLATE}}
    assert coming_of(deployment).count == 3
    assert coming_of(deployment, 5).count == 5
    claims = [{"metadata": {"name": "data"}}]
    stateful = {
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {"template": {}, "volumeClaimTemplates": claims},
    }
    assert (coming_of(stateful).claims, coming_of(stateful).count) == (("data",), 1)
