# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules' own results, as a playbook sees them, and what their documentation promises about them."""

from __future__ import annotations

import contextlib

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.doc_fragments.hopsfs import ModuleDocFragment
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs import access
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import hopsfs_snapshot, hopsfs_snapshot_info

SNAPSHOT = {
    "name": "one",
    "sources": ["/Projects/*/Airflow"],
    "snapshot_root": "/airflow-snapshots",
    "workers": 2,
    "state": "present",
}
INFO = {"name": None, "snapshot_root": "/airflow-snapshots", "workers": 2, "verify": True, "compare": True}


@pytest.fixture
def call(monkeypatch, hopsfs, hdfs, said):
    """Runs one of the modules' actions against the file system in memory."""
    hopsfs.put("/Projects/demo/Airflow/a.py", "FILE", "0644", b"KEY = 'CANARY-dag-file'")
    warnings = []

    @contextlib.contextmanager
    def opened(_cluster, _options, _progress):
        yield hdfs

    for module in (hopsfs_snapshot, hopsfs_snapshot_info):
        monkeypatch.setattr(module, "opened", opened)

    def run(module, check_mode=False, **options):
        defaults = SNAPSHOT if module is hopsfs_snapshot else INFO
        hopsfs.writes.clear()
        result = module.act(Call({**defaults, **options}, check_mode, None, said.append, warnings.append))
        assert "CANARY" not in repr(result) + repr(warnings) + repr(said)
        return result

    run.warnings = warnings
    return run


def documented(module) -> set[str]:
    return set(yaml.safe_load(module.RETURN))


def test_a_snapshot_s_life(call, hopsfs):
    planned = call(hopsfs_snapshot, check_mode=True)
    # The probe for native snapshots is a request that writes nothing.
    assert [path for _operation, path in hopsfs.writes] == ["/airflow-snapshots/.probe"]
    assert planned["changed"]
    assert planned["snapshot"]["manifest_sha256"] is None
    made = call(hopsfs_snapshot)
    assert made["changed"]
    assert made["found"] == "absent"
    assert made["native_snapshots"] == "absent"
    assert made["room"]["needed_bytes"] == 23
    assert {key: planned[key] for key in ("copied_files", "copied_bytes", "adjusted", "removed", "room")} == {
        key: made[key] for key in ("copied_files", "copied_bytes", "adjusted", "removed", "room")
    }
    assert made["snapshot"]["manifest_sha256"] in made["diff"]["after"]
    kept = call(hopsfs_snapshot)
    assert not kept["changed"]
    assert kept["found"] == "whole"
    assert kept["diff"]["before"] == kept["diff"]["after"]
    assert kept["snapshot"] == made["snapshot"]

    for result in (planned, made, kept):
        assert set(result) - {"changed", "diff"} <= documented(hopsfs_snapshot)
    contained = set(yaml.safe_load(hopsfs_snapshot.RETURN)["snapshot"]["contains"])
    assert set(made["snapshot"]) == contained

    [found] = call(hopsfs_snapshot_info)["snapshots"]
    assert set(found) == set(yaml.safe_load(hopsfs_snapshot_info.RETURN)["snapshots"]["contains"]) - {"flaw"}

    planned = call(hopsfs_snapshot, check_mode=True, state="absent")
    assert (planned["changed"], hopsfs.writes) == (True, [])
    gone = call(hopsfs_snapshot, state="absent")
    assert gone["changed"]
    assert set(gone) - {"changed", "diff"} <= documented(hopsfs_snapshot)
    assert not call(hopsfs_snapshot, state="absent")["changed"]
    assert call(hopsfs_snapshot_info)["snapshots"] == []


def test_unknown_free_space_is_warned_about(call, hopsfs):
    hopsfs.free = None
    call(hopsfs_snapshot)
    assert "free space" in call.warnings[0]


def test_the_fragment_documents_the_shared_options():
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    for name, arguments in access.ARGUMENTS.items():
        for key in ("type", "default", "required"):
            assert options[name].get(key) == arguments.get(key), (name, key)
    assert set(options) == set(access.ARGUMENTS)


class Secrets:
    namespace = "hopsworks"

    def secret_entries(self, _name):
        return None


@pytest.mark.parametrize(("workers", "found"), [(0, "workers is 0"), (65, "workers is 65"), (8, "no Secret tls")])
def test_what_is_missing_is_named_before_anything_is_sent(workers, found):
    options = {"url": "https://namenode:9870", "tls_secret": "tls", "workers": workers}
    with (
        pytest.raises(OperatorError, match=found) as refused,
        access.opened(Secrets(), options, [].append),
    ):
        pytest.fail("opened")
    assert "nothing was sent" in refused.value.untouched
