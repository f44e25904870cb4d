# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken over as a Fernet key is one, and what a pod reads of the other secrets can be read."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet, MultiFernet

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.fernet import keys_of, opens
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.modules import generated_secret
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import NAME, Server

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


class SecretsOfCluster(SimpleNamespace):
    def secret_entries(self, name):
        return self.secrets.get(name)


def generate(server, *entries, secrets=(), check_mode=False):
    whole = {"kind": None, "format": None, "user": "admin", "from_secret": None, "from_config_map": None}
    params = {"secret": NAME, "entries": [{**whole, **entry} for entry in entries], "managed_by_others": "refuse"}
    cluster = SecretsOfCluster(core=server, namespace="lab", secrets=dict(secrets))
    return generated_secret.act(Call(params, check_mode, cluster, server.said.append, server.warned.append))


FROM = {"name": "fernet-key", "format": "fernet", "from_secret": {"name": "old", "key": "key"}}


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_key_encoded_twice_is_not_taken_over(check_mode):
    server = Server()
    with pytest.raises(OperatorError, match="entry key of old is a Fernet key that was encoded") as refused:
        generate(server, FROM, secrets={"old": {"key": base64.b64encode(KEY)}}, check_mode=check_mode)
    assert "airflow_fernet_key_from" in refused.value.next_step
    assert server.entries is None
    generate(server, FROM, secrets={"old": {"key": KEY + b"\n"}})
    assert server.entries["fernet-key"] == KEY


def test_a_key_that_was_taken_over_wrongly_is_found():
    server = Server({"fernet-key": base64.b64encode(KEY)})
    with pytest.raises(OperatorError, match=f"entry fernet-key of {NAME} is a Fernet key that was encoded") as refused:
        generate(server, FROM)
    assert "remove the entry" in refused.value.next_step


@pytest.mark.parametrize(
    ("entry", "value", "word"),
    [
        ({"name": "x", "kind": "token"}, b"a\nb", "line break"),
        ({"name": "x", "kind": "token"}, b"\xff", "UTF-8"),
        ({"name": "x", "kind": "fernet"}, b"abc", "not a Fernet key"),
        ({"name": "x", "kind": "simple_auth_password_file"}, b"abc", "JSON"),
        ({"name": "x", "kind": "simple_auth_password_file"}, b'{"somebody": "else"}', "the user admin"),
    ],
)
def test_an_entry_that_no_pod_could_work_with_is_refused(entry, value, word):
    server = Server({"x": value})
    with pytest.raises(OperatorError, match=word):
        generate(server, entry, {"name": "more", "kind": "token"})
    assert server.entries == {"x": value}


def test_what_is_generated_is_fit_and_kept():
    server = Server()
    kinds = [{"name": kind, "kind": kind} for kind in generated_secret.GENERATORS]
    assert generate(server, *kinds, check_mode=True)["changed"]
    assert generate(server, *kinds)["changed"]
    assert not generate(server, *kinds)["changed"]
