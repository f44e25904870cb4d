# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server dies in the middle of a statement: strace kills it at the chosen system call of its own work on files."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.inspection import inspect
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.installation import install
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import Server
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset
from ansible_collections.hopsworks.airflow.tests.unit.waiting import GIVEN_UP_SECONDS

RENAMES, REMOVALS = "rename,renameat,renameat2", "unlink,unlinkat"


def untraced(server: Server) -> bool:
    """Whether any thread is: that of the session is the one that works."""
    for thread in Path(f"/proc/{server.process}/task").iterdir():
        # One may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if "TracerPid:\t0\n" in (thread / "status").read_text():
                return True
    return False


def trace(server: Server, options: list[str | Path]) -> subprocess.Popen[bytes]:
    """strace, attached to the whole server.

    It misses a thread that another one begins while the list of all is read, so it may have to begin again.
    """
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while time.monotonic() < deadline:
        tracer = subprocess.Popen(["strace", "-p", str(server.process), *options], stderr=subprocess.DEVNULL)
        again = time.monotonic() + 10
        while time.monotonic() < again:
            assert tracer.poll() is None, "strace could not attach to the server"
            if not untraced(server):
                return tracer
            time.sleep(0.02)
        tracer.terminate()
        tracer.wait()
    raise AssertionError(f"strace missed threads of the server for {GIVEN_UP_SECONDS} s")


@contextlib.contextmanager
def dying_at(server: Server, calls: str, file: str, log: Path) -> Iterator[None]:
    """The server is killed when it makes one of these system calls on a file of its own; afterwards it runs again.

    `file` is relative to its folder of data. `log` gets the calls on it, the last one unfinished.
    """
    if shutil.which("strace") is None:
        install(["strace"])
    kill = ["-P", f"./{file}", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when=1"]
    tracer = trace(server, ["-fqqo", log, *kill])
    try:
        yield
    finally:
        server.kill()
        tracer.wait()
        server.start()
    assert re.search(rf'"\./{file}".* = \?$', log.read_text(), re.MULTILINE), f"the server made no {calls} of {file}"


# The rows of a table are in its .ibd, its definition is in its .frm: the first table, between the two files of one, the
# last of the old tables, and one of the new.
@pytest.mark.parametrize("file", ["{old}/ab_permission.ibd", "{old}/dag.frm", "{old}/xcom.frm", "{new}/trigger.ibd"])
def test_a_server_that_dies_in_the_move_leaves_what_the_next_run_finishes(server, bare, memory, tmp_path, file):
    with server.session() as database:
        bare.make_old()
        bare.make_new(database)
    old = bare.definition(bare.names.live)
    file = file.format(old=bare.names.live, new=bare.names.workspace)
    with (
        server.session() as database,
        pytest.raises(OperatorError),
        dying_at(server, RENAMES, file, tmp_path / "calls"),
    ):
        reset(database, bare, memory)
    with server.session() as database:
        found = inspect(database, bare.names)
        # From 10.6 on MariaDB takes back what it did of the statement (https://mariadb.com/kb/en/atomic-ddl/).
        assert found.server.renames_atomically
        assert (found.stage, found.begun) == ("old", None)
        assert reset(database, bare, memory)["changed"]
        assert inspect(database, bare.names).stage == "installed"
    assert bare.definition(bare.names.aside(RUN)) == old


@pytest.mark.parametrize("file", ["{old}/dag.ibd", "{old}/xcom.frm"])
def test_a_server_that_dies_in_the_drop_leaves_what_the_next_run_finishes(server, bare, memory, tmp_path, file):
    with server.session() as database:
        bare.make_old()
        bare.make_new(database)
        changes = {"method": "drop", "rehearsed_dump": bare.rehearsed(database, bare.names.live)}
    dropped = server.logged("DROP DATABASE")
    before = bare.tables(bare.names.live)
    with (
        server.session() as database,
        pytest.raises(OperatorError),
        dying_at(server, REMOVALS, file.format(old=bare.names.live), tmp_path / "calls"),
    ):
        reset(database, bare, memory, **changes)
    assert bare.tables(bare.names.live) < before
    # The server removes it in the background, sooner or later: here it is late.
    left = server.folder / "data" / bare.names.live / "dag.ibd"
    left.parent.mkdir(exist_ok=True)
    shutil.copy(left.parent.with_name(bare.names.workspace) / "dag.ibd", left)
    remover = threading.Timer(2, left.unlink)
    with server.session() as database:
        assert inspect(database, bare.names).stage == "moving"
        remover.start()
        assert reset(database, bare, memory, **changes)["changed"]
        assert inspect(database, bare.names).stage == "installed"
    remover.join()
    assert server.logged("DROP DATABASE") == dropped + 1
