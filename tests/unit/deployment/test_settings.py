# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of a deployment, as they reach its objects."""

from __future__ import annotations

import re

import pytest
import yaml

from .rendering import ROOT, launcher, named, rendered

NODE_PORT = {"name": "http", "port": 12358, "targetPort": 12358, "nodePort": 31280}
ROLE = yaml.safe_load((ROOT / "roles/deployment/defaults/main.yml").read_text(encoding="utf-8"))
COMPONENTS = ROLE["airflow_components"]
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
TOLERATION = {"key": "team", "operator": "Exists"}
PLACED: dict[str, dict] = {
    "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
}
PACKAGES = {"name": "packages", "configMap": {"name": "company"}}
MOUNTED = {"name": "packages", "mountPath": "/opt/company"}
SMALL = {"requests": {"memory": "1Mi"}, "limits": {"memory": "2Mi"}}


def components(**own):
    """The default components, with settings of their own by name."""
    return [{**component, **own.get(component["name"].replace("-", "_"), {})} for component in COMPONENTS]


HOSTS = {
    "plain": {},
    "configured": {"airflow_config": {"core": {"parallelism": "thirty-two"}}},
    "reached": {
        "airflow_service_spec": {"type": "NodePort", "ports": [NODE_PORT]},
        "airflow_service_annotations": {"team": "data"},
        "airflow_service_account_annotations": {"role": "arn"},
    },
    "common": {
        "airflow_resources": SMALL,
        "airflow_statsd_exporter_resources": SMALL,
        "airflow_image_pull_policy": "Always",
        "airflow_node_selector": {"disk": "ssd"},
        "airflow_tolerations": [TOLERATION],
        "airflow_affinity": PLACED,
        "airflow_topology_spread_constraints": [SPREAD],
        "airflow_priority_class": "high",
        "airflow_runtime_class": "gvisor",
        "airflow_pod_labels": {"policy": "open", "app": "not-this"},
        "airflow_pod_annotations": {"prometheus.io/scrape": "false", "sidecar.istio.io/inject": "false"},
        "airflow_pod_security_context": {"runAsNonRoot": True, "fsGroup": 0},
        "airflow_container_security_context": {"readOnlyRootFilesystem": True},
        "airflow_extra_init_containers": [{"name": "mount", "image": "mount:1"}],
        "airflow_extra_containers": [{"name": "sync", "image": "sync:1"}],
    },
    "own": {
        "airflow_components": components(
            api_server={
                "replicas": 3,
                "resources": SMALL,
                "priority_class": "highest",
                "pod_labels": {"tier": "ui"},
                "pod_annotations": {"a": "b"},
                "disruption_budget": {"minAvailable": 2},
                "tolerations": [TOLERATION],
                "topology_spread_constraints": [{**SPREAD, "labelSelector": {"matchLabels": {"x": "y"}}}],
            },
            dag_processor={"node_selector": {"disk": "hdd"}, "replicas": 2},
        ),
        "airflow_seccomp_profile": {},
    },
    "manager": {
        "airflow_config": {
            "core": {"auth_manager": "company.Manager", "fernet_key": "@{fernet-key}"},
            "scheduler": {"x": 1},
        },
        "airflow_extra_env": [
            {"name": "PYTHONPATH", "value": "/opt/company"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "company", "key": "token"}}},
        ],
        "airflow_shared_volumes": [PACKAGES],
        "airflow_shared_volume_mounts": [MOUNTED],
    },
    "schedulers": {"airflow_components": components(scheduler={"replicas": 2})},
    "locked": {"airflow_components": components(scheduler={"replicas": 2}), "airflow_row_locks": True},
    "profile": {"airflow_pod_security_context": {"seccompProfile": {"type": "Unconfined"}}},
    "tools": {"airflow_database_client_image": "mariadb:10.11"},
    "tools-of-a-user": {
        "airflow_database_client_image": "mariadb:10.11",
        "airflow_pod_security_context": {"runAsNonRoot": True, "runAsUser": 7},
    },
    "tools-of-root": {
        "airflow_database_client_image": "mariadb:10.11",
        "airflow_pod_security_context": {"fsGroup": 0},
    },
    "tools-of-the-clusters-user": {
        "airflow_database_client_image": "mariadb:10.11",
        "airflow_database_client_user": 0,
    },
}


