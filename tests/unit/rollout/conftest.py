# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import apply as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import scale
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    monkeypatch.setattr(subject, "Objects", lambda _cluster: namespace)
    monkeypatch.setattr(
        subject,
        "remove",
        lambda objects, live, _progress, **_arguments: objects.delete(live["kind"], live["metadata"]["name"]),
    )

    @contextlib.contextmanager
    def watcher(_cluster, _objects, live, _progress):
        def gone(**_arguments):
            namespace.log.append(("gone", live["kind"], live["metadata"]["name"]))

        yield SimpleNamespace(until_rolled_out=lambda **_arguments: None, try_again=lambda: False, until_gone=gone)

    for module in (subject, scale):
        monkeypatch.setattr(module, "Watcher", watcher)
    monkeypatch.setattr(scale, "Objects", lambda _cluster: namespace)
    return namespace
