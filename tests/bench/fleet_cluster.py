# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster for a fleet: a real control plane, made by kind from the bed's node image, and nodes simulated by kwok."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from ansible_collections.hopsworks.airflow.tests.bench.measure import ROOT, MeasurementError, environment, output, say

NAME = "airflow-fleet"
KWOK_VERSION = "0.7.0"
NODES = 10
READY_WITHIN_SECONDS = 120.0
# The limits of the controllers' clients (20 and 50 requests a second) and the disk under etcd would be what is
# measured, not what is asked of them.
UNLIMITED = {"kube-api-qps": "1000", "kube-api-burst": "2000"}
CONTROL_PLANE = {
    "kind": "ClusterConfiguration",
    "controllerManager": {"extraArgs": UNLIMITED},
    "scheduler": {"extraArgs": UNLIMITED},
    "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
}


def cached(tool: str, version: str) -> Path:
    """Where the bed keeps a tool that it compiled (sandbox/variables.yml)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hopsworks-airflow-bed"
    return cache / f"{tool}-{version}" / tool


def kwok() -> str:
    """Its path; compiled into the bed's cache where it isn't there yet."""
    path = cached("kwok", KWOK_VERSION)
    if not path.exists():
        if shutil.which("go") is None:
            raise MeasurementError(f"neither kwok {KWOK_VERSION} (expected at {path}) nor go to compile it is there")
        say(f"fleet: compiling kwok {KWOK_VERSION} into {path.parent} (some minutes, once)")
        subprocess.run(
            ["go", "install", f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK_VERSION}"],
            check=True,
            stdout=sys.stderr,
            env=environment(GOBIN=str(path.parent), CGO_ENABLED="0"),
        )
    return str(path)


def kind() -> str:
    """The path of the kind that made the bed."""
    settings = yaml.safe_load((ROOT / "sandbox/variables.yml").read_text(encoding="utf-8"))
    path = cached("kind", settings["sandbox_kind_version"])
    found = str(path) if path.exists() else shutil.which("kind")
    if found is None:
        raise MeasurementError("there is no kind: `make demo` installs it with the bed")
    return found


def configuration() -> dict[str, Any]:
    plan = json.loads(output(sys.executable, str(ROOT / "sandbox/images/build.py"), "plan", "auto"))
    if any(image["name"] == "node" for image in plan["missing"]):
        raise MeasurementError("the node's image is not there: `make demo` makes it with the bed")
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": "127.0.0.1", "disableDefaultCNI": plan["mode"] == "built"},
        "nodes": [{"role": "control-plane", "image": plan["node"]}],
        "kubeadmConfigPatches": [yaml.safe_dump(CONTROL_PLANE)],
    }


@contextlib.contextmanager
def fleet_cluster() -> Iterator[Path]:
    """Makes the cluster and takes it down again; yields the path of its kubeconfig. One at a time on a machine."""
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(Path(tempfile.gettempdir(), f"hopsworks-airflow-bed-{NAME}.lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{NAME}-")))
        kubeconfig, description = folder / "kubeconfig", folder / "kind.yaml"
        description.write_text(yaml.safe_dump(configuration()), encoding="utf-8")
        simulator, maker = kwok(), kind()

        def delete() -> None:
            output(maker, "delete", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig}")

        say("fleet: making the cluster")
        delete()  # one that a killed run left
        stack.callback(delete)
        output(
            *(maker, "create", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig}"),
            *(f"--config={description}", "--wait=180s"),
        )
        stack.enter_context(simulated_nodes(simulator, kubeconfig))
        yield kubeconfig


@contextlib.contextmanager
def simulated_nodes(simulator: str, kubeconfig: Path) -> Iterator[None]:
    """Nodes on which each pod is ready as soon as it is bound, and gone as soon as it is deleted."""
    with (kubeconfig.parent / "kwok.log").open("w") as log:
        # Without leases, the node controller takes the nodes for lost after 40 seconds.
        options = ["--manage-nodes-with-label-selector=type=kwok", "--node-lease-duration-seconds=40"]
        command = [simulator, f"--kubeconfig={kubeconfig}", *options]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            config.load_kube_config(str(kubeconfig))
            core = client.CoreV1Api()
            for number in range(NODES):
                core.create_node(node(f"simulated-{number}"))
            wait_until_ready(core, process, Path(log.name))
            yield
        finally:
            process.terminate()
            process.wait()


def node(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"type": "kwok"}},
        "spec": {"taints": [{"key": "simulated", "value": "true", "effect": "NoSchedule"}]},
    }


def wait_until_ready(core: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        nodes = core.list_node(label_selector="type=kwok").items
        conditions = [condition for found in nodes for condition in found.status.conditions or []]
        if sum(each.type == "Ready" and each.status == "True" for each in conditions) == NODES:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise MeasurementError(f"kwok has not made {NODES} nodes ready:\n{end}")
        time.sleep(0.5)
