# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules as Ansible runs them: check mode, changed, refusals, interruption."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import rules
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.lock import ORPHAN_GRACE_SECONDS
from ansible_collections.hopsworks.airflow.tests.integration.access import KUBECONFIG, ROOT

from .conftest import ansible, workload


def test_keys_are_predicted_made_and_left_alone(cluster, namespace):
    predicted = ansible(namespace, "signing_keys", {}, "--check")
    assert cluster.secret_entries("hopsworks-airflow-keys") is None
    made = ansible(namespace, "signing_keys", {}, "--diff")
    assert predicted["changed"]
    assert made["changed"]
    assert predicted["written_entries"] == made["written_entries"]
    entries = cluster.secret_entries("hopsworks-airflow-keys")
    assert {jwk["kid"] for jwk in json.loads(entries["jwks.json"])["keys"]} == {
        s["kid"] for s in made["signers"].values()
    }
    shown = json.dumps(made)
    for name, value in entries.items():
        if name.endswith("-private.pem") or name == "internal-shared-secret":
            assert not any(line and line in shown for line in value.decode().splitlines() if "-----" not in line)
    version = cluster.core.read_namespaced_secret("hopsworks-airflow-keys", namespace).metadata.resource_version
    again = ansible(namespace, "signing_keys", {})
    assert not again["changed"]
    assert cluster.core.read_namespaced_secret("hopsworks-airflow-keys", namespace).metadata.resource_version == version


def test_an_immutable_secret_without_jwks_is_refused(cluster, namespace):
    entries = cluster.secret_entries("hopsworks-airflow-keys")
    data = {k: base64.b64encode(v).decode() for k, v in entries.items() if k.endswith("-private.pem")}
    cluster.core.create_namespaced_secret(namespace, {"metadata": {"name": "fixed"}, "data": data, "immutable": True})
    refused = ansible(namespace, "signing_keys", {"secret": "fixed"})
    assert refused["failed"]
    assert "immutable" in refused["failure"]["found"]
    assert set(refused["failure"]) == {"found", "expected", "untouched", "next_step", "evidence"}


def test_an_interrupted_run_is_gone_on_with_by_its_own_deployment_alone(cluster, namespace):
    """Two deployments in a namespace: what one has begun, a run of the other neither continues nor closes."""

    def record(deployment, **options):
        return ansible(namespace, "run_record", {"deployment": deployment, **options})

    opened = {"state": "open", "playbook": "upgrade", "by": "alice@console", "begin": "preflight"}
    record("airflow", **opened, run="20261122t030000")
    (name,) = (
        found.metadata.name
        for found in cluster.core.list_namespaced_config_map(namespace).items
        if "20261122t030000" in str(found.data)
    )
    before = cluster.core.read_namespaced_config_map(name, namespace)

    assert record("etl")["run"] is None
    other = record("etl", **opened, run="20261122t031500")
    assert (other["run"]["id"], other["run"]["status"]) == ("20261122t031500", "running")
    assert record("etl", state="finished", done="preflight")["run"]["status"] == "done"
    for state in ({"state": "read"}, {**opened, "run": "20261122t031600"}, {"state": "failed", "failure": "none"}):
        refused = record("etl", name=name, **state)
        assert refused["failed"]
        assert refused["failure"]["found"] == f"ConfigMap {name} is the record of deployment 'airflow'"
    after = cluster.core.read_namespaced_config_map(name, namespace)
    assert (after.data, after.metadata.resource_version) == (before.data, before.metadata.resource_version)

    gone_on_with = record("airflow", **opened, run="20261122t040000")
    assert (gone_on_with["run"]["id"], gone_on_with["run"]["status"]) == ("20261122t030000", "running")


def test_generated_and_copied_entries_stay_as_they_are(cluster, namespace):
    cluster.core.create_namespaced_config_map(
        namespace, {"metadata": {"name": "old"}, "data": {"secret_key": "temporary_key"}}
    )
    arguments = {
        "secret": "generated",
        "entries": [
            {"name": "fernet-key", "kind": "fernet"},
            {"name": "cookie", "from_config_map": {"name": "old", "key": "secret_key"}},
        ],
    }
    first = ansible(namespace, "generated_secret", arguments)
    entries = cluster.secret_entries("generated")
    assert {name: entry["origin"] for name, entry in first["entries"].items()} == {
        "fernet-key": "generated",
        "cookie": "copied",
    }
    assert any("publicly known" in warning for warning in first["warnings"])
    assert entries["fernet-key"].decode() not in json.dumps(first)
    again = ansible(namespace, "generated_secret", arguments)
    assert not again["changed"]
    assert cluster.secret_entries("generated") == entries


