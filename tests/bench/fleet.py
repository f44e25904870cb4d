# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cut-over of many deployments by one playbook: what one costs must not depend on how many there are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.hopsworks.airflow.tests.bench import fleet_deployments
from ansible_collections.hopsworks.airflow.tests.bench.fleet_cluster import fleet_cluster
from ansible_collections.hopsworks.airflow.tests.bench.measure import ROOT, TOOLS, Run, report, say, timed

OURS = ROOT / "tests/bench/playbooks/fleet.yml"
PEER = ROOT / "tests/bench/peers/rotate.yml"
# Where the peer is measured, too, and what growth is counted from.
REFERENCE = 10
# Few deployments are done quickly, and vary most: the search for primes is luck.
DEPLOYMENTS_AT_LEAST = 20
MOST_REPETITIONS = 3


def measure(sizes: Sequence[int], forks: Sequence[int]) -> None:
    costs: dict[tuple[int, int], list[float]] = {}
    with fleet_cluster() as kubeconfig:
        fleet_deployments.make(max(sizes))
        for size in sorted(sizes):
            inventory = kubeconfig.parent / f"inventory-{size}.json"
            fleet_deployments.write_inventory(inventory, size, kubeconfig)
            for number in forks:
                costs[size, number] = measure_one(size, number, inventory)
    for number in forks if {REFERENCE, max(sizes)} <= set(sizes) and max(sizes) > REFERENCE else ():
        report(
            f"fleet, cost of a deployment among {max(sizes)} against one among {REFERENCE}, {number} forks",
            costs[max(sizes), number],
            costs[REFERENCE, number],
            goal="ratio <= 1.1",
        )


def measure_one(size: int, forks: int, inventory: Path) -> list[float]:
    """Reports one size with one number of forks; returns the seconds for each deployment."""
    ours: list[Run] = []
    peer: list[Run] = []
    for repetition in range(min(MOST_REPETITIONS, -(-DEPLOYMENTS_AT_LEAST // size))):
        run = f"bench-{size}-{forks}-{repetition}"
        ours.append(play(OURS, inventory, forks, run))
        say(f"fleet of {size}, {forks} forks: {ours[-1].seconds:.1f} s, {ours[-1].peak_mebibytes:.0f} MiB")
        if size == REFERENCE:
            peer.append(play(PEER, inventory, forks, run))
            say(f"fleet of {size}, {forks} forks: the peer {peer[-1].seconds:.1f} s")
    costs = [run.seconds / size for run in ours]
    more: dict[str, object] = {
        "deployments": size,
        "forks": forks,
        "seconds_per_deployment": round(statistics.median(costs), 3),
        "peak_mebibytes": round(max(run.peak_mebibytes for run in ours)),
    }
    goal = None
    if peer:
        goal = "ratio < 1"
        more["peer_peak_mebibytes"] = round(max(run.peak_mebibytes for run in peer))
    report(
        f"fleet of {size}, {forks} forks" + (", against community.crypto and kubernetes.core" if peer else ""),
        [run.seconds for run in ours],
        [run.seconds for run in peer] or None,
        goal=goal,
        more=more,
    )
    return costs


def play(playbook: Path, inventory: Path, forks: int, run: str) -> Run:
    command = [str(TOOLS / "ansible-playbook"), "-i", str(inventory), f"--forks={forks}", "-e", f"fleet_run={run}"]
    return timed([*command, str(playbook)], memory=True)
