# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the tests against changed modules: conditions, lock, states of a rotation, redaction. A change that no test
notices has survived; `docs/development/mutation.md` explains those that may.

    python tests/mutation/run.py [--only PART] [--results FILE] [--seconds N]

A change is shown to the tests that run its line, the quickest first. For a constant of the module these are the tests
of the functions that name it. A change of a line that no test runs has survived, except in the modules of PROCESSES:
these changes are shown to all tests of the module. A test that takes three times as long as before, and a minute more,
has noticed the change: it hangs. Where something else kept the machine busy, look at these again.

Results are JSON lines, one for each change. What is in the file already is not run again, so that a run that was
interrupted goes on. Works on a copy: the checkout is not touched.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
UTILITIES = "plugins/module_utils"
# What the tests import that isn't changed.
LIBRARIES = (
    "ansible.module_utils.basic",
    "cryptography.x509",
    "hypothesis",
    "kubernetes",
    "pymysql",
    "requests",
    "yaml",
)
METADATA = ("tests/unit/metadata", "tests/unit/database", "tests/unit/dags")
# What is changed, and the tests that have to notice it.
TARGETS: dict[str, tuple[str, ...]] = {
    "_run/lock.py": ("tests/unit/run",),
    "_run/child.py": ("tests/unit/run", "tests/unit/action"),
    "_run/keeper.py": ("tests/unit/run", "tests/unit/action/test_lock_lost.py"),
    "_common/redaction.py": ("tests/unit/common", "tests/unit/metadata/dump"),
    "_run/record.py": ("tests/unit/run",),
    "_keys/states.py": ("tests/unit/keys",),
    "_keys/rotation.py": ("tests/unit/keys",),
    "_keys/change.py": ("tests/unit/keys",),
    "_metadata/conditions.py": METADATA,
    "_metadata/ownership.py": METADATA,
    "_metadata/swap/reset.py": METADATA,
    "_metadata/swap/drop.py": METADATA,
    "_metadata/swap/back.py": METADATA,
    "_metadata/inspection.py": METADATA,
    "_dags/quiesce.py": METADATA,
    "_dags/task_instances.py": METADATA,
    "_pods/job.py": ("tests/unit/pods",),
    "_rollout/scale.py": ("tests/unit/rollout",),
    "_pods/hiding.py": ("tests/unit/pods",),
    "_pods/lossless.py": ("tests/unit/pods",),
    "_rollout/backup.py": ("tests/unit/rollout",),
    "_replacement/replacement.py": ("tests/unit/replacement",),
    "_replacement/restoration.py": ("tests/unit/replacement",),
}
# Parts of them run in processes that a test starts, where no line is seen to run.
PROCESSES = ("_run/lock.py", "_run/child.py", "_run/keeper.py")
# Tests, and the seconds that each took.
Timed = dict[str, float]


class Laboratory:
    """A copy of the checkout in which modules are changed."""

    def __init__(self, folder: Path) -> None:
        self.root, self.printed = folder / "airflow", folder / "printed"
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in names.decode().split("\0"):
            source, target = ROOT / name, self.root / name
            if name and source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def pytest(self, tests: list[str], *options: str, timeout: float, **environment: str) -> int | None:
        """Exit code; None where time was up.

        Runs in a fork, which has the libraries already: to start an interpreter takes longer than most tests.
        """
        process = os.fork()
        if process == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                os.chdir(self.root)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                printed = os.open(self.printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                for descriptor in (1, 2):
                    os.dup2(printed, descriptor)
                os.environ.update(environment, PYTHONDONTWRITEBYTECODE="1")
                sys.dont_write_bytecode = True
                os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *options, *tests])))
            os._exit(70)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return None

    def lines(self, modules: list[str], tests: tuple[str, ...]) -> dict[str, dict[int, Timed]]:
        """Which tests run which line of which module. Fails where they don't pass as they are."""
        target = self.root.parent / "lines.json"
        environment = {"MUTATION_FILES": " ".join(modules), "MUTATION_LINES": str(target)}
        code = self.pytest(list(tests), "-p", "lines", timeout=3600, **environment)
        if code != 0:
            printed = self.printed.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise SystemExit(f"{printed}\n{' '.join(tests)}: the tests fail without any change (exit code {code})")
        found = json.loads(target.read_text())
        return {
            module: {int(line): {test: seconds for seconds, test in timed} for line, timed in lines.items()}
            for module, lines in found.items()
        }

    def outcome(self, module: str, mutant: Mutant, tests: list[str], timeout: float) -> str:
        """Survived, noticed or hung."""
        path = self.root / module
        before = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        try:
            code = self.pytest(tests, timeout=timeout)
            return {0: "survived", None: "hung"}.get(code, "noticed")
        finally:
            path.write_text(before, encoding="utf-8")


