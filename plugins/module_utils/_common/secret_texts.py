# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Determines which texts of a Secret must not be shown.

A program may log any part of what it reads: an entry, a line, or a value in a document. But not everything in a Secret
is secret: if numbers or braces counted as secrets, no line of a log could be shown.
"""

from __future__ import annotations

import base64
import contextlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .documents import parse
from .redaction import HIDDEN, SHORTEST_VALUE, redact

SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token|credential|key|pin\b|auth")
# Values that appear next to a password.
PUBLIC_NAME = re.compile(
    r"(?i)(?:.*[_.-])?(?:user(?:name)?|login|host(?:name)?|port|db(?:name)?|database|(?:conn_)?type)"
)
PUBLIC_VALUE = re.compile(r"[\w.@-]+")
# Texts that do not look like secrets and appear in every log.
TRIVIAL = re.compile(r"(?i)\W*\w{0,2}\W*|true|false|none|null|yes|off")
# A line of an INI file, of YAML or of variables for a shell.
SETTING = re.compile(r"\s*(?:-\s+)?(?:export\s+)?[\"']?([\w.-]+)[\"']?\s*[=:]\s*(.+)")
# A text of a document that is a document itself, or has several lines.
INNER = re.compile(r"\s*[\[{]|.*\n")
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
ALIKE = re.compile(r"(?<![0-9A-Za-z])(?=[A-Za-z]*[0-9])[0-9A-Za-z]{12,}")
# About four seconds.
THOROUGH_CHARACTERS = 3000
URL_PASSWORD = re.compile(r"://[^\s:/@]*:(\S+)@")


def hide(text: str, secrets: Iterable[str]) -> str:
    """Text from other sources without these secrets and without anything that looks like a secret.

    The time to search for a value in all of its forms grows with its length. So the longest values are only searched
    for in their plain form and by parts that are the same in every form.
    """
    left, thorough = THOROUGH_CHARACTERS, []
    for secret in sorted(secrets, key=lambda secret: (len(secret), secret)):
        if len(secret) <= left:
            thorough.append(secret)
        else:
            for part in (secret, *ALIKE.findall(secret)):
                text = text.replace(part, HIDDEN)
        left -= len(secret)
    return redact(text, tuple(thorough))


def secret_texts(entries: Mapping[str, bytes]) -> set[str]:
    """The secret texts in these entries."""
    found: set[str] = set()
    for name, content in entries.items():
        with contextlib.suppress(UnicodeDecodeError):
            text = CERTIFICATE.sub("", content.decode()).strip()
            if text and not is_public(name, text) and not _is_public_value(name, text, entries):
                found.update(_texts((name,), text))
                # As whoever shows the Secret itself has it.
                found.add(base64.b64encode(content).decode())
    return {text for text in found if not TRIVIAL.fullmatch(text)}


def is_public(name: str, text: str) -> bool:
    """Whether an entry is a public one of a keys Secret."""
    if name == "generation":
        return text.isdecimal()
    if name.endswith(".kid"):
        return True
    if name.endswith("-public.pem"):
        return text.startswith("-----BEGIN PUBLIC KEY-----")
    if name != "jwks.json":
        return False
    with contextlib.suppress(ValueError, KeyError, TypeError):
        # RFC 7518, 6.2 and 6.4: `d` is of private keys, `k` of shared ones.
        return not any({"d", "k"} & set(key) for key in parse(text)["keys"])
    return False


def _texts(names: tuple[str, ...], text: str) -> Iterator[str]:
    """A text and the secrets inside it; `names` is its path."""
    document = None
    with contextlib.suppress(ValueError):
        document = parse(text)
    if isinstance(document, dict | list):
        yield from _leaves(names, document)
        return
    lines = [line.strip() for line in text.splitlines()]
    # Each line separately, because a program never logs a multi-line value in one line.
    yield from (line for line in lines if len(lines) == 1 or _counts(names, line) or line.isalnum())
    for line in lines:
        if setting := SETTING.fullmatch(line):
            yield from _leaf((*names, setting[1]), setting[2].strip().strip("\"'"))
        yield from passwords_in(line)
        with contextlib.suppress(ValueError):
            for name, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(line).query):
                yield from _leaf((*names, name), value)


def passwords_in(text: str) -> Iterator[str]:
    """Those of addresses, as they stand there and as they are."""
    for password in URL_PASSWORD.findall(text):
        yield from (password, urllib.parse.unquote(password))


def _leaves(names: tuple[str, ...], document: Any) -> Iterator[str]:
    """Not recursive, because a document may be nested as deeply as Python's parser allows."""
    left = [(names, document)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left += [((*path, key), item) for key, item in value.items() if not _is_public_value(key, item, value)]
        elif isinstance(value, list):
            left += [(path, item) for item in value]
        elif isinstance(value, str) and INNER.match(value):
            yield from _texts(path, value.strip())
        elif value is not None and not isinstance(value, bool):
            yield from _leaf(path, str(value))


def _leaf(names: tuple[str, ...], value: str) -> Iterator[str]:
    if _counts(names, value):
        yield value
        yield from URL_PASSWORD.findall(value)


def _counts(names: tuple[str, ...], value: str) -> bool:
    """Whether a part counts as secret; a short one only if a name in its path says so."""
    return len(value) >= SHORTEST_VALUE or any(SECRET_NAME.search(name) for name in names)


def _is_public_value(name: str, value: Any, beside: Mapping[str, Any]) -> bool:
    """Whether it is a value next to a password, such as a user name. Without a password, it may be one itself."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return bool(
        PUBLIC_NAME.fullmatch(name)
        and PUBLIC_VALUE.fullmatch(text)
        and any(re.search(r"(?i)pass|pwd", other) for other in beside)
    )
