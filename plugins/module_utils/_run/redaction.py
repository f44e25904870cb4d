# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
import re
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"
# Shorter values would be found everywhere, and be guessed from what is left around them.
SHORTEST_VALUE = 6

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), f"{HIDDEN} PEM"),
    # A line from the middle of a PEM file, on its own.
    (re.compile(r"(?m)^[A-Za-z0-9+/]{64}$"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), f"{HIDDEN} token"),
    # As far as the last @ of the word: an unquoted password may have one in it.
    (re.compile(r"(?<=://)([^\s:/@]*):\S*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b(authorization\W{1,4}\w+\s+|bearer\s+)[^\s\"',]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)((?:set-)?cookie:\s*)[^\n]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(identified\s+by\s+(?:password\s+)?)(?:'[^']*'|\"[^\"]*\")"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(<\w*(?:pass|token|secret)\w*>)[^<]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(--[\w-]*(?:pass|passwd|password|token|secret)\s+)\S+"), rf"\1{HIDDEN}"),
    (
        # From the beginning of a name: elsewhere a long line would be looked through again from each of its letters.
        re.compile(
            r"""(?ix)
            ((?<![\w.-])[\w.-]*
             (?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:fernet|api|private|access|account)[_-]?key)
             (?:[_-][\w-]{1,32})?["']?\s*(?:=>|[=:])\s*)
            (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;}]+)
            """
        ),
        rf"\1{HIDDEN}",
    ),
)


def redact(text: str, known: tuple[str, ...] = ()) -> str:
    """Text of others (log lines, events) without what looks like a secret, and without the `known` secret values.

    Known values are found in every common encoding, and a line with a short one is hidden as a whole: to hide the value
    alone would show where it stood. What looks like a secret: PEM, JSON web tokens, passwords in URLs, bearer tokens,
    values of names like `password`.
    """
    long, short = _forms_of(known)
    if short:
        text = "\n".join(f"{HIDDEN} line" if any(form in line for form in short) else line for line in text.split("\n"))
    for form in long:
        text = text.replace(form, HIDDEN)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


@functools.lru_cache(maxsize=64)
def _forms_of(known: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All forms of all values, longest first, and those of short values apart."""
    long: set[str] = set()
    short: set[str] = set()
    for value in known:
        # Logs are read line by line, and a value may have several.
        for part in {value, *value.splitlines()} - {""}:
            if len(part) < SHORTEST_VALUE:
                short |= {form for form in encodings(part) if len(form) >= len(part)}
            else:
                long |= {form for form in encodings(part) if len(form) >= SHORTEST_VALUE}
    return tuple(sorted(long, key=len, reverse=True)), tuple(short)


def encodings(value: str) -> set[str]:
    """A text as it may be found in what programs write."""
    as_bytes = {value.encode("utf-8", "surrogateescape")}
    texts = {value}
    with contextlib.suppress(UnicodeEncodeError):
        as_bytes.add(value.encode("latin-1"))
    # Read in the other encoding than it was written in.
    texts |= {data.decode(encoding, "replace") for data in as_bytes for encoding in ("utf-8", "latin-1")}
    forms = set(texts)
    for text in texts:
        forms |= {repr(text)[1:-1], repr(text + "'")[1:-2], repr(text + '"')[1:-2], ascii(text)[1:-1]}
        forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        forms |= {json.dumps(text).replace("/", "\\/")[1:-1]}
        # In a shell's single quotes, in its double quotes, and without any.
        forms |= {text.replace("'", "'\"'\"'"), text.replace("'", "'\\''"), re.sub(r'([\\"$`])', r"\\\1", text)}
        forms |= {re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)}
        # In a statement.
        forms |= {text.replace("'", "''"), text.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')}
        forms |= {html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")}
        forms |= {text.replace("%", "%%")}
    for data in as_bytes:
        forms |= {repr(data)[2:-1], repr(data + b"'")[2:-2]}
        urls = {quote(data, ""), quote(data, "/"), quote(data, "!*'()~"), quote_plus(data)}
        forms |= urls | {_lower_percent(form) for form in urls} | {form.replace("%", "%%") for form in urls}
        forms |= {quote(form, "") for form in urls}
        forms |= {data.hex(), data.hex().upper(), data.hex(":"), data.hex(" ")}
        forms |= _base64_forms(data)
    return forms


def _base64_forms(data: bytes) -> set[str]:
    """Base64 of the value alone, and what is the same of it wherever it stands in something longer."""
    forms = {base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("=")}
    if len(data) >= SHORTEST_VALUE:
        for before in range(3):
            # Characters that bits of neighbours are mixed into are cut off.
            first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                forms.add(encode(bytes(before) + data).decode()[first:last])
    return forms


def _lower_percent(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text)
