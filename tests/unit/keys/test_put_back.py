# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.put_back import KEYS_GENERATION
from ansible_collections.hopsworks.airflow.plugins.modules import signing_keys, signing_keys_info
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import Server
from ansible_collections.hopsworks.airflow.tests.unit.keys.test_managed_by_others import STEPS, with_keys

pytestmark = pytest.mark.usefixtures("quick_keys")


ROOT = Path(__file__).parents[3]


def workload(generation):
    return {"spec": {"template": {"metadata": {"annotations": {KEYS_GENERATION: generation}}}}}


@pytest.mark.parametrize(
    ("templates", "told"),
    [
        ({("Deployment", "web"): workload("3")}, None),
        ({("Deployment", "web"): workload("2")}, None),
        ({("Deployment", "web"): {"spec": {"template": {"metadata": {}}}}}, None),
        ({("Deployment", "web"): workload("")}, None),
        ({}, None),
        # A time in nanoseconds, which no Secret could have for its generation.
        ({("Deployment", "web"): workload("1764422687000000000")}, None),
        ({("Deployment", "web"): workload("5")}, "Deployment web for 5"),
        ({("StatefulSet", "web"): workload("10")}, "StatefulSet web for 10"),
    ],
)
def test_a_secret_that_was_put_back_is_known_by_the_pods(monkeypatch, templates, told):
    server = with_keys()
    server.entries["generation"] = b"3"
    monkeypatch.setattr(signing_keys_info, "Objects", lambda _cluster: SimpleNamespace(read=read))

    def read(kind, name):
        return templates.get((kind, name))

    result = server.info(workloads=["web"])
    if told is None:
        assert (result["problem"], result["state"]) == (None, "steady")
    else:
        assert "is of generation 3" in result["problem"]
        assert told in result["problem"]
        assert "docs/rotation.md" in result["problem"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_what_is_written_is_newer_than_what_pods_wait_for(monkeypatch, step, check_mode):
    """Also where the Secret was deleted, or put back, since they were started."""
    monkeypatch.setattr(signing_keys, "Objects", lambda _cluster: SimpleNamespace(read=read))

    def read(kind, name):
        return workload("7" if name == "web" else "5") if kind == "Deployment" else None

    server = Server() if step == "present" else with_keys()
    result = server.keys(**STEPS[step], workloads=["scheduler", "web"], check_mode=check_mode)
    assert result["generation"] == 8
    if not check_mode:
        assert server.entries["generation"] == b"8"
        assert not server.keys(**STEPS[step], workloads=["scheduler", "web"])["changed"]


def test_the_counter_has_one_name():
    """In the pod template, where a restart writes it, and where it is compared."""
    for path in ("roles/deployment/templates/workloads.yml.j2", "roles/restart/tasks/main.yml"):
        assert KEYS_GENERATION in (ROOT / path).read_text(encoding="utf-8")
