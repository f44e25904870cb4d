# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptions that are odd and right, and those that no deployment can be made of."""

from __future__ import annotations

import configparser
import json

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.deployment.rendering import launcher, named, rendered
from ansible_collections.hopsworks.airflow.tests.unit.deployment.test_settings import components

DAGS = {
    "airflow_extra_volume_mounts": [{"name": "dags", "mountPath": "/d"}],
    "airflow_extra_volumes": [{"name": "dags", "emptyDir": {}}],
}
BUNDLES = '[\n  {"name": "100%"}\n]\n'


def option(name, value):
    section, _dot, key = name.partition(".")
    return {"airflow_config": {section: {key: value}}}


def ports(*given, **spec):
    return {"airflow_service_spec": {"ports": list(given), **spec}}


METRICS = {"name": "metrics", "port": 9102, "targetPort": 9102}
RIGHT = {
    "port": {"airflow_port": 8080},
    "replicas-null": {"airflow_components": components(api_server={"replicas": None})},
    "resources-null": {"airflow_components": components(api_server={"resources": None})},
    "surge-locked": {"airflow_row_locks": "true", "airflow_components": components(scheduler={"surge": True})},
    "grace": {"airflow_components": components(scheduler={"grace_seconds": "7200"})},
    "threshold-of-one": option("scheduler.scheduler_health_check_threshold", 30),
    "surge-text": {"airflow_components": components(scheduler={"surge": "false"})},
    "dags-text": {**DAGS, "airflow_components": components(api_server={"dag_files": "false"})},
    "lines": option("dag_processor.dag_bundle_config_list", BUNDLES),
    "list": option("dag_processor.dag_bundle_config_list", [{"name": "ü", "kwargs": {}}]),
    "null": option("api.access_control_allow_origins", None),
    "letters": option("core.DAGS_FOLDER", "/x"),
    "number": {
        "airflow_name": 2024,
        "airflow_service_account": "2024",
        "airflow_keys_secret": "1",
        "airflow_runtime_secret": "true",
        "airflow_database_password_secret": "0x1",
        "airflow_database_password_key": "3",
        "airflow_components": components(scheduler={"workload": "7", "signing_key": "8"}),
    },
    "long": {
        "airflow_name": "A" * 63,
        "airflow_service": "a" * 63,
        "airflow_components": components(api_server={"workload": "a" * 63}),
    },
    "emoji": option("api.instance_name", "Airflow \U0001f680"),
    "emoji-annotation": {"airflow_pod_annotations": {"team": "\U0001f680"}},
    "service-port": {"airflow_service_spec": {"ports": [{"name": "http", "port": 80, "targetPort": 12358}]}},
    "service-port-second": ports(METRICS, {"name": "web", "port": 80, "targetPort": 12358}),
    "service-port-name": ports(METRICS, {"name": "web", "port": 80, "targetPort": "http"}),
    "service-port-text": ports(METRICS, {"name": "web", "port": 80, "targetPort": "12358"}),
    "service-port-same": ports(METRICS, {"name": "web", "port": 12358}),
    "service-headless": ports({"port": 80, "targetPort": 12358}, clusterIP="None"),
}
WRONG = {
    "replicas-zero": ({"airflow_components": components(api_server={"replicas": 0})}, "0 replicas of api-server"),
    "name": (
        {"airflow_components": [{**each, "name": each["name"].replace("api", "web")} for each in components()]},
        "the components web-server, scheduler, dag-processor",
    ),
    "twice": ({"airflow_components": [*components(), components()[2]]}, "dag-processor, dag-processor"),
    "order": ({"airflow_components": components()[::-1]}, "the components dag-processor, scheduler"),
    "no-scheduler": ({"airflow_components": components()[::2]}, "the components api-server, dag-processor"),
    "one-workload": (
        {"airflow_components": [{**each, "workload": "airflow"} for each in components()]},
        "two components with one workload",
    ),
    **{
        f"address-{number}": ({"airflow_public_url": address}, f"the address airflow_public_url {problem}")
        for number, (address, problem) in enumerate(
            [
                ("", "does not begin with http"),
                ("h.example.com/airflow", "does not begin with http"),
                ("ftp://h.example.com/airflow", "does not begin with http"),
                ("https://h.example.com/a//", "has an empty part in its path"),
                ("https://h.example.com/airflow ", "has a space"),
                ("https://h.example.com/airflow?x=1#y", "has a query or a fragment"),
                ("https://ops:CANARY@h.example.com/airflow", "contains a user name"),
                ("https://h.example.com:99999/airflow", "has a port that is not a number"),
                ("https://[::1/airflow", "can't be parsed"),
                ("https://h..example.com/airflow", "has no host, or one with an empty part"),
            ]
        )
    },
    "ca": ({"airflow_ca_file": "/nowhere/ca.pem"}, "there is no file /nowhere/ca.pem"),
    "shared-key": (
        {"airflow_components": components(scheduler={"signing_key": "api-server"})},
        "the signers include api-server more than once",
    ),
    "next-key": (
        {"airflow_components": components(scheduler={"signing_key": "api-server-next"})},
        "the next key of signer api-server has the entry of signer api-server-next",
    ),
    "workload": (
        {"airflow_components": components(scheduler={"workload": "Airflow_Scheduler"})},
        "workload 'Airflow_Scheduler' is not the name of an object",
    ),
    "long-workload": (
        {"airflow_components": components(scheduler={"workload": "a" * 64})},
        f"workload '{'a' * 64}' is not the name of an object (small letters, digits, - and .) of at most 63 characters",
    ),
    **{
        f"name-{number}": ({"airflow_name": name}, f"airflow_name {str(name)!r} is not the value of a label")
        for number, name in enumerate(["", " ", "prod eu", "a/b", "a" * 64, "-a", "ü"])
    },
    "namespace": ({"airflow_namespace": "a.b"}, "airflow_namespace 'a.b' is not the name of a namespace"),
    "service": ({"airflow_service": "1st"}, "airflow_service '1st' is not the name of a Service"),
    "account": ({"airflow_service_account": "a_b"}, "airflow_service_account 'a_b' is not the name of an object"),
    "secret": ({"airflow_keys_secret": "a..b"}, "airflow_keys_secret 'a..b' is not the name of an object"),
    "surge": (
        {"airflow_components": components(scheduler={"surge": "yes"})},
        "component scheduler has surge, which starts a new pod before the old one has ended, and airflow_row_locks",
    ),
    "threshold": (
        {"airflow_row_locks": True, **option("scheduler.scheduler_health_check_threshold", 600)},
        "scheduler_health_check_threshold is 600 s, and the grace period of component scheduler is 600 s",
    ),
    "service-port": (ports(METRICS), "airflow_service_spec has no port that leads to 12358"),
    "record": ({"airflow_record_name": "A"}, "airflow_record_name 'A' is not the name of an object"),
}


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("right"), RIGHT)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("wrong"), {name: variables for name, (variables, _found) in WRONG.items()})


