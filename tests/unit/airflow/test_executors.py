# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.executors import named, tasks_in_scheduler

LOCAL_PATH = "airflow.executors.local_executor.LocalExecutor"
OURS = "company.executors.Executor"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("LocalExecutor", ["LocalExecutor"]),
        ("LocalExecutor, KubernetesExecutor", ["LocalExecutor", "KubernetesExecutor"]),
        (f"mine:{LOCAL_PATH}", [LOCAL_PATH]),
        (
            "CeleryExecutor;team1=LocalExecutor,x:KubernetesExecutor",
            ["CeleryExecutor", "LocalExecutor", "KubernetesExecutor"],
        ),
        ("", []),
    ],
)
def test_which_executors_are_named(text, names):
    assert named(text) == names


@pytest.mark.parametrize(
    ("text", "local", "found"),
    [
        ("LocalExecutor", {}, True),
        ("LocalExecutor,KubernetesExecutor", {}, True),
        ("KubernetesExecutor,LocalExecutor", {}, True),
        (LOCAL_PATH, {}, True),
        (f"mine:{LOCAL_PATH}", {LOCAL_PATH: True}, True),
        ("mine:LocalExecutor", {}, True),
        ("airflow.providers.cncf.kubernetes.executors.local_kubernetes_executor.LocalKubernetesExecutor", {}, True),
        ("CeleryExecutor;team1=LocalExecutor", {}, True),
        ("KubernetesExecutor", {}, False),
        ("CeleryExecutor,KubernetesExecutor", {}, False),
        (OURS, {OURS: False}, False),
        (OURS, {OURS: True}, True),
        (f"LocalExecutor,{OURS}", {OURS: None}, True),
        ("company.KubernetesExecutor", {"company.KubernetesExecutor": True}, True),
        # Nobody knows: refused.
        (OURS, {OURS: None}, None),
        (OURS, {}, None),
        (f"KubernetesExecutor,{OURS}", {OURS: None}, None),
        ("UnheardOfExecutor", {}, None),
        ("", {}, None),
        (None, {}, None),
    ],
)
def test_whether_tasks_run_in_the_schedulers_pod(text, local, found):
    assert tasks_in_scheduler(text, local) is found
