# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster remembers of a reset, and whose memory it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.memory import Memory, Remembered

MEMORY = Remembered("installed", "demo", "20261122t030000", "airflow", "2026-11-22T03:00:00+00:00")


class Core:
    """One ConfigMap."""

    def __init__(self):
        self.found = None

    def read_namespaced_config_map(self, _name, _namespace):
        return self.found

    def patch_namespaced_config_map(self, _name, _namespace, body):
        if self.found is None:
            raise ApiException(status=404)
        self.found.data.update(body["data"])
        self.found.metadata.annotations.update(body["metadata"]["annotations"])

    def create_namespaced_config_map(self, _namespace, body):
        metadata = SimpleNamespace(annotations=dict(body["metadata"]["annotations"]))
        self.found = SimpleNamespace(data=dict(body["data"]), metadata=metadata)


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def memory(core):
    cluster = SimpleNamespace(core=core, namespace="lab", find=lambda read, name: read(name, "lab"))
    return lambda deployment="demo": Memory(cluster, "airflow-runbook-demo", deployment)


@pytest.mark.parametrize("there", [True, False])
def test_what_is_written_is_read(core, memory, there):
    if there:
        core.found = SimpleNamespace(data={"run": "{}"}, metadata=SimpleNamespace(annotations={}))
    assert memory().read() is None
    memory().write(MEMORY)
    assert memory().read() == MEMORY
    assert ("run" in core.found.data) is there


@pytest.mark.parametrize("annotated", [True, False])
def test_the_memory_of_another_deployment_is_neither_read_nor_overwritten(core, memory, annotated):
    memory().write(MEMORY)
    if not annotated:
        core.found.metadata.annotations = {}
    before = dict(core.found.data)
    for attempt in (memory("other").read, lambda: memory("other").write(MEMORY)):
        with pytest.raises(OperatorError, match="is the record of deployment 'demo'"):
            attempt()
    assert core.found.data == before


def test_what_can_not_be_understood_is_not_guessed_at(core, memory):
    memory().write(MEMORY)
    core.found.data["installed"] = "{}"
    with pytest.raises(OperatorError, match="can't be parsed"):
        memory().read()