@pytest.fixture(scope="module")
def deployments(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("rendered"), HOSTS)


def test_the_service_is_as_the_settings_say(deployments):
    plain = named(deployments["plain"]["objects"], "Service", "airflow-webserver")
    assert plain["spec"] == {
        "selector": {"app": "airflow-webserver"},
        # A number: in quotes it would be the name of a port.
        "ports": [{"name": "http", "protocol": "TCP", "port": 12358, "targetPort": 12358}],
    }
    reached = named(deployments["reached"]["objects"], "Service", "airflow-webserver")
    assert reached["spec"] == {"selector": {"app": "airflow-webserver"}, "type": "NodePort", "ports": [NODE_PORT]}
    assert reached["metadata"]["annotations"] == {"team": "data"}
    account = named(deployments["reached"]["objects"], "ServiceAccount", "airflow")
    assert account["metadata"]["annotations"] == {"role": "arn"}


def pods(deployment):
    """Template of each workload, by its name."""
    return {item["metadata"]["name"]: item["spec"]["template"] for item in deployment["workloads"]}


def test_without_settings_pods_are_those_of_before_with_the_runtimes_seccomp_profile(deployments):
    for template in pods(deployments["plain"]).values():
        spec = template["spec"]
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert not spec.keys() & {"priorityClassName", "runtimeClassName"}
        assert (spec["tolerations"], spec["affinity"], spec["topologySpreadConstraints"]) == ([], {}, [])
        for container in spec["containers"] + spec["initContainers"]:
            assert container["imagePullPolicy"] == "IfNotPresent"
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        assert spec["containers"][0]["resources"] == ROLE["airflow_resources"]
        assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


def test_only_a_scheduler_that_may_not_have_company_says_its_replicas(deployments):
    found = {item["metadata"]["name"]: item["spec"].get("replicas") for item in deployments["plain"]["workloads"]}
    assert found == {"airflow-webserver": None, "airflow-scheduler": 1, "airflow-dag-processor": None}
    found = {item["metadata"]["name"]: item["spec"].get("replicas") for item in deployments["own"]["workloads"]}
    assert found == {"airflow-webserver": 3, "airflow-scheduler": 1, "airflow-dag-processor": 2}


def test_two_schedulers_want_a_database_that_locks(deployments):
    assert "component scheduler has 2 replicas" in deployments["schedulers"]
    scheduler = named(deployments["locked"]["workloads"], "Deployment", "airflow-scheduler")
    assert scheduler["spec"]["replicas"] == 2


def test_common_settings_reach_every_pod(deployments):
    for name, template in pods(deployments["common"]).items():
        spec, metadata = template["spec"], template["metadata"]
        assert spec["nodeSelector"] == {"disk": "ssd"}
        assert spec["tolerations"] == [TOLERATION]
        assert spec["affinity"] == PLACED
        # A constraint without a selector would count no pod.
        assert spec["topologySpreadConstraints"] == [{**SPREAD, "labelSelector": {"matchLabels": {"app": name}}}]
        assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("high", "gvisor")
        assert spec["securityContext"]["fsGroup"] == 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (metadata["labels"]["policy"], metadata["labels"]["app"]) == ("open", name)
        assert metadata["annotations"]["prometheus.io/scrape"] == "false"
        assert metadata["annotations"]["sidecar.istio.io/inject"] == "false"
        exporter = next(item for item in spec["initContainers"] if item["name"] == "statsd-exporter")
        for container in (exporter, spec["containers"][0]):
            assert container["resources"] == SMALL
            assert container["imagePullPolicy"] == "Always"
            assert container["securityContext"] == {"readOnlyRootFilesystem": True}


