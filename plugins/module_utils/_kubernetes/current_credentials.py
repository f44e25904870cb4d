# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

try:
    from kubernetes.config import ConfigException
except ImportError:  # reported by the module's own requirement check
    ConfigException = Exception

# The part of a credential's lifetime after which the plugin is called again.
USED_PART = 0.8
# Between two calls of a plugin: by the clock of this machine, its credential may already have expired.
PLUGIN_PAUSE_SECONDS = 10.0
# Headers are bytes, one per character (RFC 9110, 5.5).
UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]|[^\x00-\xff]")


@dataclass(frozen=True)
class Identity:
    """Credentials: a header, or the files of a client certificate and its key, and when they expire, if their source
    says so."""

    authorization: str | None = None
    certificate: str | None = None
    key: str | None = None
    ends: datetime.datetime | None = None

    def configure(self, configuration: Any) -> None:
        configuration.api_key = {"authorization": self.authorization} if self.authorization else {}
        configuration.cert_file, configuration.key_file = self.certificate, self.key


def problem_of(authorization: str | None) -> str | None:
    """Why this cannot be sent in a header, if so; shows none of it, because it is a secret.

    The library that sends headers would show all of it in its error.
    """
    if authorization is None or not UNSENDABLE.search(authorization):
        return None
    return "the token has a line break or another character that is not allowed in a header"


class Credentials:
    """The credentials of a kubeconfig or of a pod's account, kept current as in kubectl: a file is read for each
    request, a plugin is called before its credential expires, and both again after a response of 401.

    The Python client does a part of that, but each time it also sets everything else in the kubeconfig and so overrides
    the options.
    """

    def __init__(
        self,
        load: Callable[[Any], object],
        *,
        file: bool,
        plugin: bool = False,
        ends: Callable[[], Any] = lambda: None,
    ) -> None:
        """`load` sets a configuration, and `ends` says how long it is valid. `file` and `plugin` name its source, where
        others may replace it.
        """
        self._load, self._file, self._ends = load, file, ends
        self.renews = file or plugin
        self._lock = threading.Lock()
        # The error of a plugin, or why a file could not be read.
        self.trouble = ""
        self._asked_at, self._due = time.monotonic(), math.inf
        with complaints() as said:
            self._identity = self._read()
        self.trouble = said[-1] if said else ""

    def current(self) -> Identity:
        with self._lock:
            if self._file or time.monotonic() >= self._due:
                self._read_again()
            return self._identity

    def others_than(self, refused: Identity) -> bool:
        """Whether there are other credentials than those that the API server has rejected."""
        with self._lock:
            if self._identity == refused and (self._file or time.monotonic() >= self._asked_at + PLUGIN_PAUSE_SECONDS):
                self._read_again()
            return self._identity != refused

    def _read(self) -> Identity:
        found = SimpleNamespace(api_key={}, cert_file=None, key_file=None)
        self._load(found)
        # A file may end with a newline, which is not allowed in a header.
        authorization = (found.api_key.get("authorization") or "").strip()
        if problem := problem_of(authorization):
            raise ConfigException(problem)
        ends = self._ends()
        if ends is not None:
            life = (ends - datetime.datetime.now(datetime.UTC)).total_seconds()
            self._due = self._asked_at + max(PLUGIN_PAUSE_SECONDS, USED_PART * life)
        return Identity(authorization or None, found.cert_file, found.key_file, ends)

    def _read_again(self) -> None:
        """If that fails, the previous credentials may still be valid; if not, the API server rejects them."""
        self._asked_at = time.monotonic()
        if self._due < math.inf:
            self._due = self._asked_at + PLUGIN_PAUSE_SECONDS
        with complaints() as said:
            try:
                self._identity = self._read()
            except (ConfigException, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
                said.append(str(error))
        self.trouble = said[-1] if said else ""


def version_of_certificate(configuration: Any) -> tuple[Any, ...]:
    """Changes when a client certificate is replaced, even in the same file."""
    return tuple((file, _modified(file)) for file in (configuration.cert_file, configuration.key_file))


def _modified(file: str | None) -> int | None:
    try:
        return os.stat(file).st_mtime_ns if file else None
    except OSError:
        return None


class _Complaints(logging.Handler):
    """Errors that the client library logs instead of raising them: an exec plugin that is missing or fails."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage().strip()[:500])


@contextlib.contextmanager
def complaints() -> Iterator[list[str]]:
    handler, root = _Complaints(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler.texts
    finally:
        root.removeHandler(handler)
