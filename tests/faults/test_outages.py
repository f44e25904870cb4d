# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run depends on goes away in the middle of a cut-over, when the UI has just been stopped.

The old deployment serves after each fault that ends a run. The next fault meets the run that goes on from there, and
the last one has to complete it.
"""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from bed import NAMESPACE, Bed
from promises import UPGRADE, Old, set_aside_completes
from steps import Faults
from test_upgrade_killed import DEPLOYMENTS

NODE = "airflow-control-plane"
UI_STOPPED = rf"^http PATCH \S+{DEPLOYMENTS}/airflow-webserver$"
MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
# Where the kubelet does not look for pods.
ASIDE = "/etc/kubernetes/kube-apiserver.aside"


def on_the_node(script: str) -> None:
    subprocess.run(["docker", "exec", NODE, "sh", "-c", script], check=True, capture_output=True)


@contextlib.contextmanager
def hanging() -> Iterator[None]:
    """An API server that takes connections and answers nothing."""
    on_the_node("kill -STOP $(pidof kube-apiserver)")
    try:
        yield
    finally:
        # The kubelet may have replaced it meanwhile.
        on_the_node("kill -CONT $(pidof kube-apiserver) || true")


@contextlib.contextmanager
def gone() -> Iterator[None]:
    """No API server: connections are refused."""
    on_the_node(f"mv {MANIFEST} {ASIDE}")
    try:
        yield
    finally:
        on_the_node(f"mv {ASIDE} {MANIFEST}")


def wait_for_api_server(bed: Bed) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            bed.cluster.core.list_namespaced_pod(NAMESPACE)
            return
        except Exception:  # noqa: BLE001  whatever it says while it is coming back
            assert time.monotonic() < deadline
            time.sleep(1)


def test_an_action_ends_when_another_machine_takes_the_lock_over(bed: Bed, faults: Faults, old: Old) -> None:
    history = old.deployment()
    coordination = bed.cluster.coordination
    with faults.held(UPGRADE, when="after", pattern=r"^http POST /apis/batch/v1/namespaces/hopsworks/jobs$") as running:
        (lease,) = coordination.list_namespaced_lease(NAMESPACE).items
        lease.spec.holder_identity = "carol@elsewhere 20261122t010203"
        lease.spec.renew_time = datetime.datetime.now(datetime.UTC)
        coordination.replace_namespaced_lease(lease.metadata.name, NAMESPACE, lease)
        taken_over = len(running.steps)
        time.sleep(15)  # one renewal, and the time that a successor waits
        begun = len(running.steps)
        running.go_on()
    after = [step for step in running.steps[begun:] if is_a_write(step)]
    assert running.process.returncode != 0
    assert "carol@elsewhere" in running.text
    assert after == [], f"it went on, after {begun - taken_over} steps of renewal"
    coordination.delete_namespaced_lease(lease.metadata.name, NAMESPACE)
    old.still_serves(history)


def is_a_write(step: str) -> bool:
    kind, verb, *_rest = step.split()
    return (
        (step.startswith("sql") and verb not in ("SELECT", "SHOW", "SET", "CHECKSUM"))
        or (kind == "http" and verb not in ("GET", "HEAD") and "leases" not in step and "reviews" not in step)
    )  # fmt: skip


def test_a_database_that_restarts_in_the_cut_over_loses_nothing(bed: Bed, faults: Faults, old: Old) -> None:
    history = old.deployment()
    with faults.held(UPGRADE, when="before", pattern=r"^sql RENAME TABLE `airflow`\.") as running:
        bed.cluster.core.delete_namespaced_pod("mysqlds-0", NAMESPACE, grace_period_seconds=0)
        running.go_on()
    if running.process.returncode == 0:
        set_aside_completes(bed, history)
    else:
        old.still_serves(history)


def test_after_three_minutes_without_an_api_server_the_deployment_serves(bed: Bed, faults: Faults, old: Old) -> None:
    history = old.deployment()
    with faults.held(UPGRADE, when="after", pattern=UI_STOPPED) as running:
        with gone():
            running.go_on()
            time.sleep(180)
        wait_for_api_server(bed)
    if running.process.returncode == 0:
        set_aside_completes(bed, history)
    else:
        old.still_serves(history)


@pytest.mark.parametrize("away", [hanging, gone], ids=["hanging", "gone"])
def test_an_api_server_that_is_away_for_20_seconds_delays_a_cut_over(
    bed: Bed, faults: Faults, old: Old, away: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    history = old.deployment()
    with faults.held(UPGRADE, when="after", pattern=UI_STOPPED) as running, away():
        running.go_on()
        time.sleep(20)
    assert running.process.returncode == 0, running.text[-6000:]
    set_aside_completes(bed, history)