def configuration(host):
    parser = configparser.ConfigParser()
    parser.read_string(launcher(host["objects"])["data"]["airflow.cfg.template"])
    return parser


def workload(host, name):
    (found,) = [each for each in host["workloads"] if each["metadata"]["name"] == name]
    return found["spec"]


def volumes(host, name):
    return {each["name"] for each in workload(host, name)["template"]["spec"]["volumes"]}


def test_a_port_is_that_of_the_server_its_probes_and_its_service(right):
    (container,) = workload(right["port"], "airflow-webserver")["template"]["spec"]["containers"]
    assert configuration(right["port"])["api"]["port"] == "8080"
    assert container["ports"][0]["containerPort"] == 8080
    assert container["readinessProbe"]["httpGet"]["port"] == container["livenessProbe"]["tcpSocket"]["port"] == 8080
    assert named(right["port"]["objects"], "Service", "airflow-webserver")["spec"]["ports"][0]["targetPort"] == 8080


def test_what_is_left_empty_counts_as_not_said(right):
    assert "replicas" not in workload(right["replicas-null"], "airflow-webserver")
    (container,) = workload(right["resources-null"], "airflow-webserver")["template"]["spec"]["containers"]
    assert container["resources"]["limits"]


def test_no_as_a_text_is_no(right):
    assert workload(right["surge-text"], "airflow-scheduler")["strategy"]["type"] == "Recreate"
    assert "dags" not in volumes(right["dags-text"], "airflow-webserver")
    assert "dags" in volumes(right["dags-text"], "airflow-scheduler")


