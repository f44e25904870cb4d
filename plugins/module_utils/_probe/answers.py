# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from .._common.documents import parse

TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
HTML_ROOT = re.compile(rb"""<div[^>]*\bid=["']root["']""", re.IGNORECASE)
# An ingress sends these itself if it has no backend, so they never count as responses of an application.
NOBODY = 404
GATEWAY = 500
REFUSED = (401, 403)


@dataclass(frozen=True)
class Answer:
    """The response to one request. `location` is the target of a redirect, as it was sent."""

    status: int
    location: str | None = None
    media_type: str = ""
    body: bytes = b""

    @property
    def title(self) -> str | None:
        """The title of a page, or None."""
        found = TITLE.search(self.body) if self.media_type in ("text/html", "") else None
        return " ".join(found.group(1).decode("utf-8", "replace").split()) if found else None

    def decoded(self) -> Any:
        """Its JSON document. Raises ValueError if it is not JSON."""
        return parse(self.body)


class Judge(Protocol):
    """Decides whether a response is from the application."""

    def reason(self, answer: Answer) -> str | None:
        """None for an expected response, otherwise the problem in a few words."""


@dataclass(frozen=True)
class Expected:
    """Expects one of these statuses and a body of the application, because other servers answer 200 as well."""

    statuses: frozenset[int]
    marker: Callable[[Answer], bool] | None = None

    def reason(self, answer: Answer) -> str | None:
        if answer.status not in self.statuses:
            return f"HTTP {answer.status}"
        if self.marker is not None and not self.marker(answer):
            return f"HTTP {answer.status} from another server"
        return None


def has_member(name: str) -> Callable[[Answer], bool]:
    """Whether a response is a JSON object with that member."""

    def found(answer: Answer) -> bool:
        try:
            document = answer.decoded()
        except ValueError:
            return False
        return isinstance(document, dict) and name in document

    return found


def is_json(answer: Answer) -> bool:
    try:
        answer.decoded()
    except ValueError:
        return False
    return True


def is_airflow_3(answer: Answer) -> bool:
    """Whether it is from Airflow 3: its start page, which is the same for all users, or its version."""
    if answer.status != 200:
        return False
    return has_member("version")(answer) or (answer.title == "Airflow" and bool(HTML_ROOT.search(answer.body)))


@dataclass(frozen=True)
class Kind:
    """The common properties of responses with the same page: status, redirect target, content type and title."""

    status: int
    target: str | None
    media_type: str
    title: str | None

    @classmethod
    def of(cls, answer: Answer, url: str) -> Kind:
        return cls(answer.status, _target(answer, url), answer.media_type, answer.title)


class Learnt:
    """Expects the response from before the change, or Airflow 3.

    An upgrade replaces the server: the old one is learnt, the new one is known. `blind` says why responses at this URL
    say nothing about the application; None if they do.
    """

    def __init__(self, url: str, known: Iterable[Kind] = (), blind: str | None = None) -> None:
        self._url = url
        self.known = set(known)
        self.blind = blind

    def learn(self, answer: Answer) -> bool:
        """Learn a response of the current application. Returns whether it can be one."""
        if answer.status == NOBODY or answer.status >= GATEWAY:
            return False
        self.known.add(Kind.of(answer, self._url))
        if not is_airflow_3(answer):
            self.blind = self.blind or _in_front(answer, self._url)
        return True

    def reason(self, answer: Answer) -> str | None:
        if is_airflow_3(answer) or Kind.of(answer, self._url) in self.known:
            return None
        if any(kind.status == answer.status for kind in self.known) or answer.status == 200:
            return f"HTTP {answer.status} from another server"
        return f"HTTP {answer.status}"

    def as_line(self) -> dict[str, Any]:
        """What was learnt, for the measurement's file: a later attempt runs when the old application is gone."""
        return {"known": [asdict(kind) for kind in self.known], "blind": self.blind}

    def recall(self, line: dict[str, Any]) -> None:
        self.known = {Kind(**kind) for kind in line["known"]}
        self.blind = line["blind"]


def _target(answer: Answer, url: str) -> str | None:
    """The target of a redirect without its query, which may change over time."""
    if answer.location is None or not 300 <= answer.status < 400:
        return None
    parts = _joined(url, answer.location)
    return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path


def _joined(url: str, location: str) -> urllib.parse.SplitResult:
    """The target of a redirect. If it cannot be parsed, it counts as a path without a server."""
    try:
        return urllib.parse.urlsplit(urllib.parse.urljoin(url, location))
    except ValueError:
        return urllib.parse.SplitResult("", "", location.partition("?")[0], "", "")


def _in_front(answer: Answer, url: str) -> str | None:
    """Why a response comes from a server in front of the application, whether or not the application is up."""
    if answer.status in REFUSED:
        return f"answered with {answer.status} before the change, possibly by a check in front of Airflow"
    target = _target(answer, url)
    if target is None:
        return None
    here, there = urllib.parse.urlsplit(url), _joined(url, target)
    base = here.path.rstrip("/") + "/"
    within = there.path.startswith(base) and there.netloc == here.netloc
    if within and there.path.rstrip("/") != here.path.rstrip("/"):
        return None
    return f"answered with a redirect to {target} before the change, by a server in front of Airflow"
