# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed collection against the running bed."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.bed
def test_status_of_the_bed(installed):
    inventory = CHECKOUT / "sandbox/inventory.yml"
    output = installed.output(
        "ansible-playbook", "hopsworks.airflow.status", "--inventory", str(inventory), timeout=300
    )
    assert "failed=0" in output
    assert "changed=0" in output