def test_the_job_and_the_pulls_have_them_too(deployments):
    job = deployments["common"]["job_pod"]
    wanted = HOSTS["common"]
    assert job["resources"] == SMALL
    assert job["security_context"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for key in ("node_selector", "tolerations", "affinity", "priority_class", "runtime_class", "image_pull_policy"):
        assert job[key] == wanted[f"airflow_{key}"], key
    assert (job["labels"], job["annotations"]) == (wanted["airflow_pod_labels"], wanted["airflow_pod_annotations"])
    # As a check of the pods, the roles hand the same to the module that pulls: the plan and the phase have one file.
    tasks = {
        phase: yaml.safe_load((ROOT / f"roles/upgrade/tasks/{phase}.yml").read_text(encoding="utf-8"))
        for phase in ("images", "plan", "pull")
    }
    for phase in ("images", "plan"):
        assert "pull.yml" in [
            task.get(f"ansible.builtin.{way}_tasks") for task in tasks[phase] for way in ("import", "include")
        ], phase
    (pull,) = (task["hopsworks.airflow.image_pull"] for task in tasks["pull"])
    # Each component may have a place, and each container a security context of its own.
    assert pull["workloads"] == "{{ airflow_workloads }}"
    assert pull.keys() >= {"resources", "labels", "annotations"}


@pytest.mark.parametrize(
    ("host", "context"),
    [
        # An image of root, as mariadb is, is refused by the kubelet where pods must not be root's and name no user.
        ("tools", {"runAsNonRoot": True, "runAsUser": 65534}),
        ("tools-of-a-user", {"runAsNonRoot": True, "runAsUser": 7}),
        ("tools-of-root", {"fsGroup": 0}),
        ("tools-of-the-clusters-user", {"runAsNonRoot": True}),
        # Without an image of its own, the database's pod says who the user is.
        ("plain", {"runAsNonRoot": True}),
    ],
)
def test_the_pod_of_the_databases_tools_may_run_its_image(deployments, host, context):
    pod = deployments[host]["client_pod"]
    assert pod["security_context"] == {**context, "seccompProfile": {"type": "RuntimeDefault"}}
    assert {**pod, "security_context": deployments[host]["job_pod"]["security_context"]} == deployments[host]["job_pod"]


def test_the_migration_has_the_settings_that_decide_which_tables_there_are(deployments):
    pod, wanted = deployments["manager"]["migration_pod"], HOSTS["manager"]
    assert pod["environment"] == [
        {"name": "AIRFLOW__CORE__AUTH_MANAGER", "value": "company.Manager"},
        *wanted["airflow_extra_env"],
    ]
    assert (pod["volumes"], pod["volume_mounts"]) == ([PACKAGES], [MOUNTED])
    # A Job that only asks an image, or has the database's tools, gets no Secret.
    for other in (deployments["manager"]["job_pod"], deployments["manager"]["client_pod"]):
        assert not other.keys() & {"environment", "volumes", "volume_mounts"}
        assert {**pod, **other} == pod
    for phase in ("plan_replacement", "schema"):
        tasks = yaml.safe_load((ROOT / f"roles/upgrade/tasks/{phase}.yml").read_text(encoding="utf-8"))
        (asked,) = [task["hopsworks.airflow.metadata_migrate"] for task in tasks if "metadata_migrate" in str(task)]
        assert asked["pod"] == "{{ airflow_migration_pod }}"


def test_jobs_run_as_the_account_that_has_the_pull_secrets(deployments):
    assert deployments["plain"]["job_pod"]["service_account"] == "airflow"


def test_the_images_of_all_containers_are_pulled_before_the_outage(deployments):
    assert deployments["common"]["images"] == [
        ROLE["airflow_image"],
        "sync:1",
        ROLE["airflow_statsd_exporter_image"],
        "mount:1",
    ]


def test_a_component_may_have_its_own(deployments):
    found = pods(deployments["own"])
    spec, metadata = found["airflow-webserver"]["spec"], found["airflow-webserver"]["metadata"]
    assert spec["containers"][0]["resources"] == SMALL
    assert (spec["priorityClassName"], spec["tolerations"]) == ("highest", [TOLERATION])
    assert (metadata["labels"]["tier"], metadata["annotations"]["a"]) == ("ui", "b")
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == {"matchLabels": {"x": "y"}}
    other = found["airflow-scheduler"]
    assert other["spec"]["containers"][0]["resources"] == ROLE["airflow_resources"]
    assert "tier" not in other["metadata"]["labels"]
    assert found["airflow-dag-processor"]["spec"]["nodeSelector"] == {"disk": "hdd"}


def test_the_seccomp_profile_can_be_another_or_none(deployments):
    spec = pods(deployments["own"])["airflow-webserver"]["spec"]
    assert "seccompProfile" not in spec["securityContext"]
    spec = pods(deployments["profile"])["airflow-webserver"]["spec"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "Unconfined"}


def test_a_budget_says_a_number_only_where_one_is_given(deployments):
    own = named(deployments["own"]["objects"], "PodDisruptionBudget", "airflow-webserver")["spec"]
    assert own == {"selector": {"matchLabels": {"app": "airflow-webserver"}}, "minAvailable": 2}
    plain = named(deployments["plain"]["objects"], "PodDisruptionBudget", "airflow-webserver")["spec"]
    assert plain.keys() == {"selector"}


def test_what_a_run_makes_is_known(deployments):
    made = {(item["kind"], item["metadata"]["name"]) for item in deployments["plain"]["provided"]}
    assert made >= {
        ("Secret", "hopsworks-airflow-keys"),
        ("Secret", "airflow-runtime"),
        ("ServiceAccount", "airflow"),
        ("ConfigMap", launcher(deployments["plain"]["objects"])["metadata"]["name"]),
    }


def mounted(deployment):
    """What the pods of each component start with."""
    volumes = [
        volume
        for each in deployment["workloads"]
        for volume in each["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "launcher"
    ]
    return [volume["configMap"]["name"] for volume in volumes]


def test_a_configuration_is_never_changed_under_the_pods_that_have_it(deployments):
    """Old pods that start again, while the new ones can't start with the new settings, find what they had."""
    plain, other = deployments["plain"], deployments["configured"]
    for deployment in (plain, other):
        configuration = launcher(deployment["objects"])
        assert configuration["immutable"] is True
        assert re.fullmatch("airflow-webserver-launcher-[0-9a-f]{10}", configuration["metadata"]["name"])
        assert mounted(deployment) == [configuration["metadata"]["name"]] * 3
    assert launcher(plain["objects"])["data"] != launcher(other["objects"])["data"]
    assert mounted(plain) != mounted(other)
    # What says nothing about the configuration does not restart what it is no matter to.
    assert launcher(deployments["reached"]["objects"]) == {
        **launcher(plain["objects"]),
        "metadata": launcher(deployments["reached"]["objects"])["metadata"],
    }
    assert mounted(deployments["reached"]) == mounted(plain)


def test_every_setting_is_described(deployments):
    """In argument_specs, with a default or a word of what is the case without; and a component's settings, too."""
    del deployments
    described = yaml.safe_load((ROOT / "roles/deployment/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = described["argument_specs"]["main"]["options"]
    assert ROLE.keys() <= options.keys()
    template = (ROOT / "roles/deployment/templates/workloads.yml.j2").read_text(encoding="utf-8")
    own = set(re.findall(r"\b(?:own|component)\.([a-z_]+)", template))
    assert own <= options["airflow_components"]["options"].keys()
