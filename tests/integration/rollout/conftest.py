# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A namespace of its own on the bed for each test file."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
from kubernetes import client

from ansible_collections.hopsworks.airflow.tests.integration.access import KUBECONFIG, ROOT, bed_cluster

IMAGE = "bed/standins:1"
RUNS = ("python3", "-c", "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()")


@pytest.fixture(scope="module")
def namespace(request):
    name = "lab-rollout-" + request.module.__name__.rpartition("test_")[2].replace("_", "-")
    core = bed_cluster(name).core
    for _attempt in range(60):
        try:
            core.create_namespace({"metadata": {"name": name}})
            break
        except client.ApiException as error:
            if error.status != 409:
                raise
            # Left by a run that was killed, or still ending.
            core.delete_namespace(name)
            time.sleep(1)
    for _attempt in range(100):
        if core.list_namespaced_service_account(name, field_selector="metadata.name=default").items:
            break
        time.sleep(0.1)
    yield name
    core.delete_namespace(name)


@pytest.fixture
def cluster(namespace):
    return bed_cluster(namespace)


class Said(list):
    """Takes the place of the progress file."""

    def __call__(self, message):
        self.append(message)


@pytest.fixture
def said():
    return Said()


def workload(name, *, kind="Deployment", image=IMAGE, command=RUNS, replicas=1, deadline=60, labels=None, **pod):
    """A definition as the roles render it; keyword arguments go into the container (`env`) or the pod."""
    labels = labels or {"app": name}
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": list(command)}
    for key in ("env", "readinessProbe", "resources"):
        if key in pod:
            container[key] = pod.pop(key)
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 5, "containers": [container], **pod},
        },
    }
    if kind == "Deployment":
        spec["progressDeadlineSeconds"] = deadline
    else:
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@contextlib.contextmanager
def quota(cluster, hard, name="small"):
    """A ResourceQuota with these limits, when it has counted what is there."""
    body = {"metadata": {"name": name}, "spec": {"hard": {resource: str(limit) for resource, limit in hard.items()}}}
    cluster.core.create_namespaced_resource_quota(cluster.namespace, body)
    try:
        deadline = time.monotonic() + 30
        while not cluster.core.read_namespaced_resource_quota(name, cluster.namespace).status.used:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        cluster.core.delete_namespaced_resource_quota(name, cluster.namespace)


def ansible(namespace, module, arguments, *flags, kubeconfig=KUBECONFIG):
    """Run a module as Ansible does; its result."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    arguments = {"namespace": namespace, "kubeconfig": str(kubeconfig), **arguments}
    command = [
        sys.executable, "-m", "ansible", "adhoc", "-i", "localhost,", "localhost", "-e", json.dumps(variables),
        "-m", f"hopsworks.airflow.{module}", "-a", json.dumps(arguments),
        *flags,
    ]  # fmt: skip
    environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    try:
        # Lines of progress may stand before and after it.
        document, _end = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))
        return document["plays"][0]["tasks"][0]["hosts"]["localhost"]
    except (ValueError, LookupError):
        pytest.fail(done.stdout + done.stderr)
