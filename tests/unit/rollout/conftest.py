# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import apply as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import scale
from ansible_collections.hopsworks.airflow.tests.unit.replacement.fake import Namespace, Watching, removed


@pytest.fixture
def namespace(monkeypatch):
    namespace = Namespace()
    monkeypatch.setattr(subject, "Objects", lambda _cluster: namespace)
    monkeypatch.setattr(subject, "remove", removed)

    class Watcher(Watching):
        def until_rolled_out(self, **_arguments):
            pass

        def try_again(self):
            return False

        def until_gone(self, **_arguments):
            namespace.log.append(("gone", *self.workload))

    for module in (subject, scale):
        monkeypatch.setattr(module, "Watcher", Watcher)
    monkeypatch.setattr(scale, "Objects", lambda _cluster: namespace)
    return namespace
