# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken over as a Fernet key is one."""

from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet, MultiFernet

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.fernet import keys_of, opens

# The same in every process: they are part of the names of tests.
KEY, OTHER = (base64.urlsafe_b64encode(bytes([number] * 32)) for number in (1, 2))
STANDARD = base64.b64encode(b"\xfb\xff" * 16)


@pytest.mark.parametrize(
    ("value", "count"),
    [(KEY, 1), (KEY + b"," + OTHER, 2), (KEY + b", " + OTHER, 2), (STANDARD, 1)],
)
def test_what_airflow_takes_for_a_key_is_one(value, count):
    keys = keys_of(value)
    assert len(keys) == count
    # As airflow.models.crypto does it.
    token = MultiFernet([Fernet(part) for part in value.decode().split(",")]).encrypt(b"a")
    assert [opens(key, token) for key in keys] == [True] + [False] * (count - 1)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (base64.b64encode(KEY), "twice"),
        (base64.b64encode(KEY + b"\n"), "twice"),
        (base64.b64encode(KEY + b"," + OTHER), "twice"),
        (KEY[:-1], "not a Fernet key"),
        (KEY[:40], "not a Fernet key"),
        (KEY + b",", "not a Fernet key"),
        (b"," + KEY, "not a Fernet key"),
        (KEY + b";" + OTHER, "not a Fernet key"),
        (b"temporary_key", "not a Fernet key"),
        (b"", "not a Fernet key"),
    ],
)
def test_what_is_none_is_told_without_a_word_of_it(value, word):
    with pytest.raises(ValueError, match=word) as refused:
        keys_of(value)
    assert value == b"" or value.decode()[:10] not in str(refused.value)


@pytest.mark.parametrize(
    "token",
    [b"", b"gAAAA", b"no token", Fernet(OTHER).encrypt(b"a"), Fernet(KEY).encrypt(b"a")[:-4]],
    ids=["nothing", "a beginning", "no token", "another key's", "cut off"],
)
def test_what_another_key_made_is_not_opened(token):
    assert not opens(keys_of(KEY)[0], token)
