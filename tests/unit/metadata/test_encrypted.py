# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Fernet key is compared with what the old deployment encrypted."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import base64
import dataclasses
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.fernet import keys_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata import info
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.encrypted import readable
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_info
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.swapping import reset

OLD, NEW, OTHER = (Fernet.generate_key() for _index in range(3))


def encrypt(database, schema, key, name):
    """A Connection and a Variable, as Airflow saves them."""
    token = Fernet(key).encrypt(b"CANARY").decode()
    database.execute(
        f"INSERT INTO `{schema}`.connection (conn_id, conn_type, password, is_encrypted, extra, is_extra_encrypted) "
        f"VALUES ('{name}', 'http', '{token}', 1, '{token}', 1)"
    )
    database.execute(f"INSERT INTO `{schema}`.variable (`key`, val, is_encrypted) VALUES ('{name}', '{token}', 1)")


@pytest.fixture
def live(bare):
    bare.make_old()
    return bare.names.live


def test_what_is_not_encrypted_is_not_looked_at(database, live):
    assert readable(database, live, keys_of(OLD)) == {"looked_at": 0, "readable": 0}


def test_a_key_is_known_by_what_it_made(database, live):
    encrypt(database, live, OLD, "one")
    assert readable(database, live, keys_of(OLD)) == {"looked_at": 3, "readable": 3}
    assert readable(database, live, keys_of(NEW + b"," + OLD)) == {"looked_at": 3, "readable": 3}
    assert readable(database, live, keys_of(OTHER)) == {"looked_at": 3, "readable": 0}


def test_a_few_of_the_newest_are_enough(database, live):
    for number in range(9):
        encrypt(database, live, OTHER if number < 4 else OLD, f"n{number}")
    assert readable(database, live, keys_of(OLD)) == {"looked_at": 15, "readable": 15}


class Cluster(SimpleNamespace):
    namespace = "lab"

    def secret_entries(self, name):
        return self.secrets.get(name)


def places_of(*names):
    return [{"from_secret": {"name": name, "key": "key"}, "from_config_map": None} for name in names]


def keys(secrets, *places):
    call = Call({"fernet_keys": places_of(*places)}, False, Cluster(secrets=secrets), print, print)
    return info.fernet_keys(call)


def test_the_key_is_the_one_that_the_new_airflow_will_have():
    assert keys({}) == []
    assert keys({"old": {"key": OLD}}, "runtime", "old") == keys_of(OLD)
    assert keys({"runtime": {"key": NEW}, "old": {"key": OLD}}, "runtime", "old") == keys_of(NEW)
    with pytest.raises(OperatorError, match="Secret old in namespace lab has no entry key"):
        keys({}, "runtime", "old")


@pytest.mark.parametrize("place", ["runtime", "old"])
def test_a_key_in_another_form_is_refused_by_its_place(place):
    with pytest.raises(OperatorError, match=f"entry key of {place} in namespace lab is a Fernet key that was enc"):
        keys({place: {"key": base64.b64encode(OLD)}}, "runtime", "old")


class TestInTheStateOfTheDatabase:
    """What the preflight is told."""

    @pytest.fixture
    def encrypted(self, database, deployment, monkeypatch):
        encrypt(database, deployment.names.live, OLD, "one")

        def found(secrets, *places):
            given = {"live": deployment.names.live, "deployment": deployment.name, "fernet_keys": places_of(*places)}
            call = call_of(database, monkeypatch, metadata_info, **given)
            cluster = Cluster(secrets=secrets, namespace=call.cluster.namespace)
            return metadata_info.act(dataclasses.replace(call, cluster=cluster))["encrypted"]

        return found

    def test_is_how_much_the_key_opens(self, encrypted):
        assert encrypted({"old": {"key": OLD}}, "runtime", "old") == {"looked_at": 3, "readable": 3}
        assert encrypted({"old": {"key": OTHER}}, "runtime", "old") == {"looked_at": 3, "readable": 0}
        # The one that an earlier run took over is the one that the new Airflow gets.
        assert encrypted({"runtime": {"key": OTHER}, "old": {"key": OLD}}, "runtime", "old")["readable"] == 0

    def test_is_nothing_where_none_is_taken_over(self, encrypted):
        assert encrypted({"old": {"key": OTHER}}) is None

    def test_is_nothing_once_the_old_tables_are_away(self, database, deployment, memory, encrypted):
        reset(database, deployment, memory)

        assert encrypted({}, "runtime", "old") is None
