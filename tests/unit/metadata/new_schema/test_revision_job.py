# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Job that asks an image which schema it is made for."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema import revision_job as job_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema.migrate_job import (
    REPORT,
    RESULT_MARK,
    head_in,
    selector_of,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema.revision_job import (
    revision_job,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.own_job import Pod
from ansible_collections.hopsworks.airflow.plugins.modules import image_revision_info

DIGEST = f"apache/airflow@sha256:{'0' * 64}"
ALEMBIC = """
class ScriptDirectory:
    def __init__(self, folder):
        self.folder = folder
    def get_heads(self):
        return open(self.folder + "/heads").read().split()
"""


def test_the_image_itself_answers(tmp_path):
    for package in ("airflow/migrations", "alembic"):
        (tmp_path / package).mkdir(parents=True)
    (tmp_path / "airflow/__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "airflow/migrations/heads").write_text("d2f4e1b3c5a7")
    (tmp_path / "alembic/__init__.py").write_text("")
    (tmp_path / "alembic/script.py").write_text(ALEMBIC)
    metadata = tmp_path / "apache_airflow-3.3.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: apache-airflow\nVersion: 3.3.2\n")

    done = subprocess.run(
        [sys.executable, "-c", REPORT], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )

    assert head_in(done.stdout.splitlines()) == ("d2f4e1b3c5a7", "3.3.2")


def test_the_job_gets_no_secret_and_is_found_by_no_other_deployment():
    pod = Pod(security_context={"runAsUser": 1000680000}, node_selector={"disk": "ssd"})
    job = revision_job("image:1", "demo", pod, 600)

    specification = job["spec"]["template"]["spec"]
    assert not specification["volumes"]
    assert "secret" not in json.dumps(job).lower().replace("imagepullsecrets", "")
    assert specification["automountServiceAccountToken"] is False
    assert (specification["securityContext"], specification["nodeSelector"]) == (
        {"runAsUser": 1000680000},
        {"disk": "ssd"},
    )
    assert specification["containers"][0]["image"] == "image:1"


def test_the_job_that_asks_is_as_all_pods_of_the_deployment():
    pod = Pod(
        affinity={"nodeAffinity": {}},
        priority_class="high",
        labels={"policy": "open"},
        annotations={"a": "b"},
        image_pull_policy="Always",
        container_security_context={"readOnlyRootFilesystem": True},
    )
    template = revision_job("image:1", "demo", pod, 600)["spec"]["template"]
    specification, container = template["spec"], template["spec"]["containers"][0]
    assert (specification["affinity"], specification["priorityClassName"]) == ({"nodeAffinity": {}}, "high")
    assert template["metadata"]["labels"]["policy"] == "open"
    assert template["metadata"]["annotations"] == {"a": "b"}
    assert container["imagePullPolicy"] == "Always"
    assert container["securityContext"] == {"readOnlyRootFilesystem": True}


def test_migrations_of_one_deployment_are_not_those_of_another():
    assert selector_of("demo") != selector_of("other")
    assert selector_of("demo").count("=") == 2


@pytest.fixture
def ask(monkeypatch):
    """The module, and the images that were run by it."""
    run = []

    class Job:
        def __init__(self, _cluster, manifest, _progress, _secrets):
            run.append(manifest["spec"]["template"]["spec"]["containers"][0]["image"])

        def run(self, _timeout):
            return [RESULT_MARK + '{"heads": ["d2f4e1b3c5a7"], "version": "3.3.2"}']

    monkeypatch.setattr(job_module, "Job", Job)

    def act(image, known_image):
        params = {
            "deployment": "demo",
            "image": image,
            "known_image": known_image,
            "known_revision": "fe199e1abd77",
            "timeout": 5,
            "pod": {},
        }
        call = SimpleNamespace(params=params, cluster=None, progress=lambda _line: None)
        return image_revision_info.act(call)["revision"], run

    return act


def test_the_same_digest_is_the_same_image(ask):
    assert ask(DIGEST, DIGEST) == ("fe199e1abd77", [])


@pytest.mark.parametrize(
    ("image", "known"),
    [("airflow:3.3.2", "airflow:3.0.6"), ("airflow:3.0.6", "airflow:3.0.6"), (DIGEST, "airflow:3.0.6")],
    ids=["another tag", "the same tag with other contents", "pinned now"],
)
def test_everything_else_is_asked(ask, image, known):
    assert ask(image, known) == ("d2f4e1b3c5a7", [image])
