# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import os

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.backup import (
    Backup,
    Record,
    record_of,
)
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace


@pytest.fixture
def namespace():
    return Namespace()


def record(name, **content):
    return Record("ConfigMap", name, {"kind": "ConfigMap", "metadata": {"name": name}, "data": content})


def replaced(name, manager="hopsworks.airflow", operation="Apply", **content):
    managed = [{"manager": manager, "operation": operation}]
    return dataclasses.replace(record(name, **content), managed_fields=managed)


def incompressible(size):
    return base64.b64encode(os.urandom(size)).decode()


def test_what_is_kept_is_read_again_in_its_order(namespace):
    records = [record("b"), record("a", x="1"), Record("Service", "missing")]
    Backup(namespace.cluster, "before-1").keep(records)
    assert list(Backup(namespace.cluster, "before-1").records.values()) == records


def test_what_was_kept_first_stays(namespace):
    """A second attempt sees what the first has already replaced."""
    Backup(namespace.cluster, "before-1").keep([record("a", x="old")])
    backup = Backup(namespace.cluster, "before-1")
    backup.keep([replaced("a", x="new"), record("b", x="later")], whole=True)
    kept = Backup(namespace.cluster, "before-1").records
    assert [entry.object["data"] for entry in kept.values()] == [{"x": "old"}, {"x": "later"}]
    writes = len(namespace.log)
    Backup(namespace.cluster, "before-1").keep([replaced("a", x="new"), Record("ConfigMap", "b")], whole=True)
    assert len(namespace.log) == writes


@pytest.mark.parametrize(("first", "then"), [(10, 10), (700_000, 10), (10, 700_000), (None, 10)])
def test_what_others_have_changed_since_is_kept_as_it_is_now(namespace, first, then):
    """A killed attempt has kept it and replaced nothing of it; what others make of it then is what is replaced."""
    before = [record("a"), record("m", x=incompressible(first)) if first else Record("ConfigMap", "m"), record("b")]
    changed = record("m", x=incompressible(then))
    Backup(namespace.cluster, "before-1").keep(before, whole=True)
    assert Backup(namespace.cluster, "before-1").missing([before[0], changed, before[2]]) == [changed]
    Backup(namespace.cluster, "before-1").keep([before[0], changed, before[2]], whole=True)
    backup = Backup(namespace.cluster, "before-1")
    assert {kept.name: kept for kept in backup.records.values()} == {"a": before[0], "m": changed, "b": before[2]}
    backup.keep([replaced("m", manager="hopsworks.airflow.replacement", operation="Update", x="new")])
    assert backup.records["configmap-m"] == changed


def test_after_all_was_restored_a_new_attempt_keeps_what_it_finds(namespace):
    backup = Backup(namespace.cluster, "before-1")
    backup.keep([record("a", x="old"), record("gone", x="old")], whole=True)
    backup.restored()
    assert Backup(namespace.cluster, "before-1").state == "restored"
    Backup(namespace.cluster, "before-1").keep([record("a", x="corrected")], whole=True)
    backup = Backup(namespace.cluster, "before-1")
    assert [entry.object["data"] for entry in backup.records.values()] == [{"x": "corrected"}]
    assert backup.state == "whole"


def test_a_new_attempt_that_is_killed_keeps_what_it_found_first(namespace):
    """Else the attempt after it would take what was replaced for what is to be kept."""
    backup = Backup(namespace.cluster, "before-1")
    backup.keep([record("a", x="old")], whole=True)
    backup.restored()
    Backup(namespace.cluster, "before-1").keep([record("a", x="corrected")])
    backup = Backup(namespace.cluster, "before-1")
    assert backup.state == ""
    backup.keep([replaced("a", x="new")], whole=True)
    assert [entry.object["data"] for entry in backup.records.values()] == [{"x": "corrected"}]


def test_where_nothing_was_kept_nothing_is_marked_as_restored(namespace):
    Backup(namespace.cluster, "before-1").restored()
    assert namespace.secrets == {}


def test_what_is_kept_later_comes_last(namespace):
    first = [record("b"), record("c")]
    Backup(namespace.cluster, "before-1").keep(first)
    Backup(namespace.cluster, "before-1").keep([*first, record("a")])
    assert list(Backup(namespace.cluster, "before-1").records.values()) == [*first, record("a")]


def test_what_is_kept_later_goes_where_it_has_room(namespace):
    """The API server takes no Secret of more than 1 MiB."""
    first = record("a", x=incompressible(600_000))
    Backup(namespace.cluster, "before-1").keep([first])
    Backup(namespace.cluster, "before-1").keep([first, record("b", x=incompressible(600_000))])
    sizes = [sum(len(base64.b64decode(text)) for text in secret.data.values()) for secret in namespace.secrets.values()]
    assert max(sizes) < 1024 * 1024


def test_more_than_a_secret_holds_goes_into_several(namespace):
    """One ConfigMap may be as large as a Secret, and does not compress if it is an archive."""
    records = [record(f"m{number}", x=incompressible(700_000)) for number in range(4)]
    Backup(namespace.cluster, "before-1").keep(records)
    assert set(namespace.secrets) >= {"before-1", "before-1-2", "before-1-3"}
    backup = Backup(namespace.cluster, "before-1")
    assert list(backup.records.values()) == records
    backup.restored()
    Backup(namespace.cluster, "before-1").keep([record("a")])
    assert list(Backup(namespace.cluster, "before-1").records.values()) == [record("a")]


def test_an_object_that_was_kept_by_half_is_kept_again(namespace):
    large = record("m", x=incompressible(1_000_000))

    def killed(_verb, _kind, name):
        if name == "before-1-2":
            raise KeyboardInterrupt

    namespace.before_write = killed
    with pytest.raises(KeyboardInterrupt):
        Backup(namespace.cluster, "before-1").keep([large, record("b")])
    namespace.before_write = None
    assert Backup(namespace.cluster, "before-1").records == {}
    smaller = record("m", x=incompressible(500_000))
    Backup(namespace.cluster, "before-1").keep([smaller, record("b")])
    assert list(Backup(namespace.cluster, "before-1").records.values()) == [smaller, record("b")]


@pytest.mark.parametrize("damage", [lambda _packed: b"\x1f\x8bnothing", lambda packed: packed[:10] + b"\xff" * 30])
def test_an_entry_that_is_damaged_is_told(namespace, damage):
    Backup(namespace.cluster, "before-1").keep([record("a")])
    data = namespace.secrets["before-1"].data
    for name, text in data.items():
        data[name] = base64.b64encode(damage(base64.b64decode(text))).decode()
    with pytest.raises(OperatorError, match="can't be read"):
        Backup(namespace.cluster, "before-1")


def test_who_owned_the_fields_is_kept_but_not_of_the_status():
    managed = [{"manager": "helm", "operation": "Update"}, {"manager": "controller", "subresource": "status"}]
    live = {"kind": "Service", "metadata": {"name": "web", "uid": "7", "managedFields": managed}, "spec": {}}
    kept = record_of("Service", "web", live)
    assert (kept.uid, kept.managed_fields) == ("7", managed[:1])
    assert "managedFields" not in kept.object["metadata"]


def test_after_all_was_restored_a_dry_run_counts_with_what_is_cleared(namespace):
    large = [record(f"m{number}", x=incompressible(600_000)) for number in range(2)]
    backup = Backup(namespace.cluster, "before-1")
    backup.keep(large, whole=True)
    backup.restored()
    assert Backup(namespace.cluster, "before-1").try_keeping([record("a", x=incompressible(600_000))]) == ([], [])
