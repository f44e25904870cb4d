# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown of a pod that fails: its log and events, without what its Secrets hold, and with all else."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.hopsworks.airflow.plugins.module_utils._common import secret_texts as secret_texts_module
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.redaction import redact
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.evidence import evidence
from ansible_collections.hopsworks.airflow.tests.unit.common.test_secret_texts import lines_of

BASE = "/api/v1/namespaces/lab"
CAUSE = "AirflowConfigException: {x} error: can't use 'scheduler' at line 12 of /run/airflow/airflow.cfg, port 3306"
KEYS = {
    "generation": "1",
    "jwks.json": '{\n  "keys": [\n    {"kty": "RSA", "n": "AirflowConfigException", "kid": "scheduler"}\n  ]\n}',
    "scheduler.kid": "scheduler",
    "scheduler-public.pem": "-----BEGIN PUBLIC KEY-----\nscheduler\n-----END PUBLIC KEY-----\n",
}


@pytest.fixture
def shown(api_server):
    def shown(log, variables=(), **entries):
        """What is shown of a pod with this log and one Secret."""
        data = {name: base64.b64encode(text.encode()).decode() for name, text in entries.items()}
        api_server.objects[f"{BASE}/secrets/keys"] = {"metadata": {"name": "keys"}, "data": data}
        api_server.objects[f"{BASE}/pods/web-1-x/log"] = log
        involved = {"kind": "Pod", "name": "web-1-x"}
        api_server.objects[f"{BASE}/events/e"] = {
            "metadata": {"name": "e"},
            "reason": "BackOff",
            "message": "back-off 1m20s",
            "lastTimestamp": "2026-11-28T03:12:10Z",
            "involvedObject": involved,
        }
        container = {"name": "web", "env": [*variables]}
        volume = {"name": "secrets", "projected": {"sources": [{"secret": {"name": "keys"}}]}}
        pod = {"metadata": {"name": "web-1-x"}, "spec": {"containers": [container], "volumes": [volume]}}
        cluster = api_server.cluster()
        return "\n".join(evidence(cluster, Objects(cluster), ["web-1-x"], pod=pod, container="web"))

    return shown


@pytest.mark.parametrize(
    "entries",
    [
        KEYS,
        {"flag": "true", "number": "12", "brace": "{"},
        {"username": "scheduler", "port": "3306", "password": "CANARY-1"},
        {"connection": json.dumps({"port": 3306, "x": "line", "y": True, "z": None, "tls": {"min": "12"}})},
        {"settings": "[x]\nmode = use\n{\nport: 3306\n"},
    ],
    ids=["signing keys", "trivial", "beside a password", "document", "settings"],
)
def test_what_is_no_secret_hides_nothing(shown, entries):
    lines = shown(CAUSE, **entries)
    assert CAUSE in lines
    assert "back-off 1m20s" in lines


@pytest.mark.parametrize(
    "entries",
    [
        {"airflow": "CANARY-9"},
        {"airflow": "C4N"},
        {"username": "CANARY-9"},  # the password of a user of that name
        {"lake": json.dumps({"conn_type": "x", "extra": {"access": "CANARY-9"}})},
        {"lake": json.dumps({"conn_type": "x", "extra": json.dumps({"deep": [["CANARY-9"]]})})},
        {"lake": json.dumps([1, {"x": ["CANARY-9"]}])},
        {"lake": json.dumps({"password": "C4N"})},
        {"passwords.json": json.dumps({"admin": "C4N"})},
        {"lake": json.dumps({"number": 19283746})},
        {"settings.ini": "[database]\nsql = CANARY-9\n"},
        {"settings.ini": "[smtp]\nsmtp_password = C4N\n"},
        {"settings.yaml": "smtp:\n  hosts:\n    - secret: 'C4N'\n"},
        {"env": 'export SOMETHING="CANARY-9"'},
        {"url": "mysql://airflow:CANARY-9@mysql/airflow"},
        {"url": "mysql://airflow:CANARY%2D9@mysql/airflow"},
        {"lake": json.dumps({"uri": "mysql://airflow:CANARY-9@mysql/airflow"})},
        {"url": "aws://?secret=C4N"},
        {"several": "first\nCANARY-9\n"},
        {"several": "first\nC4NA\n"},
        {"jwks.json": json.dumps({"keys": [{"kty": "oct", "k": "CANARY-9"}]})},
        {"generation": "CANARY-9"},
        {"x-public.pem": "CANARY-9"},
    ],
)
def test_what_a_secret_holds_is_hidden_wherever_it_stands(shown, entries):
    lines = shown("rejected: got CANARY-9 C4N C4NA 19283746 at last", **entries)
    short = "C4NA" if "C4NA" in str(entries) else "C4N"
    wanted = next((text for text in ("CANARY-9", "19283746") if text in str(entries).replace("%2D", "-")), short)
    assert "log of web" in lines or "(hidden) line" in lines
    assert wanted not in lines.split()


