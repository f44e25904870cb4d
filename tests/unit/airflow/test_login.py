# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.login import password_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError


class OneSecret:
    def __init__(self, entries):
        self.entries = entries

    def secret_entries(self, _name):
        return self.entries


LOGIN = {"user": "admin", "secret": "airflow-runtime", "key": "passwords.json"}


def test_a_password_is_read_from_the_file_in_the_secret():
    assert password_of(OneSecret({"passwords.json": b'{"admin": "CANARY"}'}), LOGIN) == "CANARY"


@pytest.mark.parametrize(
    "entries",
    [
        None,
        {},
        {"passwords.json": b"CANARY"},
        {"passwords.json": b'["CANARY"]'},
        {"passwords.json": b'{"admin": 1234567}'},
    ],
)
def test_a_secret_without_the_password_is_named_and_nothing_of_it_shown(entries):
    with pytest.raises(OperatorError, match="airflow-runtime") as raised:
        password_of(OneSecret(entries), LOGIN)
    assert "CANARY" not in str(raised.value)
    assert "1234567" not in str(raised.value)
