# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.redaction import HIDDEN, redact

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
        "mysql://mysql:3306/airflow",
        "user@example.com wrote",
        "sha256:" + "a" * 64,
        "2026-11-22T03:00:00Z event Pod airflow-webserver-7d4f: Unhealthy: Readiness probe failed",
    ],
)
def test_the_rest_is_left_readable(text):
    assert redact(text) == text


def test_the_host_of_a_url_is_left():
    assert redact("mysql://airflow:CANARY@mysql:3306/airflow") == f"mysql://airflow:{HIDDEN}@mysql:3306/airflow"


@pytest.mark.parametrize("text", ["p|ss %w&o", "p%7Css%20%25w%26o", "p%7Css+%25w%26o"])
def test_known_values_are_hidden_in_every_form(text):
    assert redact(f"it is {text}!", ("p|ss %w&o",)) == f"it is {HIDDEN}!"


def test_short_known_values_do_not_hide_half_of_the_log():
    assert redact("a 5 b", ("5",)) == "a 5 b"


def test_a_known_value_inside_a_longer_one_leaves_no_rest():
    assert "tail" not in redact("CANARY-tail", ("CANARY", "CANARY-tail"))
