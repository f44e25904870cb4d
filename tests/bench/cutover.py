# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation by cut-over on the bed: ours, a shell script, a playbook without ours, and the rollouts alone."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from airflow import URL, call, log_in
from bed import INVENTORY, KUBECONFIG, NAMESPACE, Bed, facts_of
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.bench.measure import (
    ROOT,
    TOOLS,
    MeasurementError,
    output,
    report,
    say,
    timed,
)

SECRET = "hopsworks-airflow-keys"
WORKLOADS = ("airflow-webserver", "airflow-scheduler", "airflow-dag-processor")
NODE = "airflow-control-plane"
PEERS = ROOT / "tests/bench/peers"
# What `kubectl apply` leaves on a Secret: all its entries once more.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROUNDS = 2
SETTLED_WITHIN_SECONDS = 300.0


@dataclass(frozen=True)
class Contestant:
    """A way to rotate; `rotates` is false for the rollouts alone."""

    name: str
    what: str
    command: tuple[str, ...]
    goal: str = ""
    rotates: bool = True


def contestants() -> list[Contestant]:
    playbook = (str(TOOLS / "ansible-playbook"), "-i", str(INVENTORY))
    options = "airflow_rotation_mode=cutover airflow_confirm=sandbox airflow_cutover_minimum_age=0"
    return [
        Contestant("ours", "rotate.yml", (*playbook, str(ROOT / "playbooks/rotate.yml"), "-e", options)),
        Contestant(
            "bare",
            "the bare sum of the rollouts (kubectl rollout restart, kubectl rollout status)",
            (str(PEERS / "rollouts.sh"), NAMESPACE, *WORKLOADS),
            "ratio <= 1.1",
            rotates=False,
        ),
        Contestant(
            "complete",
            "the bare sum of the rollouts until their old pods have ended, which accept the old keys until then",
            (str(PEERS / "complete_rollouts.sh"), NAMESPACE, *WORKLOADS),
            "ratio <= 1.1",
            rotates=False,
        ),
        Contestant(
            "shell",
            "a shell script with openssl and kubectl",
            (str(PEERS / "rotate.sh"), NAMESPACE, SECRET, *WORKLOADS),
            "ratio < 1",
        ),
        Contestant(
            "playbook",
            "a playbook of community.crypto and kubernetes.core",
            (*playbook, str(PEERS / "rotate.yml")),
            "ratio < 1",
        ),
    ]


def measure() -> None:
    bed = the_bed()
    taken: dict[str, list[float]] = {}
    entrants = contestants()
    with tempfile.TemporaryDirectory() as folder:
        variables = {"KUBECONFIG": str(KUBECONFIG), "PATH": f"{TOOLS}{os.pathsep}{path_with_kubectl(Path(folder))}"}
        # What the first time costs (pages of programs and images that are not in memory yet) is nobody's merit.
        say("cutover: each of them once, not counted")
        for contestant in entrants:
            take(bed, contestant, variables)
        for number in range(ROUNDS):
            # Each begins a round in turn, the order of the others alternates.
            order = entrants[number:] + entrants[:number]
            for contestant in order if number % 2 == 0 else [order[0], *reversed(order[1:])]:
                seconds = take(bed, contestant, variables)
                say(f"cutover, round {number + 1}/{ROUNDS}: {contestant.name} {seconds:.1f} s")
                taken.setdefault(contestant.name, []).append(seconds)
                if contestant.name == "ours":
                    taken.setdefault("restarts", []).append(restarting_seconds(bed))
    for peer in entrants[1:]:
        report(f"cut-over, against {peer.what}", taken["ours"], taken[peer.name], goal=peer.goal)
    report(
        "cut-over, from its first restart to the health of the last component, against the bare sum of the rollouts",
        taken["restarts"],
        taken["bare"],
        goal="ratio <= 1.1",
    )


def restarting_seconds(bed: Bed) -> float:
    """What the run that was just recorded says of its restarts: without the look before and the proofs after them."""
    windows = facts_of(bed)["replace_keys"]["windows"]
    moments = [datetime.datetime.fromisoformat(window[name]) for window in windows for name in ("begun", "ended")]
    return (max(moments) - min(moments)).total_seconds()


