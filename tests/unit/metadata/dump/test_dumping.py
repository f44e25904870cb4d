# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a dump, also while the tables are written to."""

# Names of schemas and tables can't be bound as values.
# ruff: noqa: S608

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import (
    make_dump,
    read_content,
    up_to_date,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import (
    whole,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import Restoration
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import address_of


class TestDump:
    def test_of_rows_that_have_not_changed_is_not_made_again(self, database, deployment, dump):
        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is not None

        deployment.server.as_root(f"UPDATE {deployment.names.live}.variable SET val = 'other'")

        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is None

    def test_of_tables_that_are_defined_in_another_way_now_is_made_again(self, database, deployment, dump):
        deployment.server.as_root(f"ALTER TABLE {deployment.names.live}.variable ADD KEY by_value (val(10))")

        assert up_to_date(dump, read_content(database, deployment.names.live, quiet)) is None

    def test_that_fails_leaves_the_earlier_one(self, server, database, deployment, dump, pod):
        wrong = Tools(None, "mysqlds-0", None, address_of(server, "wrong"), 60)
        before = read_content(database, deployment.names.live, quiet)

        with pytest.raises(OperatorError, match="exit code 2") as caught:
            make_dump(database, wrong, deployment.names.live, RUN, dump, before, quiet)

        assert any("Access denied" in line for line in caught.value.evidence)
        assert whole(dump) is not None
        assert not list(dump.parent.glob("*.part"))

    def test_says_which_tables_were_written_to_meanwhile(self, database, deployment, tools, tmp_path):
        before = read_content(database, deployment.names.live, quiet)
        deployment.server.as_root(f"INSERT INTO {deployment.names.live}.log (event) VALUES ('meanwhile')")

        made = make_dump(database, tools, deployment.names.live, RUN, tmp_path / "x.sql.gz", before, quiet)

        assert [table for table, entry in made.tables.items() if not entry.steady] == ["log"]

    def test_of_a_table_that_is_written_to_lacks_no_more_than_a_few_rows(self, database, deployment, tools, tmp_path):
        live = deployment.names.live
        before = read_content(database, live, quiet)
        deployment.server.as_root(f"INSERT INTO {live}.log (event) VALUES ('meanwhile')")
        path = tmp_path / "x.sql.gz"
        made = make_dump(database, tools, live, RUN, path, before, quiet)
        restoration = Restoration(database, f"{live}_rehearsal", deployment.owner(), path, made, quiet)
        restoration.make_room("rehearsal")
        restoration.play(tools)
        assert restoration.compare()["log"].rows == 301

        deployment.server.as_root("DELETE FROM log ORDER BY id LIMIT 201", restoration._schema)

        with pytest.raises(OperatorError, match=r"log \(300 rows dumped, 100 restored\)"):
            restoration.compare()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE t SET a = 'x' WHERE id = 1",
        "UPDATE t SET a = NULL WHERE id = 1",
        "UPDATE t SET a = '' WHERE id = 2",
        "UPDATE t SET b = x'00' WHERE id = 1",
        "UPDATE t SET a = b, b = a WHERE id = 3",
        "UPDATE t SET id = 9 WHERE id = 1",
        "INSERT INTO t VALUES (4, 'one', x'01')",
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET a = 'ONE' WHERE id = 1",
        "UPDATE t SET a = 'one ' WHERE id = 1",
    ],
)
def test_any_change_changes_the_fingerprint(server, database, bare, statement):
    bare.make_empty()
    server.as_root(
        "CREATE TABLE t (id INT, a VARCHAR(20), b VARBINARY(20)) CHARACTER SET utf8mb4;"
        "INSERT INTO t VALUES (1, 'one', x'01'), (2, NULL, NULL), (3, 'x', 'y'), (1, 'one', x'01')",
        bare.names.live,
    )
    before = database.fingerprints(bare.names.live, ["t"], quiet)
    assert before == database.fingerprints(bare.names.live, ["t"], quiet)

    server.as_root(statement, bare.names.live)

    assert database.fingerprints(bare.names.live, ["t"], quiet) != before