def test_a_rollout_is_predicted_made_and_left_alone(cluster, namespace):
    arguments = {"definitions": [workload("web"), workload("worker")]}
    predicted = ansible(namespace, "workloads", arguments, "--check")
    assert cluster.find(cluster.apps.read_namespaced_deployment, "web") is None
    made = ansible(namespace, "workloads", arguments)
    again = ansible(namespace, "workloads", arguments)
    assert [step["action"] for step in predicted["workloads"]] == ["created", "created"]
    assert [step["action"] for step in made["workloads"]] == ["created", "created"]
    assert [step["action"] for step in again["workloads"]] == ["unchanged", "unchanged"]
    assert (predicted["changed"], made["changed"], again["changed"]) == (True, True, False)


def templates(cluster):
    found = cluster.apps.list_namespaced_deployment(cluster.namespace).items
    return {item.metadata.name: item.metadata.generation for item in found}


def test_a_restart_happens_once_a_run(cluster, namespace):
    arguments = {"workloads": ["web", "worker"], "run": "first"}
    before = templates(cluster)
    predicted = ansible(namespace, "rolling_restart", arguments, "--check")
    assert templates(cluster) == before
    made = ansible(namespace, "rolling_restart", arguments)
    between = templates(cluster)
    again = ansible(namespace, "rolling_restart", arguments)
    assert templates(cluster) == between
    assert (predicted["changed"], made["changed"], again["changed"]) == (True, True, False)
    assert {name: generation - before[name] for name, generation in between.items()} == {"web": 1, "worker": 1}
    # Applying the definitions takes no annotation of a restart away, and so restarts nothing.
    applied = ansible(namespace, "workloads", {"definitions": [workload("web"), workload("worker")]})
    assert not applied["changed"]
    assert ansible(namespace, "rolling_restart", {**arguments, "run": "second"})["changed"]


