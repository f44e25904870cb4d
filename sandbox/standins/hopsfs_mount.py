#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the HopsFS mount of an Airflow pod: keeps a local copy of every project's DAG folder.

``/Projects/<P>/Airflow/…`` in HopsFS appears as ``<destination>/<P>/…``. A file is fetched when its length or its
modification time differs from the copy's, under a temporary name that no DAG parser reads, and renamed into place; what
is gone in HopsFS goes here. While HopsFS doesn't answer, the copy stays as it is.

Runs as any user that may write the destination. Standard library only.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

PROJECTS = "/Projects"
FOLDER = "Airflow"
TEMPORARY_PREFIX = ".hopsfs-"
TEMPORARY_SUFFIX = ".part"
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 256 * 1024


class HopsfsError(Exception):
    """An answer other than success, or none."""


class Hopsfs:
    """The few WebHDFS reads a mount needs, over one connection with mutual TLS per address."""

    def __init__(self, url: str, credentials: Path) -> None:
        self.url = url.rstrip("/")
        self.tls = ssl.create_default_context(cafile=str(credentials / "ca.crt"))
        self.tls.load_cert_chain(credentials / "tls.crt", credentials / "tls.key")
        self.connections: dict[str, http.client.HTTPSConnection] = {}

    def folder(self, path: str) -> list[dict[str, Any]] | None:
        """Entries of a folder as `LISTSTATUS` gives them; None where there is no such folder or access is denied."""
        answer = self._get(f"{self.url}/webhdfs/v1{quote(path)}?op=LISTSTATUS")
        content = answer.read()
        if answer.status == 404 or (answer.status == 403 and b"AccessControlException" in content):
            return None
        if answer.status != 200:
            raise HopsfsError(f"listing {path}: HTTP {answer.status}")
        statuses: list[dict[str, Any]] = json.loads(content)["FileStatuses"]["FileStatus"]
        return statuses

    def fetch(self, path: str, target: Path) -> None:
        """Writes a file's content to a local path."""
        answer = self._get(f"{self.url}/webhdfs/v1{quote(path)}?op=OPEN")
        if answer.status == 307:
            answer.read()
            answer = self._get(answer.headers["Location"])
        if answer.status != 200:
            answer.read()
            raise HopsfsError(f"reading {path}: HTTP {answer.status}")
        with target.open("wb") as file:
            shutil.copyfileobj(answer, file, CHUNK_BYTES)
            length = answer.headers["Content-Length"]
            if length is not None and file.tell() != int(length):
                raise HopsfsError(f"reading {path}: {file.tell()} of {length} bytes")

    def _get(self, url: str) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        for attempt in (1, 2):
            connection = self.connections.get(parts.netloc)
            if connection is None:
                connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=self.tls)
                self.connections[parts.netloc] = connection
            try:
                connection.request("GET", f"{parts.path}?{parts.query}")
                return connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.connections.pop(parts.netloc).close()
                # A kept connection may have been closed by the other side in the meantime: once more on a new one.
                if attempt == 2:
                    raise HopsfsError(f"{parts.netloc}: {type(error).__name__}: {error}") from error
        raise AssertionError


class Mirror:
    """A destination folder that follows the DAG folders in HopsFS."""

    def __init__(self, hopsfs: Hopsfs, destination: Path) -> None:
        self.hopsfs = hopsfs
        self.destination = destination

    def synchronize(self) -> tuple[int, int]:
        """Brings the copy up to date; returns how many files were fetched and how many entries removed."""
        projects = self.hopsfs.folder(PROJECTS)
        if projects is None:
            raise HopsfsError(f"{PROJECTS} isn't there or isn't readable")
        fetched = removed = 0
        present: set[Path] = set()
        for project in projects:
            name = project["pathSuffix"]
            if project["type"] != "DIRECTORY":
                continue
            for path, status in self._walk(f"{PROJECTS}/{name}/{FOLDER}", Path(name)):
                local = self.destination / path
                present.update([local, *local.parents])
                if status["type"] == "DIRECTORY":
                    local.mkdir(parents=True, exist_ok=True)
                elif self._differs(local, status):
                    self._fetch(f"{PROJECTS}/{name}/{FOLDER}/{path.relative_to(name)}", local, status)
                    fetched += 1
        for local in sorted(self.destination.rglob("*"), reverse=True):
            if local not in present:
                if local.is_dir() and not local.is_symlink():
                    local.rmdir()
                else:
                    local.unlink(missing_ok=True)
                removed += 1
        return fetched, removed

    def _walk(self, folder: str, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
        for status in self.hopsfs.folder(folder) or []:
            name = status["pathSuffix"]
            yield path / name, status
            if status["type"] == "DIRECTORY":
                yield from self._walk(f"{folder}/{name}", path / name)

    def _differs(self, local: Path, status: dict[str, Any]) -> bool:
        try:
            found = local.lstat()
        except FileNotFoundError:
            return True
        milliseconds = found.st_mtime_ns // 1_000_000
        same = (found.st_size, milliseconds) == (status["length"], status["modificationTime"])
        return not (same and stat.S_ISREG(found.st_mode))

    def _fetch(self, path: str, local: Path, status: dict[str, Any]) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        temporary = local.with_name(f"{TEMPORARY_PREFIX}{local.name}{TEMPORARY_SUFFIX}")
        self.hopsfs.fetch(path, temporary)
        temporary.chmod(0o644)
        nanoseconds = status["modificationTime"] * 1_000_000
        os.utime(temporary, ns=(nanoseconds, nanoseconds))
        temporary.replace(local)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="address of WebHDFS, e.g. https://namenode.example:9870")
    parser.add_argument("--credentials", required=True, type=Path, help="folder with tls.crt, tls.key and ca.crt")
    parser.add_argument("--destination", required=True, type=Path, help="folder that holds the copy")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds between two looks (default: 3)")
    parser.add_argument("--once", action="store_true", help="leave after the first complete copy; 1 when none succeeds")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds --once goes on trying (default: 90)")
    arguments = parser.parse_args()
    mirror = Mirror(Hopsfs(arguments.url, arguments.credentials), arguments.destination)
    deadline = time.monotonic() + arguments.patience
    trouble = ""
    while True:
        try:
            fetched, removed = mirror.synchronize()
            if fetched or removed or trouble:
                print(f"{fetched} fetched, {removed} removed", flush=True)
            trouble = ""
            if arguments.once:
                return 0
        except (HopsfsError, OSError, http.client.HTTPException) as error:
            if str(error) != trouble:
                print(f"the copy stays as it is: {error}", file=sys.stderr, flush=True)
            trouble = str(error)
            if arguments.once and time.monotonic() > deadline:
                return 1
        time.sleep(1 if arguments.once else arguments.interval)


if __name__ == "__main__":
    sys.exit(main())
