# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database outside the cluster, at an address that no Service and no pod has."""

from __future__ import annotations

from .conftest import PASSWORD
from .test_modules import RUN, migrate, reset

CLIENT = "bed/mariadb:10.11"


def test_everything_works_at_an_address_outside_the_cluster(outside, tmp_path):
    lab, live = outside, "airflow_outside"
    lab.make_old(live)
    before = lab.content(live)
    info = lab.run("metadata_info", lab.arguments(live))
    assert (info["stage"], info["missing_privileges"]) == ("old", [])

    lab.run("metadata_migrate", lab.arguments(live, **migrate()))
    dump = {"run": RUN, "directory": str(tmp_path / "dumps")}
    refused = lab.run("metadata_dump", lab.arguments(live, pod_selector="app=none-such", **dump), "--check")
    assert refused["failed"]
    assert f"{lab.host} is not a Service with pods" in refused["failure"]["found"]
    assert "airflow_database_client_image" in refused["failure"]["next_step"]

    made = lab.run("metadata_dump", lab.arguments(live, client_image=CLIENT, **dump))
    rehearse = {"deployment": "lab", "state": "rehearsed", "dump": made["path"], "schema": f"{live}_rehearsal"}
    rehearsal = lab.run("metadata_restore", lab.arguments(live, client_image=CLIENT, **rehearse))
    assert rehearsal["rehearsed_dump"]["tables"]["log"]["rows"] == 20000

    for state in ("quiesced", "resumed"):
        assert lab.run("quiesce", lab.arguments(live, deployment="lab", state=state))["changed"]
    assert lab.run("metadata_swap", lab.arguments(live, **reset()))["changed"]
    assert lab.content(f"{live}_before_{RUN}") == before
    assert lab.run("metadata_info", lab.arguments(live))["stage"] == "installed"
    assert lab.jobs() == []
    assert PASSWORD not in lab.transcript
    assert "CANARY" not in lab.transcript