def test_an_interrupted_restart_restarts_only_the_rest(cluster, namespace):
    """SIGKILL of ansible-playbook between the first and the second workload. The lock ends what it leaves running."""
    arguments = {"namespace": namespace, "kubeconfig": KUBECONFIG, "workloads": ["web", "worker"], "run": "killed"}
    arguments["lock"] = {"name": "lab", "holder": "killed"}
    assert not ansible(namespace, "run_lock", {"name": "lab", "holder": "killed"}).get("failed")
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [{"hopsworks.airflow.rolling_restart": arguments}],
        }
    ]
    before = templates(cluster)
    playbook = ROOT / ".sandbox" / "rollout-interrupted.yml"
    playbook.write_text(yaml.safe_dump(play))
    running = subprocess.Popen(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while templates(cluster)["web"] == before["web"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    playbook.unlink()
    time.sleep(ORPHAN_GRACE_SECONDS)
    assert templates(cluster)["worker"] == before["worker"]
    again = ansible(namespace, "rolling_restart", {"workloads": ["web", "worker"], "run": "killed"})
    assert [step["action"] for step in again["workloads"]] == ["unchanged", "restarted"]
    after = templates(cluster)
    assert {name: after[name] - before[name] for name in ("web", "worker")} == {"web": 1, "worker": 1}


def test_an_unhealthy_workload_is_not_restarted_nor_the_healthy_one_before_it(cluster, namespace):
    sick = workload("sick", readinessProbe={"exec": {"command": ["false"]}})
    cluster.apps.create_namespaced_deployment(namespace, sick)
    before = templates(cluster)
    refused = ansible(namespace, "rolling_restart", {"workloads": ["web", "sick"], "run": "third"})
    assert "sick is already unhealthy before the restart" in refused["failure"]["found"]
    assert templates(cluster)["web"] == before["web"]
    missing = ansible(namespace, "rolling_restart", {"workloads": ["web", "absent"], "run": "third"})
    assert "no Deployment or StatefulSet absent" in missing["failure"]["found"]


def test_all_that_is_wrong_is_told_at_once(cluster, namespace):
    annotations = {"meta.helm.sh/release-name": "hopsworks"}
    helm = workload("helm")
    helm["metadata"]["annotations"] = annotations
    cluster.apps.create_namespaced_deployment(namespace, helm)
    arguments = {
        "workloads": ["sick", "web", "absent", "helm"],
        "secrets": [{"name": "generated", "keys": ["fernet-key", "nothing"]}, {"name": "no-secret"}],
        "services": [{"name": "no-service", "port": 80}],
    }
    refused = ansible(namespace, "preflight", arguments)
    found = refused["failure"]["found"]
    for words in ("sick:", "Secret generated lacks nothing", "no Secret no-secret", "no Service no-service"):
        assert words in found
    assert "absent" not in found
    assert any("belongs to Helm" in warning for warning in refused["warnings"])
    good = ansible(namespace, "preflight", {"workloads": ["web", "absent"], "secrets": [{"name": "generated"}]})
    assert not good["changed"]
    assert all(finding["ok"] for finding in good["findings"])


@pytest.fixture
def account(cluster, namespace, tmp_path):
    """A kubeconfig for a service account with the given rules."""

    def make(name, role, cluster_role):
        core, api = cluster.core, cluster.api
        core.create_namespaced_service_account(namespace, {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        base = "/apis/rbac.authorization.k8s.io/v1"
        unique = f"{namespace}-{name}"
        made = [
            (f"{base}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": role}),
            (f"{base}/namespaces/{namespace}/rolebindings", binding(name, "Role", name, subject)),
            (f"{base}/clusterroles", {"metadata": {"name": unique}, "rules": cluster_role}),
            (f"{base}/clusterrolebindings", binding(unique, "ClusterRole", unique, subject)),
        ]
        for path, body in made:
            api.call_api(path, "POST", body=body, response_type="object", auth_settings=["BearerToken"])
        cleanups.append(unique)
        token = core.create_namespaced_service_account_token(name, namespace, {"spec": {}}).status.token
        config = yaml.safe_load(Path(KUBECONFIG).read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        file = tmp_path / f"{name}.kubeconfig"
        file.write_text(yaml.safe_dump(config))
        return file

    cleanups: list[str] = []
    yield make
    for unique in cleanups:
        for plural in ("clusterrolebindings", "clusterroles"):
            path = f"/apis/rbac.authorization.k8s.io/v1/{plural}/{unique}"
            cluster.api.call_api(path, "DELETE", response_type="object", auth_settings=["BearerToken"])


def binding(name, kind, role, subject):
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [subject],
    }


def test_missing_rights_are_named_by_verb_and_nothing_is_tried(namespace, account):
    reader = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    kubeconfig = account("reader", reader, reader)
    refused = ansible(namespace, "preflight", {}, kubeconfig=kubeconfig)
    found = refused["failure"]["found"]
    assert "create and patch and delete on deployments.apps" in found
    assert "create and patch on secrets" in found
    assert "nodes" not in found
    denied = ansible(namespace, "workloads", {"definitions": [workload("denied")]}, kubeconfig=kubeconfig)
    assert "403" in denied["failure"]["found"]
    assert "forbidden" in denied["failure"]["found"]


def pulling(image, **pod):
    """Options of image_pull, for a workload with that image."""
    return {"deployment": "lab", "images": [image], "workloads": [workload("web", image=image, **pod)]}


def test_the_rights_that_are_asked_for_suffice(namespace, account):
    kubeconfig = account("operator", rules(), rules(cluster_wide=True))
    assert ansible(namespace, "preflight", {"workloads": ["web"]}, kubeconfig=kubeconfig)["findings"]
    made = ansible(namespace, "workloads", {"definitions": [workload("mine")]}, kubeconfig=kubeconfig)
    assert made.get("changed"), made
    for arguments in (
        {"definitions": [workload("helm")], "replace": True, "backup_secret": "before"},
        {"state": "stopped", "names": ["mine", "none"]},
        {"state": "started", "names": ["mine", "none"]},
    ):
        result = ansible(namespace, "workloads", arguments, kubeconfig=kubeconfig)
        assert result.get("changed"), result
    for module, arguments in (
        ("rolling_restart", {"workloads": ["mine"], "run": "rights"}),
        ("signing_keys", {"secret": "by-operator", "signers": ["one"]}),
        ("image_pull", pulling("bed/standins:1")),
        ("run_lock", {"name": "lab", "holder": "operator"}),
        ("run_lock", {"name": "lab", "holder": "operator", "state": "released"}),
    ):
        result = ansible(namespace, module, arguments, kubeconfig=kubeconfig)
        assert not result.get("failed"), result


RBAC = "rbac.authorization.k8s.io"


def objects_of(name, *verbs):
    rules_ = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}] if verbs else []
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    parts = [
        ("v1", "ServiceAccount", {}),
        (f"{RBAC}/v1", "Role", {"rules": rules_}),
        (f"{RBAC}/v1", "RoleBinding", {"roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": name}]}),
        ("v1", "ConfigMap", {"data": {"verbs": "CANARY " + " ".join(verbs)}}),
        ("v1", "Service", {"spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}),
        ("policy/v1", "PodDisruptionBudget", {"spec": {"selector": {"matchLabels": {"app": name}}}}),
    ]
    metadata = {"name": name, "labels": {"app": name}}
    return [{"apiVersion": v, "kind": k, "metadata": metadata, **fields} for v, k, fields in parts]


def test_the_rights_that_are_asked_for_replace_objects_and_put_them_back(cluster, namespace, account):
    kubeconfig = account("replacer", rules(), rules(cluster_wide=True))
    secret = "before-objects"

    def run(*flags, **arguments):
        return ansible(namespace, "deployment_objects", arguments, *flags, kubeconfig=kubeconfig)

    # Made where nothing is, the binding of a Role that does not exist yet included.
    fresh = objects_of("fresh")
    assert not run("--check", definitions=fresh).get("failed")
    assert {item["action"] for item in run(definitions=fresh)["objects"]} == {"created"}
    assert not run(definitions=fresh)["changed"]

    for definition in objects_of("theirs", "get", "create"):
        Objects(cluster).create(definition)
    refused = run(definitions=objects_of("theirs"))
    assert "was created by others" in refused["failure"]["found"]
    assert run(state="saved", definitions=objects_of("theirs"), backup_secret=secret)["changed"]
    assert not run(state="saved", definitions=objects_of("theirs"), backup_secret=secret)["changed"]
    replacing = {"definitions": objects_of("theirs"), "replace": True, "backup_secret": secret}
    predicted = run("--check", "--diff", **replacing)
    assert {item["action"] for item in predicted["objects"]} == {"replaced"}
    assert "CANARY" not in json.dumps(predicted["diff"])
    assert run(**replacing)["objects"] == predicted["objects"]
    back = run("--check", "--diff", state="restored", backup_secret=secret)
    assert {item["action"] for item in back["objects"]} == {"restored"}
    assert "CANARY" not in json.dumps(back["diff"])
    assert run(state="restored", backup_secret=secret)["objects"] == back["objects"]
    assert not run(state="restored", backup_secret=secret)["changed"]
    assert Objects(cluster).read("Role", "theirs")["rules"][0]["verbs"] == ["get", "create"]

    # Whoever has not the rights of the old Role could not put it back, so it stays.
    for definition in objects_of("mighty", "deletecollection")[:2]:
        Objects(cluster).create(definition)
    refused = run(definitions=objects_of("mighty")[:2], replace=True)
    assert "Role mighty would be replaced, and could not be restored" in refused["failure"]["found"]
    assert Objects(cluster).read("Role", "mighty")["rules"][0]["verbs"] == ["deletecollection"]


def test_a_backup_that_is_not_there(namespace):
    refused = ansible(namespace, "deployment_objects", {"state": "restored", "backup_secret": "none"})
    assert "there is no Secret none" in refused["failure"]["found"]
    left = ansible(namespace, "deployment_objects", {"state": "restored", "backup_secret": "none", "missing_ok": True})
    assert (left["changed"], left["objects"]) == (False, [])


def test_the_pods_of_a_prediction_are_tried(cluster, namespace):
    definition = workload("tried", priorityClassName="nope")
    refused = ansible(namespace, "workloads", {"definitions": [definition]}, "--check")
    assert "no PriorityClass with name nope" in refused["failure"]["found"]
    refused = ansible(namespace, "image_pull", pulling("bed/no-such-image:1", priorityClassName="nope"), "--check")
    assert "no PriorityClass with name nope" in refused["failure"]["found"]
    missing = workload("tried", env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "later", "key": "x"}}}])
    refused = ansible(namespace, "workloads", {"definitions": [missing]}, "--check")
    assert "there is no Secret later" in refused["failure"]["found"]
    provided = [{"kind": "Secret", "metadata": {"name": "later"}}]
    accepted = ansible(namespace, "workloads", {"definitions": [missing], "provided": provided}, "--check")
    assert accepted["changed"]
    assert cluster.find(cluster.apps.read_namespaced_deployment, "tried") is None


def test_an_image_that_is_there_changes_nothing(namespace):
    result = ansible(namespace, "image_pull", pulling("bed/standins:1"))
    assert not result["changed"]
    assert set(result["images"]["bed/standins:1"].values()) == {"present"}


def test_an_image_that_is_nowhere_is_told_with_the_registrys_words_and_no_pod_stays(cluster, namespace):
    predicted = ansible(namespace, "image_pull", pulling("bed/no-such-image:1"), "--check")
    assert predicted["changed"]
    assert set(predicted["images"]["bed/no-such-image:1"].values()) == {"missing"}
    refused = ansible(namespace, "image_pull", pulling("bed/no-such-image:1"))
    assert "ImagePull" in refused["failure"]["found"]
    assert refused["failure"]["evidence"]
    assert (
        cluster.core.list_namespaced_pod(namespace, label_selector="app.kubernetes.io/component=image-pull").items == []
    )


def test_no_node_for_the_pods_is_told(namespace):
    refused = ansible(namespace, "image_pull", pulling("bed/standins:1", nodeSelector={"disk": "none"}))
    assert "none of" in refused["failure"]["found"]
