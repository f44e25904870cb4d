# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed collection against the running bed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bed import Bed

CHECKOUT = Path(__file__).resolve().parents[2]
INVENTORY = str(CHECKOUT / "sandbox/inventory.yml")

pytestmark = pytest.mark.bed


def test_status(installed):
    output = installed.output("ansible-playbook", "hopsworks.airflow.status", "--inventory", INVENTORY, timeout=300)
    assert "failed=0" in output
    assert re.search(r"^sandbox +: ok=\d+ +changed=0 ", output, re.MULTILINE)


def test_upgrade_that_drops(installed):
    """From 1.10.15 again, as the molecule scenario doesn't: one database dropped, and the newest Airflow.

    The database's tools run in a Job, as for a server outside the cluster.
    """
    bed = Bed()
    bed.reset("old")
    bed.let_drop()
    variables = (
        "airflow_reset_method=drop airflow_image=bed/airflow:3.3.2 airflow_database_client_image=bed/mariadb:10.11"
    )
    upgrade = ("ansible-playbook", "hopsworks.airflow.upgrade", "--inventory", INVENTORY, "--extra-vars", variables)
    output = installed.output(*upgrade, timeout=900)
    assert "Upgrade of sandbox: finished" in output
    assert "Airflow 3.3.2 answers" in output
    assert len(bed.dropped_databases()) == 1
    again = installed.output(*upgrade, timeout=300)
    assert re.search(r"^sandbox +: ok=\d+ +changed=0 ", again, re.MULTILINE)