def test_a_secret_that_is_shown_as_a_whole_is_hidden(shown):
    document = json.dumps({"auths": {"registry": {"auth": "CANARY-9"}}}, indent=2)
    key = "-----BEGIN X-----\nQ0FOQVJZQ0FOQVJZ\n-----END X-----"
    lines = [base64.b64encode(text.encode()).decode() for text in (document, key)]
    found = shown("\n".join([*lines, "Q0FOQVJZQ0FOQVJZ"]), document=document, inner=json.dumps({"x": key}), key=key)
    assert not any(line in found for line in [*lines, "Q0FOQVJZQ0FOQVJZ"])


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8", "OpenSSH"])
@pytest.mark.parametrize("lines", [200, 20, 10, 3])
def test_a_key_whose_begin_is_cut_off_is_hidden(shown, form, lines):
    """The last lines of a log, and a key that is in none of the pod's Secrets."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    coded = key.private_bytes(
        serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), serialization.NoEncryption()
    )
    text = coded.decode().splitlines()
    found = shown("\n".join([*text, "scheduler: it can't be read"][-lines:]))
    assert "log of web in web-1-x: scheduler: it can't be read" in found
    assert [line for line in text if line in found and not line.startswith("-----")] == []


@pytest.mark.parametrize("width", [64, 70, 76])
def test_a_key_is_hidden_however_long_its_lines_are(shown, width):
    coded = base64.b64encode(bytes(range(256))).decode()
    lines = [coded[at : at + width] for at in range(0, len(coded), width)]
    found = shown("\n".join([*lines, "-----END PRIVATE KEY-----", "scheduler: it can't be read"]))
    assert [line for line in lines if line in found] == []


def test_a_line_of_a_key_is_hidden_behind_what_a_log_puts_before_it():
    before, line = "[2026-11-29T03:00:00.000+0000] {logging_mixin.py:188} INFO - ", "Mz/9" * 16
    assert redact(before + line) == f"{before}(hidden)"
    container = f"can't remove container {'0af9' * 16}"
    assert redact(container) == container


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MYSQL_PASSWORD", "CANARY-1"),
        ("AIRFLOW__CORE__FERNET_KEY", "CANARY-1"),
        ("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "mysql://airflow:CANARY-1@mysql/airflow"),
        ("BROKER", "redis://:CANARY%2D1@redis:6379/0"),
    ],
)
def test_what_is_secret_in_the_variables_of_a_pod_is_hidden(shown, name, value):
    """Older deployments have passwords there, and not in a Secret."""
    found = shown("can't log in as airflow with CANARY-1 at mysql", [{"name": name, "value": value}])
    assert "can't log in as airflow with" in found
    assert "CANARY" not in found


def test_other_variables_of_a_pod_hide_nothing(shown):
    plain = {"AIRFLOW_SIGNING_KEY": "scheduler", "TOKEN_SECONDS": "3306", "AIRFLOW_HOME": "/run/airflow", "X": ""}
    variables = [{"name": name, "value": value} for name, value in plain.items()]
    variables.append({"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x"}}})
    assert CAUSE in shown(CAUSE, variables)


def test_what_is_too_long_to_look_for_in_all_forms_is_hidden_as_it_is(shown, monkeypatch):
    looked = []
    monkeypatch.setattr(
        secret_texts_module, "redact", lambda text, known: looked.append(sum(map(len, known))) or redact(text, known)
    )
    lines = lines_of(1)
    log = "\n".join(["CANARY-9", lines[7], json.dumps(f"{lines[9]}/{lines[10]}"), "/".join(lines[20:22])])
    found = shown(log, large="\n".join(lines), larger="/".join(lines_of(2) + lines), airflow="CANARY-9")
    assert "CANARY-9" not in found
    assert not any(line in found for line in lines)
    assert max(looked) <= secret_texts_module.THOROUGH_CHARACTERS
