# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import copy
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import replacement, restoration

from .fake import Namespace
from .replacing import OLD, workload


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    for module in (replacement, restoration):
        monkeypatch.setattr(module, "Objects", lambda _cluster: namespace)

    @contextlib.contextmanager
    def watcher(_cluster, _objects, live, _progress):
        def rolled_out(**_arguments):
            namespace.log.append(("rolled out", live["kind"], live["metadata"]["name"]))

        yield SimpleNamespace(until_rolled_out=rolled_out)

    class Scaler:
        def __init__(self, *_arguments):
            pass

        def start(self, name, *, kind, **_arguments):
            namespace.log.append(("start", kind, name))

    monkeypatch.setattr(restoration, "Watcher", watcher)
    monkeypatch.setattr(restoration, "Scaler", Scaler)
    monkeypatch.setattr(
        restoration,
        "remove",
        lambda objects, live, _progress, **_arguments: objects.delete(live["kind"], live["metadata"]["name"]),
    )
    return namespace


@pytest.fixture
def old(namespace):
    for definition in OLD:
        namespace.made(copy.deepcopy(definition))
    namespace.made(workload("web", "old", replicas=3))
    return namespace
