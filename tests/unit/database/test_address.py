# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address, read_address

CLUSTER = SimpleNamespace(namespace="lab", secret_entries={"database": {"password": b"CANARY"}}.get)
OPTIONS = {
    "host": "db",
    "port": None,
    "name": "airflow",
    "user": "admin",
    "password_secret": {"name": "database", "key": "password"},
}


@pytest.mark.parametrize(("port", "used"), [(None, 3306), (3307, 3307)])
def test_the_password_is_read_from_its_secret_and_not_shown(port, used):
    address = read_address(CLUSTER, {**OPTIONS, "port": port})
    assert address == Address("db", used, "airflow", "admin", b"CANARY")
    assert repr(address) == f"Address(admin@db:{used}/airflow)"


@pytest.mark.parametrize("secret", [{"name": "other", "key": "password"}, {"name": "database", "key": "other"}])
def test_a_password_that_is_not_there_is_told_with_its_option(secret):
    with pytest.raises(OperatorError, match=f"no entry {secret['key']} in Secret {secret['name']}") as raised:
        read_address(CLUSTER, {**OPTIONS, "password_secret": secret})
    assert "database.password_secret" in raised.value.next_step
