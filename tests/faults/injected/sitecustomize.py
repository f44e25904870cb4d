# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a fault happen at a named step of ansible-playbook; loaded by Python itself where tests put it on PYTHONPATH.

A step is a statement to the database, a request to a server, a command in a pod or a file that gets its name. Each is
a line in `$AIRFLOW_FAULT/steps`, written before the step is taken. The libraries below the collection are wrapped, so
the collection runs as it is. `steps.py` beside this folder prepares the folder and says what the files in it mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import pathlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

FOLDER = os.environ.get("AIRFLOW_FAULT")
LINE_LENGTH = 400
HOLD_SECONDS = 600
# Matches no step.
NOTHING = "(?!)"


def descendants(root: int) -> list[int]:
    """All processes below one, in whatever session they are."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with (
                contextlib.suppress(OSError),
                open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stream,
            ):
                parents[int(entry)] = int(stream.read().rpartition(")")[2].split()[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


class Fault:
    """What was asked for: `when` (before, after), the `nth` match of a `pattern`, an `action`."""

    def __init__(self, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        self.wanted: dict[str, Any] = json.loads((self.folder / "fault.json").read_bytes())

    def taken(self, step: str) -> bool:
        """Write a step down; returns whether it is the one that the fault is for."""
        step = " ".join(step.split())[:LINE_LENGTH]
        pattern = str(self.wanted.get("pattern", NOTHING))
        matches = bool(re.search(pattern, step))
        with (self.folder / "steps").open("a+", encoding="utf-8") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.seek(0)
            before = log.read().splitlines() if matches else []
            log.write(f"{step}\n")
        return matches and sum(bool(re.search(pattern, line)) for line in before) + 1 == int(self.wanted["nth"])

    def happen(self, step: str) -> None:
        (self.folder / "hit").write_text(step, encoding="utf-8")
        if self.wanted["action"] == "kill":
            self.kill()
        deadline = time.monotonic() + HOLD_SECONDS
        while not (self.folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def kill(self) -> None:
        """As a machine that loses its power: everything at once, this process last."""
        root = int((self.folder / "process").read_text())
        own = os.getpid()
        everything = [root, *descendants(root)]
        for process in [*(each for each in everything if each != own), own]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    @contextlib.contextmanager
    def around(self, step: str) -> Iterator[None]:
        hit = self.taken(step)
        if hit and self.wanted["when"] == "before":
            self.happen(step)
        yield
        if hit and self.wanted["when"] == "after":
            self.happen(step)


def wrap(owner: Any, name: str, describe: Callable[..., str]) -> None:
    """Take each call of a method as a step."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        with FAULT.around(describe(*arguments, **named)):
            return original(*arguments, **named)

    setattr(owner, name, wrapped)


def statement(_connection: Any, sql: Any, *_more: Any, **_named: Any) -> str:
    return "sql " + (sql.decode("utf-8", "replace") if isinstance(sql, bytes) else str(sql))


def request(_pool: Any, method: str, url: str, *_more: Any, **_named: Any) -> str:
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    # WebHDFS says what to do in the query, and Kubernetes whether to do it.
    words = ["http", method, parts.path, *query.get("op", []), *(["dry-run"] if "dryRun" in query else [])]
    return " ".join(words)


def connection(_socket: Any, url: str, **_named: Any) -> str:
    parts = urlsplit(url)
    # A command's script says what it is for; what follows it may be long, never secret.
    return f"exec {parts.path} {' '.join(parse_qs(parts.query).get('command', []))}"


def renaming(path: pathlib.Path, target: Any) -> str:
    return f"file {path.name} becomes {pathlib.Path(target).name}"


if FOLDER and (pathlib.Path(FOLDER) / "fault.json").exists():
    import pymysql
    import urllib3
    import websocket

    FAULT = Fault(FOLDER)
    wrap(pymysql.connections.Connection, "query", statement)
    wrap(urllib3.HTTPConnectionPool, "urlopen", request)
    wrap(websocket.WebSocket, "connect", connection)
    wrap(pathlib.Path, "replace", renaming)
