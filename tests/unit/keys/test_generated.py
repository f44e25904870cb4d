# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json

import pytest
from cryptography.fernet import Fernet

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.generated import (
    GENERATORS,
    fingerprint,
    published_as,
)


def test_a_fernet_key_encrypts():
    key = Fernet(GENERATORS["fernet"](""))
    assert key.decrypt(key.encrypt(b"variable")) == b"variable"


def test_a_token_has_32_bytes_and_fits_a_url_and_a_configuration_file():
    token = GENERATORS["token"]("")
    assert len(base64.urlsafe_b64decode(token + b"=")) == 32
    assert not set(token) & set(b"+/=%$ \n")


def test_the_password_file_is_what_simple_auth_manager_reads():
    users = json.loads(GENERATORS["simple_auth_password_file"]("alice"))
    assert list(users) == ["alice"]
    assert len(users["alice"]) == 24


@pytest.mark.parametrize("kind", GENERATORS)
def test_no_two_are_alike(kind):
    made = {GENERATORS[kind]("alice") for _index in range(50)}
    assert len(made) == 50
    assert len({fingerprint(value) for value in made}) == 50


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("value", ["temporary_key", "THIS IS UNSAFE!"])
def test_published_defaults_are_recognised(value, end):
    assert published_as((value + end).encode())


def test_what_is_generated_is_not_taken_for_published():
    assert published_as(GENERATORS["fernet"]("")) is None