def noticing(mutant: Mutant, source: str, lines: dict[int, Timed]) -> Timed:
    """The tests that a change is shown to, the quickest first."""
    if mutant.run_with is not None:
        return lines.get(mutant.run_with, {})
    statement = next(
        node for node in ast.parse(source).body if mutant.line in range(begin_of(node), (node.end_lineno or 0) + 1)
    )
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    naming = {node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and node.id in names}
    # What is named by nothing, as the default of a field: by whatever runs anything.
    return together(lines[line] for line in naming if line in lines) or together(lines.values())


def begin_of(statement: ast.stmt) -> int:
    """Its first line: that of its first decorator, if it has any."""
    return min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))


def together(parts: Iterable[Timed]) -> Timed:
    found = {test: seconds for part in parts for test, seconds in part.items()}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def identity(module: str, mutant: Mutant) -> str:
    return hashlib.sha256(f"{module} {mutant.source}".encode()).hexdigest()[:16]


def module_of(name: str) -> str:
    return f"{UTILITIES}/{name}"


def by_tests(part: str) -> dict[tuple[str, ...], list[str]]:
    """The modules with `part` in their path, by the tests that have to notice a change of them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, tests in TARGETS.items():
        if part in name:
            found.setdefault(tests, []).append(name)
    return found


def changes_left(name: str, done: set[str]) -> list[Mutant]:
    module = module_of(name)
    found = list(mutants((ROOT / module).read_text(encoding="utf-8")))
    left = [mutant for mutant in found if identity(module, mutant) not in done]
    print(f"{name}: {len(found)} changes, {len(left)} to run", flush=True)
    return left


def known(results: Path) -> set[str]:
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return {json.loads(line)["id"] for line in lines}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PART", default="", help="modules with this in their path")
    parser.add_argument("--results", type=Path, default=ROOT / ".sandbox/mutation.jsonl")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no change after this time")
    options = parser.parse_args()
    for library in LIBRARIES:
        importlib.import_module(library)
    deadline = time.monotonic() + options.seconds
    options.results.parent.mkdir(parents=True, exist_ok=True)
    done = known(options.results)
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, options.results.open("a", encoding="utf-8") as log:
        laboratory = Laboratory(Path(folder))
        for tests, names in by_tests(options.only).items():
            left = {name: changes for name in names if (changes := changes_left(name, done))}
            # Of all modules at once: some of these tests take minutes.
            lines = laboratory.lines([module_of(name) for name in left], tests) if left else {}
            for name, mutant in ((name, mutant) for name, changes in left.items() for mutant in changes):
                if time.monotonic() > deadline:
                    print("time is up; the same command goes on", flush=True)
                    return 1
                module = module_of(name)
                shown = noticing(mutant, (ROOT / module).read_text(encoding="utf-8"), lines[module])
                limit = 60 + 3 * sum(shown.values())
                outcome = laboratory.outcome(module, mutant, list(shown), limit) if shown else "survived"
                if outcome == "survived" and name in PROCESSES:
                    whole = sum(together(lines[module].values()).values())
                    outcome = laboratory.outcome(module, mutant, list(tests), 60 + 3 * whole)
                entry = {"id": identity(module, mutant), "module": name, "line": mutant.line, "change": mutant.change}
                log.write(json.dumps({**entry, "outcome": outcome}) + "\n")
                log.flush()
                if outcome == "survived":
                    survivors += 1
                    print(f"  survived: {name}:{mutant.line} {mutant.change}", flush=True)
    print(f"{survivors} survived", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
