# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.data_nodes import check_data_nodes


class SqlNode:
    """What a session of a server answers here: no NDB Cluster can be had that would."""

    def __init__(self, engine, ready):
        self._answers = iter([(engine,), *[("Ndb_number_of_ready_data_nodes", str(number)) for number in ready]])

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_given):
        pass

    def execute(self, _statement):
        pass

    def fetchone(self):
        return next(self._answers)

    def fetchall(self):
        return list(self._answers)


@pytest.mark.parametrize(
    ("engine", "ready", "expected"),
    [
        ("InnoDB", [], True),
        # One that knows NDB, and makes no table with it.
        ("InnoDB", [0], True),
        ("ndbcluster", [2], True),
        ("NDBCLUSTER", [0], False),
        # Its plugin is switched off.
        ("ndbcluster", [], False),
    ],
)
def test_whether_a_server_has_its_tables(engine, ready, expected):
    if expected:
        check_data_nodes(SqlNode(engine, ready))
    else:
        with pytest.raises(pymysql.OperationalError, match="no data node is ready"):
            check_data_nodes(SqlNode(engine, ready))