def test_a_new_scheduler_begins_beside_the_old_one_where_rows_are_locked(right):
    assert workload(right["surge-locked"], "airflow-scheduler")["strategy"]["rollingUpdate"]["maxSurge"] == 1


@pytest.mark.parametrize(("name", "grace"), [("grace", 7200), ("port", 600)])
def test_a_scheduler_that_drains_is_not_taken_for_dead_before_its_grace_is_over(right, name, grace):
    """Another one would run its tasks, too."""
    assert workload(right[name], "airflow-scheduler")["template"]["spec"]["terminationGracePeriodSeconds"] == grace
    threshold = configuration(right[name])["scheduler"]["scheduler_health_check_threshold"]
    assert int(threshold) == grace + 60


def test_one_scheduler_alone_may_have_any_threshold(right):
    assert configuration(right["threshold-of-one"])["scheduler"]["scheduler_health_check_threshold"] == "30"


def test_the_configuration_is_one_that_airflow_can_read(right):
    assert json.loads(configuration(right["lines"])["dag_processor"]["dag_bundle_config_list"]) == [{"name": "100%"}]
    listed = configuration(right["list"])["dag_processor"]["dag_bundle_config_list"]
    assert json.loads(listed) == [{"name": "ü", "kwargs": {}}]
    assert configuration(right["null"])["api"]["access_control_allow_origins"] == ""
    assert configuration(right["letters"])["core"]["dags_folder"] == "/x"


def test_every_character_arrives(right):
    assert configuration(right["emoji"])["api"]["instance_name"] == "Airflow \U0001f680"
    metadata = workload(right["emoji-annotation"], "airflow-scheduler")["template"]["metadata"]
    assert metadata["annotations"]["team"] == "\U0001f680"


def test_a_name_of_digits_stays_a_text(right):
    """Kubernetes has no other names, and YAML takes some texts for numbers."""

    def texts(value, key=None):
        if isinstance(value, dict):
            for name, item in value.items():
                yield from texts(item, name)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item, key)
        elif key in ("name", "secretName", "serviceAccountName", "value", "app", "app.kubernetes.io/instance", "key"):
            yield value

    host = right["number"]
    found = [*texts(host["objects"]), *texts(host["workloads"])]
    assert [value for value in found if not isinstance(value, str)] == []
    assert {"2024", "1", "true", "0x1", "3", "7", "8"} <= set(found)


def test_names_may_be_as_long_as_kubernetes_lets_them(right):
    assert isinstance(right["long"], dict), right["long"]


@pytest.mark.parametrize(
    ("name", "port"),
    [(name, 12358 if name in ("service-port-same", "service-headless") else 80) for name in RIGHT if "service" in name],
)
def test_tasks_reach_the_api_server_by_the_port_of_the_service_that_leads_to_it(right, name, port):
    """A headless Service is the pods' own addresses: nothing translates its ports."""
    core = configuration(right[name])["core"]
    assert core["execution_api_server_url"] == f"http://airflow-webserver:{port}/airflow/execution/"


@pytest.mark.parametrize("name", WRONG)
def test_what_no_deployment_can_be_made_of_is_refused(wrong, name):
    assert isinstance(wrong[name], str), wrong[name]
    assert WRONG[name][1] in " ".join(wrong[name].split())
    assert "CANARY" not in wrong[name]


def test_two_deployments_in_a_namespace_have_no_object_in_common(tmp_path):
    def described(name):
        return {
            "airflow_namespace": "shared",
            "airflow_service": f"{name}-web",
            "airflow_service_account": name,
            "airflow_keys_secret": f"{name}-keys",
            "airflow_runtime_secret": f"{name}-runtime",
            "airflow_database_name": name,
            "airflow_components": [{**each, "workload": f"{name}-{each['name']}"} for each in components()],
        }

    hosts = rendered(tmp_path, {name: described(name) for name in ("alpha", "beta")})
    alpha, beta = (
        {(each["kind"], each["metadata"]["name"]) for each in host["objects"] + host["workloads"]}
        for host in hosts.values()
    )
    assert alpha & beta == set()
