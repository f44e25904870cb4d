# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._replacement import keeping, replacement, restoration
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.scale import Scaled, Started
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace, Watching, removed
from ansible_collections.hopsworks.airflow.tests.unit.replacement.replacing import OLD, workload


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    for module in (keeping, replacement, restoration):
        monkeypatch.setattr(module, "Objects", lambda _cluster: namespace)

    class Watcher(Watching):
        def until_rolled_out(self, **_arguments):
            namespace.log.append(("rolled out", *self.workload))
            if self.workload[1] in namespace.sick:
                raise OperatorError(
                    f"{' '.join(self.workload)} does not become healthy", expected="", untouched="", next_step=""
                )

    class Scaler:
        def __init__(self, *_arguments):
            pass

        def start(self, name, *, kind):
            namespace.log.append(("start", kind, name))
            live = {"kind": kind, "metadata": {"name": name}}
            return Started(Scaled(name, kind, "started"), Watcher(None, None, live, None))

    monkeypatch.setattr(restoration, "Watcher", Watcher)
    monkeypatch.setattr(restoration, "Scaler", Scaler)
    monkeypatch.setattr(restoration, "remove", removed)
    return namespace


@pytest.fixture
def old(namespace):
    for definition in OLD:
        namespace.made(copy.deepcopy(definition))
    namespace.made(workload("web", "old", replicas=3))
    return namespace
