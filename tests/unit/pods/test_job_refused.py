# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Job that the API server would refuse is refused in the plan, before anything is stopped for it."""

from __future__ import annotations

import dataclasses
import re

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_dump, metadata_migrate
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of, home_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, RUN
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import address_of

REFUSED = 'admission webhook "jobs.example.com" denied the request: its image is not signed'
SECRET = {"name": "database", "key": "password"}


class Refusing(ApiServer):
    """Admits pods and no Job. `tried` are the dry runs, `made` all other writes."""

    def __init__(self):
        super().__init__()
        self.tried, self.made = [], []

    def perform(self, method, path, query, body):
        kind = path.rpartition("/")[2]
        if method != "GET":
            (self.tried if query.get("dryRun") == "All" else self.made).append(f"{method} {kind}")
        if method == "POST" and kind == "jobs":
            return 403, {"kind": "Status", "code": 403, "message": REFUSED}
        # Their names are the API server's to give.
        return (201, body) if method == "POST" and kind == "pods" else super().perform(method, path, query, body)


@pytest.fixture
def refusing():
    made = Refusing()
    made.objects["/api/v1/nodes/n1"] = {
        "metadata": {"name": "n1"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"memory": "4Gi", "cpu": "4"}},
    }
    made.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET['name']}"] = {
        "metadata": {"name": SECRET["name"]},
        "data": {SECRET["key"]: "eA=="},
    }
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("module", "options"),
    [(metadata_migrate, {"image": "image:1"}), (metadata_dump, {"client_image": "mariadb:10.11"})],
    ids=["migrate", "dump"],
)
def test_the_plan_says_what_admission_says_of_the_job(database, bare, refusing, monkeypatch, tmp_path, module, options):
    bare.make_old()
    before, folder = bare.everything(database), tmp_path / "dumps"
    given = {"live": bare.names.live, "deployment": bare.name, "run": RUN, "directory": str(folder), **options}
    call = call_of(database, monkeypatch, module, check_mode=True, **given)
    call.params["database"] = {"password_secret": SECRET}
    address = dataclasses.replace(address_of(bare.server), name=bare.names.live)
    monkeypatch.setattr(home_of(module), "read_address", lambda *_given: address)

    with pytest.raises(OperatorError) as refused:
        module.act(dataclasses.replace(call, cluster=refusing.cluster(namespace=NAMESPACE)))

    # And nothing else: the pods are admitted, find what they refer to, and a node.
    assert re.fullmatch(rf"pods of Job \S+ would be rejected: {re.escape(REFUSED)}", refused.value.found)
    assert (refusing.tried, refusing.made) == (["POST pods", "POST jobs"], [])
    assert bare.everything(database) == before
    assert not folder.exists()
