# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.of_components import connection_of

DATABASE = {"host": "mysql", "name": "airflow_50%d", "user": "team/air@flow"}


def test_the_engines_own_port_is_taken_where_none_is_given():
    found = connection_of(DATABASE, "/files", "secret")
    assert found == {
        "url": "mysql+pymysql://team%2Fair%40flow:@{secret:latin-1}@mysql:3306/airflow_50%d"
        "?charset=utf8mb4&client_flag=65536",
        "files": [],
    }
    assert "@mysql:3307/" in connection_of({**DATABASE, "port": 3307}, "/files", "secret")["url"]


def test_the_files_are_those_that_the_url_names():
    tls = {"mode": "verify_identity", "ca": {"name": "db-tls", "key": "ca.pem"}, "certificate": {}}
    found = connection_of({**DATABASE, "tls": tls}, "/files", "secret")
    assert found["url"].endswith("&ssl_ca=/files/ca.crt")
    assert found["files"] == [{"secret": "db-tls", "key": "ca.pem", "path": "ca.crt"}]
