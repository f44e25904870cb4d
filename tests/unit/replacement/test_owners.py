# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement.keeping import keep
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import refusal
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import (
    NEW,
    NEW_WORKLOADS,
    SECRET,
    apply,
    restore,
)

OWNER = {"apiVersion": "example.org/v1", "kind": "Airflow", "name": "a", "uid": "u1", "controller": True}


@pytest.mark.parametrize(
    ("owners", "left", "warned"),
    [
        ({("Airflow", "a"): "u1"}, [OWNER], None),
        ({}, None, "without its owner Airflow a, which is gone"),
        ({("Airflow", "a"): "u2"}, None, "without its owner Airflow a, which is gone"),
        (refusal(403, "forbidden"), [OWNER], "still exists (the API server answered 403: forbidden)"),
        # A custom resource whose conversion webhook is away.
        (refusal(500, "conversion webhook failed"), [OWNER], "answered 500: conversion webhook failed"),
    ],
)
def test_an_owner_that_is_gone_does_not_come_back(old, owners, left, warned):
    """With it, the garbage collector would delete what was put back."""
    old.live["ConfigMap", "airflow-launcher"]["metadata"]["ownerReferences"] = [OWNER]
    keep(old.cluster, NEW, SECRET, check_mode=False)
    apply(old)
    old.owners, old.unreadable = (owners, []) if isinstance(owners, dict) else ({}, [owners])
    warnings = []
    restore(old, warnings)
    assert old.read("ConfigMap", "airflow-launcher")["metadata"].get("ownerReferences") == left
    assert [warned in text for text in warnings] == ([] if warned is None else [True])
    assert set(restore(old).values()) == {"unchanged"}


def test_each_owner_is_looked_at_once(old, monkeypatch):
    """One that can't be read is asked for during a minute, while nothing serves."""
    for kind, name in (("ConfigMap", "airflow-launcher"), ("Service", "web"), ("Deployment", "web")):
        old.live[kind, name]["metadata"]["ownerReferences"] = [OWNER]
    keep(old.cluster, NEW + NEW_WORKLOADS, SECRET, check_mode=False)
    asked = []
    read_any = old.read_any
    monkeypatch.setattr(old, "read_any", lambda *owner: asked.append(owner) or read_any(*owner))
    restore(old)
    assert asked == [("example.org/v1", "Airflow", "a")]
