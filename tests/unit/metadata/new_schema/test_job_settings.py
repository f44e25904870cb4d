# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The migration makes the tables that the components' settings want."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema.job_settings import environment_of

MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
SECRET = {"name": "X_TOKEN", "valueFrom": {"secretKeyRef": {"name": "x", "key": "token"}}}


def values(configuration, further=()):
    return {variable["name"]: variable.get("value") for variable in environment_of(configuration, further)}


def test_managers_of_tables_are_told_as_variables():
    configuration = {"core": {"Auth_Manager": MANAGER}, "database": {"external_db_managers": "a.B,c.D"}}
    assert values(configuration) == {
        "AIRFLOW__CORE__AUTH_MANAGER": MANAGER,
        "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": "a.B,c.D",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (30, "30"),
        (" a\n", "a"),
        ("100%", "100%"),
        (["a", "ü"], '["a", "ü"]'),
        ({"a": 1}, '{"a": 1}'),
        ("$(HOME) and $1", "$$(HOME) and $$1"),
    ],
)
def test_a_value_is_the_one_that_the_components_read(value, text):
    assert values({"core": {"x": value}}) == {"AIRFLOW__CORE__X": text}


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"core": None},
        {"scheduler": {"max_tis_per_query": 1}},
        {"core": {"some_key": "@{fernet-key}"}},
        {"core": {"fernet_key": "in clear"}},
        {"database": {"sql_alchemy_conn": "mysql://live"}},
        {"database": {"Sql_Alchemy_Conn_Cmd": "cat x"}},
    ],
)
def test_neither_secrets_nor_a_connection_are_told(configuration):
    assert values(configuration) == {}


def test_a_secret_stays_a_reference():
    assert environment_of({}, [SECRET]) == [SECRET]


def test_a_variable_wins_over_an_option():
    further = [{"name": "AIRFLOW__CORE__AUTH_MANAGER", "value": MANAGER}]
    assert environment_of({"core": {"auth_manager": "x"}}, further) == further
