# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever the folders look like, whenever a run dies, whoever writes meanwhile: a whole snapshot is equal."""

from __future__ import annotations

import random

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import snapshot
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import WebHdfs
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.inspection import damages, inspect
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.store import Store
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.fake import NAME_NODE, FakeHopsfs, Node, nothing
from ansible_collections.hopsworks.airflow.tests.unit.hopsfs.trees import disturb, plant

PATTERNS = ["/Projects/*/Airflow"]
ROOT = "/airflow-snapshots"


def unheard(_line: str) -> None:
    """Progress that nobody follows."""


def chance_of(seed: int) -> random.Random:
    """Repeatable chance."""
    return random.Random(seed)  # noqa: S311


class Killed(BaseException):
    """SIGKILL, as far as a thread can tell."""


def take(hdfs, name="one", **options):
    options = {"workers": 3, "progress": unheard, **options}
    return snapshot.present(hdfs, Store(hdfs, ROOT), name, PATTERNS, **options)


def planted(seed: int) -> FakeHopsfs:
    hopsfs = FakeHopsfs()
    plant(hopsfs, chance_of(seed))
    return hopsfs


def connect(hopsfs: FakeHopsfs) -> WebHdfs:
    return WebHdfs(NAME_NODE, hopsfs, unheard)


def dag_folders(hopsfs: FakeHopsfs) -> dict[str, Node]:
    return {path: node for path, node in hopsfs.tree("/Projects").items() if "/Airflow" in path}


def assert_whole(hopsfs: FakeHopsfs, name: str = "one") -> None:
    """The copy is the folders, node by node, and the collection's own verification agrees."""
    files = f"{ROOT}/{name}/files"
    copied = {path.removeprefix(files): node for path, node in hopsfs.tree(files).items() if "/Airflow" in path}
    assert copied == dag_folders(hopsfs)
    [found] = inspect(
        connect(hopsfs),
        Store(connect(hopsfs), ROOT),
        name,
        verify=True,
        compare_live=True,
        workers=2,
        progress=unheard,
    )
    assert (found["whole"], found["verified"], found["equal"]) == (True, True, True)


@pytest.mark.parametrize("seed", range(40))
def test_a_snapshot_is_equal_and_leaves_the_folders_alone(seed):
    hopsfs = planted(seed)
    before = hopsfs.tree("/Projects")
    planned = take(connect(hopsfs), check_mode=True)
    assert hopsfs.writes == []
    hopsfs.log.clear()
    outcome = take(connect(hopsfs))
    # Once to copy and once to see that nothing has changed, each with its redirect.
    reads = [path for operation, path in hopsfs.log if operation == "OPEN" and path.startswith("/Projects")]
    assert len(reads) == 4 * outcome.copied_files
    assert_whole(hopsfs)
    assert hopsfs.tree("/Projects") == before
    assert all(path.startswith(ROOT) for _operation, path in hopsfs.writes)
    assert (planned.copied_files, planned.copied_bytes) == (outcome.copied_files, outcome.copied_bytes)
    for private in (ROOT, f"{ROOT}/one", f"{ROOT}/one/files", f"{ROOT}/one/files/Projects"):
        assert (hopsfs.nodes[private].owner, hopsfs.nodes[private].permission) == ("hdfs", "0700")

    hopsfs.writes.clear()
    again = take(connect(hopsfs))
    assert not again.changed
    assert hopsfs.writes == []
    assert again.fingerprint == outcome.fingerprint


@pytest.mark.parametrize("seed", range(40))
def test_a_refresh_copies_only_what_changed(seed):
    hopsfs = planted(seed)
    take(connect(hopsfs))
    chance = chance_of(seed)
    before = dag_folders(hopsfs)
    for _change in range(chance.randrange(1, 5)):
        disturb(hopsfs, chance)
    after = dag_folders(hopsfs)
    files = {path: node.content for path, node in after.items() if node.kind == "FILE"}
    stale = [path for path in files if path not in before or before[path].kind != "FILE"]
    stale += [path for path in files if path not in stale and before[path].content != files[path]]
    outcome = take(connect(hopsfs))
    assert outcome.changed == (before != after)
    assert outcome.copied_files == len(stale)
    assert_whole(hopsfs)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_write_it_is_never_whole_and_a_second_run_finishes(seed):
    """Every write of a first snapshot, then every write of a refresh, is the last one before the process dies."""
    for refresh in (False, True):
        writes = 0
        while True:
            hopsfs = planted(seed)
            if refresh:
                take(connect(hopsfs))
                for _change in range(3):
                    disturb(hopsfs, chance_of(seed + 1))
            folders = dag_folders(hopsfs)
            died = dies_after(hopsfs, writes, lambda hopsfs=hopsfs: take(connect(hopsfs)))
            state = Store(connect(hopsfs), ROOT).state("one")
            if died and state.manifest is not None:
                # Before its first write or after its last one a snapshot may be whole; then it is a true one.
                assert not damages(Store(connect(hopsfs), ROOT), "one", state.manifest, 1)
            take(connect(hopsfs))
            assert_whole(hopsfs)
            assert dag_folders(hopsfs) == folders
            if not died:
                break
            writes += 1
        assert writes >= (3 if refresh else 8)


def dies_after(hopsfs: FakeHopsfs, writes: int, work) -> bool:
    hopsfs.writes.clear()

    def before(operation: str, _path: str) -> None:
        if len(hopsfs.writes) >= writes and operation in WRITES:
            raise Killed

    hopsfs.before = before
    try:
        work()
    except Killed:
        return True
    finally:
        hopsfs.before = nothing
    return False


WRITES = {
    "CREATE",
    "MKDIRS",
    "DELETE",
    "RENAME",
    "SETOWNER",
    "SETACL",
    "REMOVEACL",
    "SETPERMISSION",
    "SETXATTR",
    "REMOVEXATTR",
    "SETTIMES",
}


@pytest.mark.parametrize("seed", range(60))
def test_folders_that_change_meanwhile_are_copied_as_they_end_up(seed):
    hopsfs = planted(seed)
    chance = chance_of(seed)
    moments = {chance.randrange(1, 150) for _each in range(3)}

    def before(_operation: str, _path: str) -> None:
        if len(hopsfs.log) in moments:
            moments.discard(len(hopsfs.log))
            disturb(hopsfs, chance)

    hopsfs.before = before
    take(connect(hopsfs))
    hopsfs.before = nothing
    state = Store(connect(hopsfs), ROOT).state("one")
    assert state.manifest is not None
    assert not damages(Store(connect(hopsfs), ROOT), "one", state.manifest, 1)
    take(connect(hopsfs))
    assert_whole(hopsfs)


def test_folders_that_never_stop_changing_are_refused_and_the_paths_named():
    hopsfs = planted(1)
    hopsfs.put("/Projects/P0/Airflow/busy.py", "FILE", "0644", b"0")

    def before(_operation: str, _path: str) -> None:
        hopsfs.nodes["/Projects/P0/Airflow/busy.py"].content = str(len(hopsfs.log)).encode()

    hopsfs.before = before
    with pytest.raises(OperatorError) as refused:
        take(connect(hopsfs))
    hopsfs.before = nothing
    assert any("busy.py: content" in line for line in refused.value.evidence)
    state = Store(connect(hopsfs), ROOT).state("one")
    assert state.found == "unfinished"
    take(connect(hopsfs))
    assert_whole(hopsfs)
