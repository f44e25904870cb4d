# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a dump and its manifest: private, complete, and valid only together."""

# Names of schemas and tables can't be bound as values.

from __future__ import annotations

import contextlib
import gzip
import json
import os
import resource
import signal
import stat
import types

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.dumping import (
    dump_path,
    make_dump,
    read_content,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.dump.file import (
    manifest_of,
    whole,
)
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import RUN, quiet


@contextlib.contextmanager
def disk_of(size):
    """No file can be longer than that, which is to whoever writes as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


class TestDump:
    def test_is_private_whole_and_described(self, dump, deployment):
        assert stat.S_IMODE(dump.stat().st_mode) == 0o600
        assert stat.S_IMODE(dump.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(manifest_of(dump).stat().st_mode) == 0o600
        manifest = whole(dump)
        assert manifest is not None
        assert manifest.tables["log"].rows == 300
        assert all(entry.steady for entry in manifest.tables.values())
        assert sorted(path.name for path in dump.parent.iterdir()) == [dump.name, f"{dump.name}.json"]
        assert "DROP TABLE" not in gzip.decompress(dump.read_bytes()).decode()

    def test_is_private_whatever_the_umask(self, database, deployment, tools, tmp_path):
        before = os.umask(0)
        try:
            self.test_is_private_whole_and_described(self._again(database, deployment, tools, tmp_path), deployment)
        finally:
            os.umask(before)

    def test_shows_the_password_nowhere(self, dump, pod):
        shown = json.dumps(pod.commands) + manifest_of(dump).read_text() + gzip.decompress(dump.read_bytes()).decode()
        assert "CANARY" not in shown

    @pytest.mark.parametrize("damage", ["cut", "flip", "append", "no manifest", "other manifest", "empty manifest"])
    def test_that_is_not_whole_is_not_taken_for_one(self, dump, damage):
        data = dump.read_bytes()
        if damage == "cut":
            dump.write_bytes(data[:-20])
        elif damage == "flip":
            dump.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        elif damage == "append":
            dump.write_bytes(data + b"x")
        elif damage == "no manifest":
            manifest_of(dump).unlink()
        elif damage == "other manifest":
            manifest_of(dump).write_text(manifest_of(dump).read_text().replace('"format": 1', '"format": 2'))
        else:
            manifest_of(dump).write_text("")
        assert whole(dump) is None

    @pytest.mark.parametrize("full_at", ["the dump", "its last bytes", "its manifest"])
    def test_on_a_disk_that_is_full_is_told_in_words(self, database, deployment, dump, tools, full_at):
        before = read_content(database, deployment.names.live, quiet)
        there = {path.name: path.read_bytes() for path in dump.parent.iterdir()}
        small = types.SimpleNamespace(dump=lambda _schema, write, _left_out: write(gzip.compress(os.urandom(2000))))
        given = small if full_at == "its last bytes" else tools
        room = len(dump.read_bytes()) + 1000 if full_at == "its manifest" else 1000

        with (
            disk_of(room),
            pytest.raises(OperatorError, match=r"\.(gz|json) can't be written: File too large") as caught,
        ):
            make_dump(database, given, deployment.names.live, RUN, dump, before, quiet)

        assert str(dump.parent) in caught.value.next_step
        assert {path.name: path.read_bytes() for path in dump.parent.iterdir()} == there
        assert whole(dump) is not None

    def test_into_a_folder_that_can_not_be_made_is_told_in_words(self, database, deployment, tools, tmp_path):
        (tmp_path / "file").write_text("")
        path = dump_path(str(tmp_path / "file" / "folder"), deployment.names.live, RUN)

        with pytest.raises(OperatorError, match="can't be written: Not a directory"):
            make_dump(database, tools, deployment.names.live, RUN, path, {}, quiet)

    def test_that_ends_early_is_noticed(self, database, deployment, tmp_path):
        """A connection that breaks without anybody noticing: no last line."""
        half = gzip.compress(b"-- MariaDB dump\nCREATE TABLE a (id INT);\n")
        lying = types.SimpleNamespace(dump=lambda _schema, write, _left_out: write(half))
        path = tmp_path / "half.sql.gz"

        with pytest.raises(OperatorError, match="its last line is missing"):
            make_dump(database, lying, deployment.names.live, RUN, path, {}, quiet)

        assert list(tmp_path.iterdir()) == []

    def _again(self, database, deployment, tools, tmp_path):
        path = dump_path(str(tmp_path / "again"), deployment.names.live, RUN)
        before = read_content(database, deployment.names.live, quiet)
        make_dump(database, tools, deployment.names.live, RUN, path, before, quiet)
        return path
