# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import removal as subject
from ansible_collections.hopsworks.airflow.tests.unit.api_server import Clock


def made(uid="old", **metadata):
    metadata = {"name": "web", "uid": uid, **metadata}
    spec = {"template": {"spec": {"terminationGracePeriodSeconds": 600}}}
    return {"kind": "Deployment", "metadata": metadata, "spec": spec}


class Objects:
    """What is there under the name at each look; the last of it stays."""

    def __init__(self, *looks):
        self.looks, self.deleted = list(looks), []

    def delete(self, kind, name, **options):
        self.deleted.append((kind, name, options))

    def read(self, _kind, _name):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(subject, "time", clock)
    return clock


@pytest.fixture
def remove(monkeypatch, clock):
    """Removes the old workload; returns the lines of progress."""

    class Mirror:
        def __init__(self, objects, kind, changed, *, field_selector):
            assert (kind, field_selector) == ("Deployment", "metadata.name=web")
            self._objects, self._kind, self._changed = objects, kind, changed
            changed.wait = clock.sleep

        def items(self):
            found = self._objects.read(self._kind, "web")
            return [] if found is None else [found]

        def stop(self):
            self._objects.deleted.append("no longer watched")

    monkeypatch.setattr(subject, "Mirror", Mirror)

    def removed(objects):
        told = []
        subject.remove(objects, made(), told.append, timeout_seconds=5, untouched="the rest")
        return told

    return removed


@pytest.mark.parametrize("last", [None, made("new")])
def test_a_workload_is_gone_when_the_last_of_its_pods_has_ended(remove, last):
    """Until then it stays itself: it is deleted in the foreground. One of its name by then is another."""
    objects = Objects(made(), made(), last)
    told = remove(objects)
    assert objects.deleted == [
        ("Deployment", "web", {"uid": "old", "propagation": "Foreground"}),
        "no longer watched",
    ]
    assert ["terminating" in line for line in told] == [False, True, True]


def test_pods_have_their_grace_to_end_and_no_more(remove, clock):
    objects = Objects(made())
    with pytest.raises(OperatorError, match="its pods have not ended") as raised:
        remove(objects)
    assert raised.value.untouched == "the rest"
    assert clock.now > 600 + subject.GRACE_MARGIN_SECONDS
    assert objects.deleted[-1] == "no longer watched"


@pytest.mark.parametrize("last", [None, made("new")])
def test_an_object_without_pods_is_waited_for(clock, last):
    objects = Objects(made(), made(), last)
    subject.remove_plain(objects, made(), timeout_seconds=5, untouched="the rest")
    assert objects.deleted == [("Deployment", "web", {"uid": "old"})]
    assert clock.now > 0


def test_an_object_that_stays_is_told_with_what_it_waits_for():
    with pytest.raises(OperatorError, match="not gone after 5 s") as raised:
        subject.remove_plain(
            Objects(made(finalizers=["example.org/x"])), made(), timeout_seconds=5, untouched="the rest"
        )
    assert "example.org/x" in raised.value.next_step
