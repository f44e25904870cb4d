# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import functools
import html
import html.entities
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

HIDDEN = "(hidden)"
# Shorter values would match everywhere, and could be guessed from the remaining text.
SHORTEST_VALUE = 6

# All that is repeated below is bounded, or gives nothing back, or begins where no other attempt does: so the time for a
# text is proportional to its length. A text that is cut off inside a quoted value is hidden to its end.
_QUOTED = r"""(?:'(?:[^'\\]|\\[\s\S]?|'')*+(?:'|\Z)|"(?:[^"\\]|\\[\s\S]?|"")*+(?:"|\Z))"""
# A word of a shell: quoted or not, or in parts of both.
_WORD = r"""(?:'[^'\n]*+'?|"(?:[^"\\\n]|\\.?)*+"?|\\.?|[^\s'"\\])++"""
_SENSITIVE = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:fernet|api|private|access|account|secret)[_-]?key)"
)
SENSITIVE_NAME = re.compile(f"(?i){_SENSITIVE}")
_SQL_VALUE = re.compile(rf"(?i){_QUOTED}|\b0x[0-9a-f]+")


def _statement(found: re.Match[str]) -> str:
    """The rest of a statement that sets a password. Which of its values is the password depends on the server."""
    return _SQL_VALUE.sub(HIDDEN, found[0])


PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), f"{HIDDEN} PEM"),
    # A line from the middle of a PEM file, on its own, or behind what a log puts before each line, where it is no hash.
    # OpenSSH's lines have 70 characters, or 76 by older versions of cryptography. And the last one.
    (re.compile(r"(?m)(?:^|(?<=\s)(?=[0-9a-f]*[A-Zg-z+/]))[A-Za-z0-9+/]{64}(?:[A-Za-z0-9+/]{6}){0,2}$"), HIDDEN),
    (re.compile(r"(?m)^[A-Za-z0-9+/]{1,76}={0,2}(?=\r?\n-----END )"), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*"), f"{HIDDEN} token"),
    # As far as the last @ of the word: an unquoted password may have one in it.
    (re.compile(r"(?<=://)([^\s:/@]*):\S*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b(authorization\W{1,4}\w+\s+|bearer\s+)[^\s\"',]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)((?:set-)?cookie:\s*)[^\n]+"), rf"\1{HIDDEN}"),
    # To the end of the statement, or to an empty line.
    (
        re.compile(rf"(?i)\b(?:identified\s+(?:by|with|via)|set\s+password)\b(?:{_QUOTED}|[^;'\"\n]|\n(?!\n))*+"),
        _statement,
    ),
    (re.compile(rf"(?i)\b((?:old_)?password(?:\s{{1,9}}|\s{{0,9}}\(\s{{0,9}})){_QUOTED}"), rf"\1{HIDDEN}"),
    # The password of MySQL's clients follows the option without a blank.
    (
        re.compile(
            rf"""\b((?:mysql|mariadb)[\w-]{{0,20}}(?:\s[^\n]{{0,200}}?)?\s)"""
            rf"""(?:-p{_WORD}|'-p[^'\n]++'?|"-p(?:[^"\\\n]|\\.?)++"?)"""
        ),
        rf"\1-p{HIDDEN}",
    ),
    (re.compile(rf"\b((?:mysql|mariadb-)admin\b[^\n]{{0,200}}?\spassword\s{{1,9}}){_WORD}"), rf"\1{HIDDEN}"),
    # Addresses without a scheme, as Go's drivers take them: one attempt a word, as far as its last @ before a server.
    (
        re.compile(r"(?<!\S)([^\s:]*+):(?!//)\S*@(?=\w{0,16}\(|/\w|[\w.-]{1,253}:\d{2,5}(?!\w))"),
        rf"\1:{HIDDEN}@",
    ),
    # A name and its value apart, as in the variables of a container.
    (
        re.compile(
            rf"""(?ix)
            (\b(?:name|key)["']?\s{{0,9}}[:=]\s{{0,9}}["']?[\w.-]{{0,64}}?{_SENSITIVE}[\w.-]{{0,64}}+["']?
             \s{{0,64}}+(?:,\s{{0,64}}+)?["']?value["']?\s{{0,9}}[:=]\s{{0,9}})
            (?:{_QUOTED}|[^\s,;}}]+)
            """
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(hooks\.slack\.com/services/)[\w/-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(<\w*(?:pass|token|secret)\w*>)[^<]+"), rf"\1{HIDDEN}"),
    (re.compile(rf"(?i)((?<![\w-])--[\w-]*(?:pass|passwd|password|token|secret)\s{{1,9}}){_WORD}"), rf"\1{HIDDEN}"),
    (
        # From the beginning of a name: elsewhere a long line would be looked through again from each of its letters.
        re.compile(
            rf"""(?ix)
            ((?<![\w.-])[\w.-]*{_SENSITIVE}(?:[_-][\w-]{{1,32}})?["']?\s*(?:=>|[=:])\s*)
            (?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.|'')*'|[^\s,;}}]+)
            """
        ),
        rf"\1{HIDDEN}",
    ),
)


def redact(text: str, known: tuple[str, ...] = ()) -> str:
    """Text from other sources (log lines, events) without anything that looks like a secret and without the `known`
    secrets.

    Known values are found in the encodings below. A line with a short one is hidden completely, because hiding only the
    value would show its position. These look like secrets: PEM, JSON web tokens, passwords in URLs, bearer tokens,
    values of names like `password`.
    """
    long, short = _patterns_of(known)
    if short:
        text = "\n".join(
            f"{HIDDEN} line" if any(pattern.search(line) for pattern in short) else line for line in text.split("\n")
        )
    for known_value in long:
        text = known_value.sub(HIDDEN, text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


@functools.lru_cache(maxsize=64)
def _patterns_of(known: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[str], ...]]:
    """Patterns for all values, longest first, and separately those for short values."""
    # Logs are read line by line, and a value may have several.
    parts = {part for value in known for part in (value, *value.splitlines())} - {""}
    ordered = sorted(parts, key=lambda part: (-len(part), part))
    return (
        tuple(_pattern_of(part) for part in ordered if len(part) >= SHORTEST_VALUE),
        tuple(_pattern_of(part) for part in ordered if len(part) < SHORTEST_VALUE),
    )


def _pattern_of(value: str) -> re.Pattern[str]:
    """A value in the forms in which programs may write it.

    Covered, also mixed and one in the other: backslashes of any language and any number (Python, JSON in JSON, YAML,
    SQL, shells; hexadecimal, octal and Unicode escapes), quotes doubled or taken apart for a shell, percent signs of
    URLs (also twice, doubled for configparser, and with only some characters encoded, as SQLAlchemy does), `+` for a
    blank, entities of HTML and XML; UTF-8 read as Latin-1 and the reverse; hexadecimal; Base64 of the value in UTF-8,
    Latin-1 and UTF-16, and of its form in a URL, wherever it stands in something longer. Not covered: what is broken
    over lines, lists of numbers, Base32, anything compressed or encrypted.
    """
    as_bytes = {value.encode("utf-8", "surrogateescape")}
    with contextlib.suppress(UnicodeEncodeError):
        as_bytes.add(value.encode("latin-1"))
    # Read in the other encoding than it was written in.
    texts = {value} | {data.decode(encoding, "replace") for data in as_bytes for encoding in ("utf-8", "latin-1")}
    # Quotes are doubled, or taken apart for a shell.
    apart = {"''": "'", "'\\''": "'", "'\"'\"'": "'", '""': '"'}
    texts |= {text.replace(quote_mark, instead) for text in texts for instead, quote_mark in apart.items()}
    codes: set[str] = set()
    for data in as_bytes:
        codes |= {data.hex(), data.hex().upper(), data.hex(":"), data.hex(" ")}
        codes |= _base64_forms(data)
        for quoted in (quote(data, ""), quote(data, " +"), quote(data, "/"), quote_plus(data)):
            codes |= _base64_forms(quoted.encode())
    for encoding in ("utf-16-le", "utf-16-be"):
        codes |= _base64_forms(value.encode(encoding, "surrogatepass"))
    literals = sorted(
        (re.escape(code) for code in codes if len(code) >= len(value)), key=lambda code: (-len(code), code)
    )
    spelled = map(_spelled, sorted(texts, key=lambda text: (-len(text), text)))
    # As they are, because a value may have a code in it: `&amp;`, `%25`.
    whole = [value, html.escape(value), html.escape(value, quote=False), *(quote(data, "") for data in as_bytes)]
    return re.compile("|".join([*map(re.escape, whole), *spelled, *literals]))


# Escapes put a backslash before a character, and each further one doubles it. All numbers are bounded, and what has
# matched a character gives nothing back: so the time for a text is proportional to its length, whatever is in it.
_SLASHES = r"\\{0,16}+"
_NAMED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\0": "0"}


def _spelled(text: str) -> str:
    """A pattern for a text, each of whose characters may be written in any way."""
    pattern = ""
    for run in re.finditer(r"(.)\1*", text, re.DOTALL):
        character, count = run[1], len(run[0])
        codes = "|".join(_coded(character))
        if character == "\\":
            pattern += rf"(?:\\|{codes}){{{count},{16 * count}}}+"
        elif character.isascii() and character.isalnum():
            pattern += run[0]
        elif character == "%":
            pattern += rf"{_SLASHES}(?:(?:{codes}){{{count}}}|%{{{count},{2 * count}}}+)"
        else:
            each = f"(?:{'|'.join([codes, *_plain(character)])})"
            pattern += f"(?>{_SLASHES}{each})"
            pattern += f"(?:{_SLASHES}{each}){{{count - 1}}}+"
    return pattern


def _plain(character: str) -> list[str]:
    """A character as itself, and what URLs and HTML make of it."""
    return {"&": ["&(?:amp;){0,3}"], " ": [" ", r"\+"]}.get(character, [re.escape(character)])


@functools.lru_cache(maxsize=256)
def _coded(character: str) -> tuple[str, ...]:
    """Codes for a character, as far as they don't begin with a backslash, which was passed over then."""
    number, codes = ord(character), []
    encoded = {character.encode("utf-8", "surrogateescape")} | ({bytes([number])} if number < 256 else set())
    for data in sorted(encoded):
        codes.append("".join(f"%%?(?:25){{0,3}}(?i:{byte:02x})" for byte in data))
        codes.append(r"(?<=\\)" + r"\\{1,16}+".join(f"x(?i:{byte:02x})" for byte in data))
        codes.append(r"(?<=\\)" + r"\\{1,16}+".join(f"{byte:03o}" for byte in data))
    units = character.encode("utf-16-be", "surrogatepass").hex()
    pairs = [units[at : at + 4] for at in range(0, len(units), 4)]
    codes.append(r"(?<=\\)" + r"\\{1,16}+".join(f"u(?i:{pair})" for pair in pairs))
    codes.append(rf"(?<=\\)(?:U(?i:{number:08x})|u\{{(?i:0{{0,6}}{number:x})\}})")
    if character in _NAMED:
        codes.append(r"(?<=\\)" + _NAMED[character])
    names = [f"#0{{0,6}}{number}", f"#[xX]0{{0,6}}(?i:{number:x})"]
    names += [name.rstrip(";") for name, meant in html.entities.html5.items() if meant == character]
    codes.append(f"&(?:amp;){{0,3}}(?:{'|'.join(names)});")
    return tuple(codes)


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


def secret_forms(password: bytes) -> tuple[str, ...]:
    """The password in the forms that may appear in a log: plain, and as each driver encodes it in a URL."""
    forms = {password.decode("utf-8", "replace"), password.decode("latin-1")}
    return tuple(forms | {quote(form, safe="") for form in forms})
