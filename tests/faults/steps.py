# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults at named steps of a playbook: killed there, or held there while a test does something to the world around it.

    with fault.kill("before", r"^sql RENAME TABLE") as step: ...

The folder of a fault holds `fault.json` (what is wanted), `process` (the playbook's), `steps` (every step taken so far,
one a line), `hit` (the step where it happened) and `go` (made by a test that holds the playbook).
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bed import ROOT, Bed

INJECTED = pathlib.Path(__file__).parent / "injected"
PLAYBOOK_SECONDS = 1200


def shows_no_canary(text: str) -> None:
    """Fails where a text has a password of the test cluster, or a value that `promises.py` has planted in a row."""
    assert "CANARY" not in text, text[max(0, text.index("CANARY") - 500) :][:700]


class Faulty:
    """A playbook to which a fault is going to happen, or has happened."""

    def __init__(self, bed: Bed, folder: pathlib.Path, playbook: str, *arguments: str, **wanted: Any) -> None:
        folder.mkdir(parents=True)
        self.folder, self.output = folder, folder / "output"
        (folder / "fault.json").write_text(json.dumps(wanted), encoding="utf-8")
        path = os.pathsep.join(filter(None, [str(INJECTED), os.environ.get("PYTHONPATH", "")]))
        # It has to know whom to kill before it takes its first step: the shell becomes the playbook.
        command = [
            "sh",
            "-c",
            'echo $$ > "$0/process" && exec "$@"',
            str(folder),
            *bed.command(str(ROOT / playbook), *arguments),
        ]
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**bed.environment(), "AIRFLOW_FAULT": str(folder), "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    @property
    def steps(self) -> list[str]:
        """Every step that was taken, in order."""
        file = self.folder / "steps"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def hit(self) -> str:
        """The step where it happened. Fails where it did not: then the test has tested nothing."""
        file = self.folder / "hit"
        assert file.exists(), f"the step was not reached:\n{self.text[-4000:]}"
        return file.read_text(encoding="utf-8")

    def wait_for_hit(self) -> str:
        deadline = time.monotonic() + PLAYBOOK_SECONDS
        while not (self.folder / "hit").exists():
            assert self.process.poll() is None, f"it ended before the step:\n{self.text[-4000:]}"
            assert time.monotonic() < deadline, f"the step was not reached:\n{self.text[-4000:]}"
            time.sleep(0.05)
        return self.hit()

    def go_on(self) -> None:
        (self.folder / "go").touch()

    def wait(self) -> int:
        """Wait for its end; returns its exit code. Fails where it has printed a secret or a value of a row."""
        code = self.process.wait(PLAYBOOK_SECONDS)
        shows_no_canary(self.text)
        return code


class Faults:
    """Makes playbooks with faults, each in a folder of its own."""

    def __init__(self, bed: Bed, folder: pathlib.Path) -> None:
        self._bed, self._folder, self._number = bed, folder, 0

    def _start(self, playbook: str, *arguments: str, **wanted: Any) -> Faulty:
        self._number += 1
        return Faulty(self._bed, self._folder / f"fault{self._number}", playbook, *arguments, **wanted)

    def killed(self, playbook: str, *arguments: str, when: str, pattern: str, nth: int = 1) -> Faulty:
        """A playbook that was killed before or after a step; it is over when this returns."""
        faulty = self.killed_if_reached(playbook, *arguments, when=when, pattern=pattern, nth=nth)
        faulty.hit()
        return faulty

    def killed_if_reached(self, playbook: str, *arguments: str, when: str, pattern: str, nth: int) -> Faulty:
        """The same, of which a run that takes fewer such steps just ends."""
        faulty = self._start(playbook, *arguments, when=when, pattern=pattern, nth=nth, action="kill")
        faulty.wait()
        return faulty

    @contextmanager
    def held(self, playbook: str, *arguments: str, when: str, pattern: str, nth: int = 1) -> Iterator[Faulty]:
        """A playbook that waits before or after a step until it is told to go on, at the latest when this is left."""
        faulty = self._start(playbook, *arguments, when=when, pattern=pattern, nth=nth, action="hold")
        try:
            faulty.wait_for_hit()
            yield faulty
        finally:
            faulty.go_on()
            faulty.wait()

    def recorded(self, playbook: str, *arguments: str) -> Faulty:
        """A playbook to which nothing happens; its steps are written down."""
        faulty = self._start(playbook, *arguments, action="none")
        faulty.wait()
        return faulty
