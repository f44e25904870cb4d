"""Every example of every module is run, in check mode on the bed, as it stands in the documentation.

Names in examples need not exist on the bed. What counts: the module takes the options, and ends in a result or in a
refusal of four parts, never in a traceback.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import subprocess
from typing import Any

import pytest
import yaml
from bed import KUBECONFIG, NAMESPACE, ROOT, Bed

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: example}
spec:
  selector: {matchLabels: {app: example}}
  template:
    metadata: {labels: {app: example}}
    spec: {containers: [{name: example, image: "bed/standins:1"}]}
"""

# What examples take for given, as a reader would set it.
VARIABLES: dict[str, Any] = {
    "database": {
        "host": "mysql",
        "name": "airflow",
        "user": "airflow",
        "password_secret": {"name": "mysql-users-secrets", "key": "airflow"},
    },
    "dump": {"path": "/nowhere/airflow-20261122t030000.sql.gz"},
    "rehearsal": {"rehearsed_dump": {}},
    "airflow_objects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "example"}, "data": {"a": "b"}}],
    "airflow_workloads": [yaml.safe_load(DEPLOYMENT)],
}


def examples(module: str) -> list[dict[str, Any]]:
    source = importlib.import_module(f"ansible_collections.hopsworks.airflow.plugins.modules.{module}")
    # What an example does with the result is not the module's.
    return [task for task in yaml.safe_load(source.EXAMPLES) if f"hopsworks.airflow.{module}" in task]


# Ansible's own interpreter, whose workers perform the actions; and by its other name, which Ansible takes for another,
# so that it sends the modules.
INTERPRETERS = {
    "in_process": "{{ ansible_playbook_python }}",
    "as_program": "{{ ansible_playbook_python | dirname }}/python3",
}


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("module", MODULES)
def test_examples_are_run(bed: Bed, tmp_path: pathlib.Path, module: str, interpreter: str) -> None:
    tasks = examples(module)
    assert tasks
    for task in tasks:
        # An asynchronous task can't be run in check mode; a probe of a second can.
        if task.pop("async", None):
            task.pop("poll")
            task[f"hopsworks.airflow.{module}"]["seconds"] = 1
        task["ignore_errors"] = True
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {**VARIABLES, "ansible_python_interpreter": INTERPRETERS[interpreter]},
        "module_defaults": {
            "group/hopsworks.airflow.airflow": {"kubeconfig": str(KUBECONFIG), "namespace": NAMESPACE},
            # What the examples of this module ask for doesn't come on the bed.
            "hopsworks.airflow.airflow_health": {"timeout": 5},
        },
        "tasks": tasks,
    }
    (tmp_path / "templates").mkdir()
    (tmp_path / "airflow-runs").mkdir()
    for name in ("webserver", "scheduler"):
        (tmp_path / "templates" / f"{name}.yml.j2").write_text(DEPLOYMENT, encoding="utf-8")
    text = json.dumps([play]).replace("/var/lib/airflow", str(tmp_path / "airflow"))
    playbook = tmp_path / "examples.yml"
    playbook.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*bed.command(str(playbook))[:1], "--check", "-i", "localhost,", "-c", "local", str(playbook)],
        cwd=ROOT,
        env={**bed.environment(), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout
    assert "Unsupported parameters" not in done.stdout
    failed = done.stdout.count("fatal: [localhost]")
    assert done.stdout.count('"next_step"') >= failed, done.stdout
