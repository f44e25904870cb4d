# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import html
import json
import math
import re
import shlex
from urllib.parse import quote, quote_plus
from xml.sax import saxutils

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.redaction import HIDDEN, redact

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJDQU5BUlkifQ.Q0FOQVJZ-signature_Q0FOQVJZ"
PEM = "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\nCANARY\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        "mysql+pymysql://airflow:CANARY@mysql:3306/airflow",
        "mysql://airflow:CANARY%40%7C@mysql/airflow",
        "mysql://airflow:CANARY@p|x@mysql/airflow",  # not quoted as it should be
        "postgresql://:CANARY@host/x",
        f"token {JWT}",
        f"Cookie: _token={JWT}; path=/",
        f"Authorization: Bearer {JWT}",
        "Authorization: Bearer CANARY",
        "Authorization: Basic CANARY",
        "authorization='bearer CANARY'",
        "AWS_SECRET_ACCESS_KEY=CANARY/x",
        '"password": "abc\\"CANARY"',
        "DB_PASS=CANARY",
        "x-api-key: CANARY",
        "account_key=CANARY;",
        "credentials=CANARY",
        "passphrase: CANARY",
        "SECRET_KEY_BASE=CANARY",
        "mysql --password CANARY -e x",
        "mysql --password 'with a blank, CANARY' -e x",
        "mariadb-dump -h x -pCANARY airflow",
        "sh: mysql -h mysql -u x -p'CANARY' airflow: not found",
        "mysql -p'with a blank, CANARY' airflow",
        'mysql -p"CANARY" airflow',
        "mysql -ppart'CANARY' airflow",
        "mysql -p\\'CANARY airflow",
        "+ mysql -h mysql '-pwith a blank, CANARY' airflow",
        '+ mysql -h mysql "-pCANARY" airflow',
        "mysqldump -pfirst x | mysql -pCANARY y",
        "mysqladmin -u root password CANARY",
        "mariadb-admin password 'with a blank, CANARY'",
        "DATA_SOURCE_NAME=airflow:CANARY@(mysql:3306)/airflow",
        "dsn airflow:CANARY@tcp(mysql:3306)/airflow",
        "dsn airflow:p@ss:CANARY@unix(/run/mysqld.sock)/airflow",
        "dsn airflow:CANARY@/airflow",
        "dsn airflow:CANARY@mysql:3306/airflow",
        '{"name": "MYSQL_PASSWORD", "value": "CANARY"}',
        "{'name': 'MYSQL_PASSWORD',\n 'value': 'with a blank, CANARY'}",
        "- name: API_TOKEN\n  value: CANARY",
        '{"key": "db-password", "value": "abc\\"CANARY"}',
        "<password>CANARY</password>",
        "https://hooks.slack.com/services/T0/B0/CANARY",
        "ALTER USER x IDENTIFIED BY 'CANARY'",
        "ALTER USER x IDENTIFIED BY 'it''s CANARY'",
        "ALTER USER x IDENTIFIED BY 'it\\'s CANARY'",
        "ALTER USER x IDENTIFIED BY 'cut off after CANARY",
        "ALTER USER x IDENTIFIED BY 'cut off after CANARY\\",
        "CREATE USER 'x'@'%' IDENTIFIED WITH caching_sha2_password BY 'CANARY'",
        "ALTER USER x IDENTIFIED VIA mysql_native_password USING PASSWORD('CANARY')",
        "ALTER USER x IDENTIFIED BY 'new;'\n  REPLACE 'CANARY'",
        "GRANT ALL ON x.* TO x IDENTIFIED WITH mysql_native_password AS 'CANARY'",
        'ALTER USER x IDENTIFIED WITH y AS "CANARY"',
        "SET PASSWORD = 'CANARY'",
        "SET PASSWORD FOR 'x'@'%' = PASSWORD('CANARY')",
        "SET @hash = OLD_PASSWORD('CANARY')",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x', PASSWORD 'CANARY')",
        "CHANGE REPLICATION SOURCE TO SOURCE_USER='r', SOURCE_PASSWORD='CANARY'",
        "password='it''s CANARY'",
        "password => CANARY",
        "Set-Cookie: session=CANARY; path=/",
        PEM,
        f"before {PEM} after",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY and the rest is cut off",
        "password=CANARY",
        "password: CANARY",
        '{"password": "CANARY and more", "x": 1}',
        "MYSQL_PASSWORD='CANARY'",
        "fernet_key = CANARY",
        "[api_auth] jwt_secret = CANARY",
        "secret_key=CANARY",
        "secretkey: CANARY",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text):
    hidden = redact(text)
    assert "CANARY" not in hidden
    assert "Q0FOQVJZ" not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Access denied for user 'airflow'@'10.0.0.1' (using password: YES)"[:40],
        "http://127.0.0.1:31280/hopsworks-api/airflow/ answered 502",
        'Back-off pulling image "apache/airflow:3.0.6": ErrImagePull: not found',
        "ModuleNotFoundError: No module named 'MySQLdb'",
        'secret "later" not found',
        'MountVolume.SetUp failed for volume "secrets" : secret "later" not found',
        "mysql://mysql:3306/airflow",
        "mysql -P 3306 --protocol=tcp: a sub-path",
        "user@example.com wrote",
        "apache/airflow:3.0.6@sha256:" + "a" * 64,
        '{"name": "MYSQL_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "x"}}}',
        '{"name": "MYSQL_HOST", "value": "mysql"}',
        "the host is identified by a number; it's there, and 'x' too",
        "mysqladmin: connect failed for 'root'@'localhost'",
        "mysql -u x -p airflow",
        "03:00:00 root@mysql:3306 answers",
        "sha256:" + "a" * 64,
        "2026-11-22T03:00:00Z event Pod airflow-webserver-7d4f: Unhealthy: Readiness probe failed",
    ],
)
def test_the_rest_is_left_readable(text):
    assert redact(text) == text


