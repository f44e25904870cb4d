# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.generated import (
    GENERATORS,
    act,
    fingerprint,
    published_as,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import NAME, Server

KEY = GENERATORS["fernet"]("")


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


class SecretsOfCluster(SimpleNamespace):
    def secret_entries(self, name):
        return self.secrets.get(name)


def generate(server, *entries, secrets=(), check_mode=False):
    whole = {"kind": None, "format": None, "user": "admin", "from_secret": None, "from_config_map": None}
    params = {"secret": NAME, "entries": [{**whole, **entry} for entry in entries], "managed_by_others": "refuse"}
    cluster = SecretsOfCluster(core=server, namespace="lab", secrets=dict(secrets))
    return act(Call(params, check_mode, cluster, server.said.append, server.warned.append))


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
    kinds = [{"name": kind, "kind": kind} for kind in GENERATORS]
    assert generate(server, *kinds, check_mode=True)["changed"]
    assert generate(server, *kinds)["changed"]
    assert not generate(server, *kinds)["changed"]
