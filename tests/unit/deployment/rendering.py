# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role `deployment` renders, by Ansible itself."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}},
            {
                "ansible.builtin.copy": {
                    "dest": "{{ rendered }}/{{ inventory_hostname }}.json",
                    "content": "{{ {'objects': airflow_objects, 'workloads': airflow_workloads,"
                    " 'job_pod': airflow_job_pod, 'migration_pod': airflow_migration_pod,"
                    " 'client_pod': airflow_client_pod,"
                    " 'images': airflow_all_images, 'provided': airflow_provided} | to_json }}",
                    "mode": "0600",
                }
            },
        ],
    }
]


def rendered(folder: pathlib.Path, hosts: dict[str, dict]) -> dict[str, dict | str]:
    """Objects and workloads of each host with these variables, or the text of its failure."""
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "airflow_public_url": "https://airflow.example.com/airflow",
        "rendered": str(folder),
    }
    (folder / "play.yml").write_text(json.dumps(PLAY), encoding="utf-8")
    inventory = {"all": {"hosts": {name: {**local, **variables} for name, variables in hosts.items()}}}
    (folder / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", folder / "inventory.yml", folder / "play.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, dict | str] = {}
    for name in hosts:
        file = folder / f"{name}.json"
        found[name] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else done.stdout + done.stderr
    return found


def named(objects: list[dict], kind: str, name: str) -> dict:
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def launcher(objects: list[dict]) -> dict:
    """The ConfigMap that the pods start with; its name ends with what its content says."""
    (found,) = [item for item in objects if item["kind"] == "ConfigMap"]
    return found