def test_the_rest_of_a_statement_is_left():
    text = "ALTER USER x IDENTIFIED WITH y AS 0x2441CA REQUIRE NONE; SELECT 'z'"
    assert redact(text) == f"ALTER USER x IDENTIFIED WITH y AS {HIDDEN} REQUIRE NONE; SELECT 'z'"
    assert redact("IDENTIFIED BY 'a'\n\nit said 'b'") == f"IDENTIFIED BY {HIDDEN}\n\nit said 'b'"


# Beginnings of what is looked for, of which none comes to its end.
NEVER_ENDING = [
    "identified by ",
    "identified by 'x''",
    "set password '\\",
    "mysql -p ",
    "mysql '-p ",
    "mysqladmin password ",
    "a:b@",
    "a:",
    "name: password, ",
    "name: pass",
    "password(",
    "'",
    " " * 50,
]


@pytest.mark.parametrize("text", NEVER_ENDING)
def test_a_long_text_is_looked_through_once(text):
    """Would take hours if it were looked through again from each beginning."""
    assert redact(text * (1_000_000 // len(text)))


def test_the_host_of_a_url_is_left():
    assert redact("mysql://airflow:CANARY@mysql:3306/airflow") == f"mysql://airflow:{HIDDEN}@mysql:3306/airflow"


@pytest.mark.parametrize("text", ["p|ss %w&o", "p%7Css%20%25w%26o", "p%7Css+%25w%26o"])
def test_known_values_are_hidden_in_every_form(text):
    assert redact(f"it is {text}!", ("p|ss %w&o",)) == f"it is {HIDDEN}!"


VALUES = [
    "Sp ace+d/pa:ss&wo=rd",
    "\\\\a\\'%25'%\"\"b\\",
    "p|ss %w&o",
    "CANARY-db-pä|ss%w&o\"r'd $x{7}",
    "a'b\"c\\d`e",
    "tab\there",
    "ünïcödé",
    "<tag>&amp;",
    "a/b+c==",
]
FORMS = {
    "repr": repr,
    "ascii": ascii,
    "a repr with a quote in it": lambda value: repr(value + "'"),
    "bytes": lambda value: repr(value.encode()),
    "Latin-1 bytes": lambda value: repr(value.encode("latin-1")),
    "JSON": json.dumps,
    "JSON with letters": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps({"x": value}),
    "a URL": lambda value: "mysql://mysql/x?password=" + quote(value, ""),
    "a form": lambda value: "x=" + quote_plus(value),
    "a URL in lower case": lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, "")),
    "a URL with Latin-1": lambda value: quote(value.encode("latin-1"), ""),
    "a URL in configparser": lambda value: quote(value, "").replace("%", "%%"),
    "a URL in a URL": lambda value: quote(quote(value, ""), ""),
    "a shell": shlex.quote,
    "a shell by hand": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of bytes before": lambda value: base64.b64encode(b"user:" + value.encode()).decode(),
    "base64 of more before": lambda value: base64.b64encode(b"airflow:" + value.encode() + b" and more").decode(),
    "base64 in a URL": lambda value: base64.urlsafe_b64encode(b"u:" + value.encode()).decode(),
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "HTML": html.escape,
    "XML": saxutils.escape,
    "wrongly decoded": lambda value: value.encode().decode("latin-1"),
    "SQL": lambda value: "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"') + "'",
    "JSON twice": lambda value: json.dumps(json.dumps(value)),
    "a repr of a repr": lambda value: repr(repr(value)),
    "YAML": lambda value: re.sub(
        r"[^ -~]", lambda match: f"\\x{ord(match[0]):02X}", json.dumps(value, ensure_ascii=False)
    ),
    "JSON in capitals": lambda value: re.sub(r"u00..", lambda match: f"u{match[0][1:].upper()}", json.dumps(value)),
    "octal": lambda value: "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in value.encode()),
    "a URL of SQLAlchemy 1.4": lambda value: re.sub("[:@/]", lambda match: f"%{ord(match[0]):X}", value),
    "a URL of SQLAlchemy 2": lambda value: quote(value, safe=" +"),
    "a URL in a URL, in part": lambda value: quote(quote(value, "/"), "/"),
    "CSV": lambda value: value.replace('"', '""'),
    "HTML by numbers": lambda value: re.sub("""[^ -~]|["'&<>]""", lambda match: f"&#{ord(match[0])};", value),
    "JSON in HTML": lambda value: html.escape(json.dumps(value)[1:-1]),
    "base64 of a URL": lambda value: base64.b64encode(f"x:{quote(value, '')}@y".encode()).decode(),
    "base64 of Latin-1": lambda value: base64.b64encode(value.encode("latin-1")).decode(),
    "hex of Latin-1": lambda value: value.encode("latin-1").hex(),
    "base64 of UTF-16": lambda value: base64.b64encode(value.encode("utf-16-le")).decode(),
    "Unicode escapes of eight digits": lambda value: re.sub(
        r"[^ -~]|['\"]", lambda match: f"\\U{ord(match[0]):08x}", value
    ),
    "Unicode escapes in braces": lambda value: re.sub(
        r"[^ -~]|['\"]", lambda match: f"\\u{{{ord(match[0]):X}}}", value
    ),
    "SQL with quotes doubled": lambda value: value.replace("'", "''"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", VALUES)
def test_known_values_are_hidden_in_every_encoding(value, form):
    text = FORMS[form](value)

    hidden = redact(f"before {text} after", (value,))

    assert HIDDEN in hidden
    left = hidden.replace("before", "").replace("after", "").replace(HIDDEN, "")
    # What is around the value in some of the forms may be left, and of base64 the characters that mix the two.
    pieces = {text[at : at + 5] for at in range(len(text) - 4)}
    assert not pieces & {left[at : at + 5] for at in range(len(left) - 4)} or form in AROUND


AROUND = (
    "JSON in JSON",
    "a URL",
    "base64 of bytes before",
    "base64 of more before",
    "base64 in a URL",
    "base64 of a URL",
)


@pytest.mark.parametrize("after", ["", "x", "xx", "xxx"])
@pytest.mark.parametrize("before", ["", "x", "xx", "xxx"])
@pytest.mark.parametrize("value", ["sixsix", "sevenup", "eighty-8", "forty-seven"])
def test_base64_leaves_no_character_that_is_of_a_known_value_alone(value, before, after):
    """A character stands for six bits: at both ends one may have bits of the value and of a neighbour."""
    text = base64.b64encode(f"{before}{value}{after}".encode()).decode()
    left, _hidden, right = redact(f"<{text}>", (value,)).partition(HIDDEN)

    begin, end = 8 * len(before), 8 * len(before + value)
    assert len(left.lstrip("<")) <= math.ceil(begin / 6)
    assert len(right.rstrip("=>")) <= math.ceil((end + 8 * len(after)) / 6) - end // 6


def test_a_character_beyond_latin_1_is_known():
    assert redact("it is \\u0100bcdefg!", ("\u0100bcdefg",)) == f"it is {HIDDEN}!"


@pytest.mark.parametrize("value", ["5", "abc", "p'w", "ä&%"])
@pytest.mark.parametrize("form", ["repr", "JSON", "a form", "a shell", "HTML"])
def test_lines_with_a_short_known_value_are_hidden_whole(value, form):
    text = f"one\nbefore {FORMS[form](value)} after\nthree"

    assert redact(text, (value,)) == f"one\n{HIDDEN} line\nthree"


@pytest.mark.parametrize(("value", "left"), [("sixsix", f"it is {HIDDEN}!"), ("fives", f"{HIDDEN} line")])
def test_a_value_of_six_characters_is_hidden_by_itself(value, left):
    assert redact(f"it is {value}!", (value,)) == left


def test_no_value_is_no_value():
    assert redact("all of it", ("", "\n")) == "all of it"


def test_lines_of_a_known_value_are_hidden_by_themselves():
    assert "CANARY" not in redact("x CANARY-two y", ("CANARY-one\nCANARY-two",))


def test_a_known_value_inside_a_longer_one_leaves_no_rest():
    assert "tail" not in redact("CANARY-tail", ("CANARY", "CANARY-tail"))


@pytest.mark.parametrize("value", ["%" * 30, "'\"" * 15, "\\" * 30, "&" * 30, "%25" * 10, "a\\" * 15, "+ " * 15])
def test_a_value_of_characters_that_are_quoted_is_looked_for_in_one_pass(value):
    """Would never end if it were tried in every way that its characters can be written."""
    assert redact(value * 100, (f"{value}-and-an-end",)) == value * 100
