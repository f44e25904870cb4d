# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runbooks that have nothing to do, as a schedule starts them every day, against a play of one `ping`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bed import INVENTORY

from ansible_collections.hopsworks.airflow.tests.bench.cutover import the_bed
from ansible_collections.hopsworks.airflow.tests.bench.measure import ROOT, TOOLS, MeasurementError, report, say, timed

ROUNDS = 5
PLAYS = {
    "empty": ROOT / "tests/bench/playbooks/empty.yml",
    "upgrade": ROOT / "playbooks/upgrade.yml",
    "rotate": ROOT / "playbooks/rotate.yml",
}
# Keys older than their minimum age would be rotated.
OPTIONS = {"upgrade": [], "rotate": ["-e", "airflow_keys_minimum_age=315360000"]}


def measure() -> None:
    the_bed()
    taken: dict[str, list[float]] = {name: [] for name in PLAYS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS + 1):
            for name, play in PLAYS.items():
                log = Path(folder) / f"{name}.log"
                command = [str(TOOLS / "ansible-playbook"), "-i", str(INVENTORY), str(play), *OPTIONS.get(name, [])]
                seconds = timed(command, variables={"ANSIBLE_LOG_PATH": str(log)}).seconds
                if name != "empty" and "Nothing to do" not in log.read_text():
                    raise MeasurementError(f"{play.name} had something to do; run it once, then measure again")
                log.unlink()
                # The first round only brings programs into memory.
                if number:
                    taken[name].append(seconds)
                    say(f"idle, round {number}/{ROUNDS}: {name} {seconds:.2f} s")
    for name in OPTIONS:
        report(
            f"{name}.yml with nothing to do, against a play of one ping",
            taken[name],
            taken["empty"],
            goal="ratio <= 5",
        )
