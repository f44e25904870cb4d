# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the restored tables are defined like the dumped ones."""

# Names of schemas and tables can't be bound as values.

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump import restoring
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import (
    manifest_of,
    read_manifest,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.restoring import Restoration
from ansible_collections.hopsworks.airflow.plugins.modules import metadata_restore
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.acting import call_of
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import quiet


class TestRestore:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                "ALTER TABLE dag_run MODIFY execution_date timestamp(6) NULL DEFAULT current_timestamp(6)",
                "dag_run .*execution_date",
            ),
            ("ALTER TABLE variable MODIFY val text", r"variable .*dumped: `val` mediumtext.*restored: `val` text"),
            ("ALTER TABLE slot_pool DROP KEY pool", "slot_pool .*dumped: UNIQUE KEY .*restored: nothing"),
            ("ALTER TABLE log ENGINE = Aria", "log .*InnoDB.*Aria"),
        ],
    )
    def test_whose_tables_are_defined_in_another_way_is_noticed(self, deployment, restoration, tools, change, told):
        """With the very same rows."""
        restoration.make_room("restore")
        restoration.play(tools)
        assert restoration.is_done()
        deployment.server.as_root(change, restoration._schema)

        with pytest.raises(OperatorError, match=told):
            restoration.compare()
        assert not restoration.is_done()

    def test_by_a_server_that_gives_times_an_update_of_their_own_is_noticed(self, server, restoration, tools):
        server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 0")
        try:
            restoration.make_room("rehearsal")
            restoration.play(tools)
        finally:
            server.as_root("SET GLOBAL explicit_defaults_for_timestamp = 1")

        with pytest.raises(OperatorError, match=r"task_instance .*ON UPDATE current_timestamp"):
            restoration.compare()

    def test_with_a_manifest_of_an_earlier_version_says_what_was_not_compared(
        self, database, deployment, dump, restoration, tools
    ):
        text = json.loads(manifest_of(dump).read_text())
        for entry in text["tables"].values():
            del entry["definition"]
        manifest_of(dump).write_text(json.dumps(text))
        earlier = Restoration(database, restoration._schema, deployment.owner(), dump, read_manifest(dump), quiet)
        earlier.make_room("restore")
        earlier.play(tools)
        deployment.server.as_root("ALTER TABLE log ENGINE = Aria", earlier._schema)

        assert earlier.compare()["log"].rows == 300

        (doubt,) = earlier.doubts
        assert "has no definitions of tables" in doubt
        assert earlier.is_done()

    def test_on_another_server_says_what_is_defined_in_other_words(
        self, database, deployment, dump, restoration, tools, monkeypatch
    ):
        manifest = dataclasses.replace(read_manifest(dump), server="MariaDB 10.5.1")
        elsewhere = Restoration(database, restoration._schema, deployment.owner(), dump, manifest, quiet)
        elsewhere.make_room("restore")
        elsewhere.play(tools)
        elsewhere.compare()
        assert elsewhere.doubts == []
        deployment.server.as_root("ALTER TABLE log ENGINE = Aria", elsewhere._schema)

        elsewhere.compare()

        (doubt,) = elsewhere.doubts
        assert "MariaDB 10.5.1" in doubt
        assert "Aria" in doubt

        warned = []
        call = call_of(
            database,
            monkeypatch,
            metadata_restore,
            live=deployment.names.live,
            deployment=deployment.name,
            state="restored",
            dump=str(dump),
            schema=elsewhere._schema,
        )
        monkeypatch.setattr(restoring, "read_manifest", lambda _dump: manifest)
        monkeypatch.setattr(restoring, "client_of", lambda *_given: ("image", "pod"))
        result = metadata_restore.act(dataclasses.replace(call, warn=warned.append))
        assert (result["changed"], warned) == (True, [doubt])
