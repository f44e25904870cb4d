# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.description import Server
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.catalogue import (
    Catalogue,
    renames_atomically,
)


@pytest.mark.parametrize(
    ("engine", "version", "atomic"),
    [
        ("MySQL", "8.0.36", True),
        ("MySQL", "9.7.0", True),
        ("MySQL", "5.7.44-log", False),
        ("MariaDB", "10.11.6-MariaDB", True),
        ("MariaDB", "11.4.5-MariaDB", True),
        ("MariaDB", "10.5.29-MariaDB", False),
        ("NDB Cluster", "8.0.36-cluster", False),
    ],
)
def test_which_servers_rename_all_tables_or_none(engine, version, atomic):
    assert renames_atomically(engine, version) is atomic


@pytest.mark.parametrize(
    ("version", "comment", "engine"),
    [
        ("8.0.36", "MySQL Community Server - GPL", "MySQL"),
        ("10.11.6-MariaDB-log", "Debian 12", "MariaDB"),
        ("10.11.6-log", "mariadb.org binary distribution", "MariaDB"),
        ("8.0.36-cluster", "MySQL Cluster Community Server - GPL", "NDB Cluster"),
        ("5.7.44-ndb-7.6.28", "Source distribution", "NDB Cluster"),
        ("22.10.12-cluster", "Source distribution", "NDB Cluster"),
        ("8.0.35-27", "Percona XtraDB Cluster (GPL), Release rel27, WSREP version 26.1.4.3", "MySQL"),
    ],
)
def test_what_runs_there_is_told_by_version_and_comment(version, comment, engine):
    answers = {"SELECT VERSION()": version, "SELECT @@version_comment": comment}

    found = Catalogue.server(SimpleNamespace(value=answers.get))

    assert found == Server(engine, version, renames_atomically(engine, version))
