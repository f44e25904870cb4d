# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"
# Shorter values would hide half of every log.
SHORTEST_VALUE = 6

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), f"{HIDDEN} PEM"),
    # A line from the middle of a PEM file, on its own.
    (re.compile(r"(?m)^[A-Za-z0-9+/]{64}$"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), f"{HIDDEN} token"),
    # As far as the last @ of the word: an unquoted password may have one in it.
    (re.compile(r"(?<=://)([^\s:/@]*):\S*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b(authorization\W{1,4}\w+\s+|bearer\s+)[^\s\"',]+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"""(?ix)
            ([\w.-]*(?:password|passwd|pwd|secret(?:_?key)?|token|fernet_?key|api_?key|private_?key)["']?\s*[=:]\s*)
            (?:"[^"]*"|'[^']*'|[^\s,;}]+)
            """
        ),
        rf"\1{HIDDEN}",
    ),
)


def redact(text: str, known: tuple[str, ...] = ()) -> str:
    """Text of others (log lines, events) without what looks like a secret, and without the `known` secret values.

    Known values are found as they are and URL-encoded. What looks like one: PEM, JSON web tokens, passwords in URLs,
    bearer tokens, values of names like `password`.
    """
    forms = {
        form for value in known if len(value) >= SHORTEST_VALUE for form in (value, quote(value, ""), quote_plus(value))
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text