def the_bed() -> Bed:
    """Raises MeasurementError where there is no deployment of Airflow 3 that works."""
    problem = ""
    try:
        bed = Bed()
        version = str(AirflowApi(URL).get("/api/v2/version")["version"])
        if not version.startswith("3."):
            problem = f"it runs Airflow {version}"
        elif "api-server.kid" not in (bed.cluster.secret_entries(SECRET) or {}):
            problem = f"Secret {SECRET} has no keys"
        else:
            wait_until_settled(bed)
            say(f"cutover: the bed runs Airflow {version}")
            return bed
    except (FileNotFoundError, MeasurementError) as error:
        problem = str(error)
    except (OperatorError, ApiException, HTTPError, ValueError, KeyError, TypeError) as error:
        problem = f"nothing that is Airflow 3 answers at {URL} ({type(error).__name__})"
    raise MeasurementError(
        f"the bed has no healthy deployment of Airflow 3: {problem}\n"
        "`make demo` makes one; see that nothing else uses the bed, then run this again. Nothing was changed."
    )


def path_with_kubectl(folder: Path) -> str:
    """PATH with a kubectl: that of this machine, else a copy of the one in the bed's node, put into `folder`."""
    path = os.environ["PATH"]
    if shutil.which("kubectl") is None:
        output("docker", "cp", "--follow-link", f"{NODE}:/usr/bin/kubectl", str(folder / "kubectl"))
        output(str(folder / "kubectl"), "version", "--client")
        path = f"{folder}{os.pathsep}{path}"
    return path


def take(bed: Bed, contestant: Contestant, variables: dict[str, str]) -> float:
    """The seconds that it took; raises MeasurementError unless it did what it is here for, and Airflow works."""
    wait_until_settled(bed)
    kid_before, token_before = signing_kid(bed), log_in(bed)
    pods_before = pods(bed)
    seconds = timed(contestant.command, variables=variables).seconds
    bed.cluster.core.patch_namespaced_secret(SECRET, NAMESPACE, {"metadata": {"annotations": {LAST_APPLIED: None}}})
    wait_until_settled(bed)
    if kept := pods_before & pods(bed):
        raise MeasurementError(f"{contestant.name} has not restarted {', '.join(sorted(kept))}")
    if (signing_kid(bed) != kid_before) != contestant.rotates:
        raise MeasurementError(
            f"the api-server's key was {kid_before}; after {contestant.name} it is {signing_kid(bed)}"
        )
    if contestant.rotates and call(token_before).status_code == 200:
        raise MeasurementError(f"after {contestant.name}, a token from before is still accepted")
    return seconds


def signing_kid(bed: Bed) -> str:
    return (bed.cluster.secret_entries(SECRET) or {})["api-server.kid"].decode()


def pods(bed: Bed) -> set[str]:
    """Names of the components' pods, ending ones too."""
    selector = f"app in ({','.join(WORKLOADS)})"
    return {pod.metadata.name for pod in bed.cluster.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items}


def wait_until_settled(bed: Bed) -> None:
    """So that nobody pays for what the one before has left to do."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while problem := unsettled(bed):
        if time.monotonic() > deadline:
            raise MeasurementError(f"the bed did not settle within {SETTLED_WITHIN_SECONDS:.0f} s: {problem}")
        time.sleep(1)


def unsettled(bed: Bed) -> str | None:
    """What is not as it is when nothing happens, or None."""
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: unfinished_rollout(bed),
        silent_component,
        lambda: no_login(bed),
    )
    return next((problem for check in checks if (problem := check())), None)


def unfinished_rollout(bed: Bed) -> str | None:
    found = {
        deployment.metadata.name: deployment
        for deployment in bed.cluster.apps.list_namespaced_deployment(NAMESPACE).items
    }
    for name in WORKLOADS:
        if name not in found:
            return f"there is no Deployment {name}"
        deployment, wanted = found[name], found[name].spec.replicas
        status = deployment.status
        counts = {status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0}
        if status.observed_generation != deployment.metadata.generation or counts != {wanted} or not wanted:
            return f"Deployment {name} is not rolled out"
    if len(left := pods(bed)) != sum(found[name].spec.replicas for name in WORKLOADS):
        return f"old pods have not ended yet ({', '.join(sorted(left))})"
    return None


def silent_component() -> str | None:
    try:
        health = AirflowApi(URL).get("/api/v2/monitor/health")
        return next(
            (
                f"the {name} is not healthy"
                for name in ("scheduler", "dag_processor")
                if health[name]["status"] != "healthy"
            ),
            None,
        )
    except (OperatorError, ValueError, KeyError, TypeError) as error:
        return f"{URL} does not say how it is ({type(error).__name__})"


def no_login(bed: Bed) -> str | None:
    try:
        status = call(log_in(bed)).status_code
    except (requests.RequestException, ValueError, KeyError) as error:
        return f"nobody can log in at {URL} ({type(error).__name__})"
    return None if status == 200 else f"a new token is answered with {status}"
