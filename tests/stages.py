# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the stages of `make test`, or those that are named, one after the other and up to the first that fails.

Ends with the time that each took, and with one line that counts tests (a stage without tests of its own counts as one).
Run it with the interpreter of .venv.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
NODE = "airflow-control-plane"  # kind's name for the only node of the cluster `airflow`


@dataclass(frozen=True)
class Stage:
    """A headline, the commands behind it, and where to look when one of them fails."""

    name: str
    headline: str
    commands: tuple[str, ...]
    look_at: str


STAGES = (
    Stage(
        "lint",
        "formatting, ruff, yamllint, ansible-lint, documentation, changelog",
        (
            "nox -s formatters codeqa yamllint antsibull-nox-config docs-check extra-checks ansible-lint",
            "nox -s changelog role-readmes",
        ),
        "the findings above; `make format` fixes formatting and the order of imports",
    ),
    Stage("types", "mypy --strict", ("nox -s typing",), "the findings above"),
    Stage(
        "unit",
        "unit tests",
        (
            # A test that hangs is named, with the stacks of its process: the longest takes a minute.
            # More workers than cores, because many tests wait.
            "pytest tests/unit --numprocesses=4 --junit-xml={junit} -o faulthandler_timeout=600",
        ),
        "the first failure above; `.venv/bin/pytest tests/unit -x -k NAME` runs it alone",
    ),
    Stage(
        "environments",
        "each ansible-core and the ends of every range: unit tests, and the playbooks without a cluster",
        ("pytest tests/environments --numprocesses=3 --dist=loadgroup -rs --junit-xml={junit}",),
        "the first failure above; `.venv/bin/pytest tests/environments -x -k 2.18` runs one version alone",
    ),
    Stage(
        "packaging",
        "the built tarball, installed elsewhere",
        ("pytest tests/packaging --junit-xml={junit}",),
        "the first failure above; galaxy.yml says what goes into the tarball",
    ),
    Stage(
        "awx",
        "what AWX is configured with",
        ("pytest tests/awx --junit-xml={junit}",),
        "the first failure above; awx/settings.yml says what is made",
    ),
    Stage(
        "sanity",
        "ansible-test sanity",
        ("tests/sanity/prepare", "nox -s sanity"),
        "the lines above that begin with ERROR",
    ),
    Stage(
        "bed",
        "the test cluster: nodes, services, old deployment (made, or found as it is)",
        ("ansible-playbook sandbox/create.yml",),
        "the failed task above; `make destroy` and again, to begin from nothing",
    ),
    Stage(
        "examples",
        "the documentation's examples, run in check mode on the test cluster",
        ("pytest tests/bed/test_examples.py --numprocesses=2 --junit-xml={junit}",),
        "the first failure above; `.venv/bin/pytest tests/bed/test_examples.py -x -k MODULE` runs one alone",
    ),
    Stage(
        "install",
        "molecule scenario install: a deployment without a past",
        ("molecule test --scenario-name install --destroy never",),
        "the failed task; the test cluster is as it left it (KUBECONFIG=.sandbox/kubeconfig kubectl get pods -A)",
    ),
    Stage(
        "upgrade",
        "molecule scenario upgrade: 1.10.15 to 3.0.6",
        ("molecule test --scenario-name upgrade --destroy never",),
        "the failed task; the test cluster is as it left it (KUBECONFIG=.sandbox/kubeconfig kubectl get pods -A)",
    ),
    Stage(
        "rotate",
        "molecule scenario rotate: new signing keys that nobody notices, on 3.0.6",
        ("molecule test --scenario-name rotate --destroy never",),
        "the failed test; the test cluster is as it left it (KUBECONFIG=.sandbox/kubeconfig kubectl get pods -A)",
    ),
    Stage(
        "installed",
        "the installed collection: upgrade of the test cluster to the newest Airflow",
        ("pytest tests/packaging -m bed --junit-xml={junit}",),
        "the first failure above",
    ),
)


@dataclass
class Outcome:
    stage: Stage
    seconds: float
    passed: int
    failed: int
    skipped: int = 0


def environment() -> dict[str, str]:
    """Tools of .venv first; checks only look (`CI` keeps the formatters from rewriting files)."""
    return {
        **os.environ,
        "CI": "true",
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(ROOT / ".venv/bin/python"),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "MOLECULE_COMMAND_BORDERS": "false",
        # Molecule's memory of the test cluster goes with it.
        "MOLECULE_EPHEMERAL_DIRECTORY": str(ROOT / ".sandbox/molecule"),
    }


def run(stage: Stage) -> Outcome:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        junit = Path(directory, "junit.xml")
        for command in stage.commands:
            words = [word.format(junit=junit) for word in shlex.split(command)]
            status = subprocess.run(words, cwd=ROOT, env=environment(), check=False).returncode
            if status:
                break
        passed, failed, skipped = counted(junit) if junit.exists() else (0, 0, 0)
    if status and not failed:
        failed = 1
    if not status and not passed:
        passed = 1
    return Outcome(stage, time.monotonic() - begun, passed, failed, skipped)


def counted(junit: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a report that pytest has just written."""
    suites = ElementTree.parse(junit).getroot().iter("testsuite")  # noqa: S314 (our own file)
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return total - failed - skipped, failed, skipped


def bed_is_running() -> bool:
    try:
        answer = subprocess.run(
            ["docker", "container", "inspect", "--format", "{{.State.Running}}", NODE],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return answer.stdout.strip() == "true"


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60:3d}:{int(seconds) % 60:02d}"


def main() -> int:
    names = [stage.name for stage in STAGES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"which ones (default: all): {', '.join(names)}")
    wanted = parser.parse_args().stages
    if unknown := set(wanted) - set(names):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    stages = [stage for stage in STAGES if not wanted or stage.name in wanted]

    needs_bed = any(stage.name == "bed" for stage in stages)
    found_bed = needs_bed and bed_is_running()
    outcomes: list[Outcome] = []
    for number, stage in enumerate(stages, 1):
        print(f"\n=== {number}/{len(stages)} {stage.name}: {stage.headline}\n", flush=True)
        outcomes.append(run(stage))
        if outcomes[-1].failed:
            print(f"\n{stage.name} failed. Look at: {stage.look_at}.", flush=True)
            break
    failed = sum(outcome.failed for outcome in outcomes)

    if needs_bed and not failed and not found_bed:
        print("\n=== the test cluster was made for this run: taking it down\n", flush=True)
        failed += bool(
            subprocess.run(
                ["ansible-playbook", "sandbox/destroy.yml"], cwd=ROOT, env=environment(), check=False
            ).returncode
        )
    elif needs_bed and bed_is_running():
        print("\nThe test cluster is still running; `make destroy` takes it down.")

    print("\n=== time taken, minutes")
    for outcome in outcomes:
        print(f"{clock(outcome.seconds)}  {outcome.stage.name}{'  FAILED' if outcome.failed else ''}")
    print(f"{clock(sum(outcome.seconds for outcome in outcomes))}  in all")
    for stage in stages[len(outcomes) :]:
        print(f"   not run: {stage.name}")
    if skipped := sum(outcome.skipped for outcome in outcomes):
        print(f"   skipped: {skipped} tests")
    print(f"\n{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
