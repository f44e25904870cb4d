# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In the place of the modules of kubernetes.core: accepts everything, finds one Deployment of each name."""

from __future__ import annotations

import json
import os
import pathlib

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        assert self._task.args["namespace"], "no namespace: the defaults of the deployment did not reach it"
        status = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        container = {"name": "airflow", "image": "registry.example.com/hopsworks/airflow:3.0.6"}
        specification = {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": [container]}}}
        found = {"metadata": {"name": self._task.args.get("name")}, "spec": specification, "status": status}
        state = json.loads(pathlib.Path(os.environ["HOPSWORKS_AIRFLOW_REPLAY"]).read_text(encoding="utf-8"))
        return {"changed": not state.get("settled"), "resources": [found], "result": {"results": []}}
