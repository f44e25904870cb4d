# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Credentials that end in the middle of a run are warned of before it begins."""

from __future__ import annotations

import base64
import datetime
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.modules import preflight
from ansible_collections.hopsworks.airflow.tests.unit.kubernetes.support import kubeconfig, pair_as_data, plugin, script

pytestmark = pytest.mark.usefixtures("environment")

MINUTE = 60
HOUR = 60 * MINUTE


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(server, seconds):
    now = datetime.datetime.now(datetime.UTC).timestamp() + server.skew
    return f"{part({'alg': 'RS256'})}.{part({'sub': 'é', 'exp': int(now + seconds)})}.c2ln"


def warnings(server, user, duration=2 * HOUR, **options):
    server.objects["/api/v1/namespaces/lab"] = {"metadata": {"name": "lab"}, "status": {"phase": "Active"}}
    rest = ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform")
    version = {"major": "1", "minor": "34", "gitVersion": "v1.34.0", **dict.fromkeys(rest, "x")}
    server.objects["/version/"] = version
    lists = ("workloads", "sessions", "stopped", "secrets", "changed_secrets", "services")
    rest = {"deployment": None, "rights": False, "runbook": "rotation", "managed_by_others": "refuse"}
    given = {"kubeconfig": kubeconfig({"server": server.host}, user), "duration": duration, **options}
    params = {
        "namespace": "lab",
        "lock": None,
        "stage": None,
        "health": None,
        **{name: [] for name in lists},
        **rest,
        **given,
    }
    said = []
    result = preflight.ACTION.perform("preflight", params, check_mode=False, warn=said.append)
    assert not result.get("failed"), result
    return [text for text in said if "for the API server expires" in text]


@pytest.mark.parametrize("skew", [0, 10 * HOUR])
def test_a_token_that_ends_in_the_middle_of_the_run_is_warned_of(server, skew):
    """By the clock of the API server: that is what it is refused by."""
    server.skew = skew
    (text,) = warnings(server, {"token": token(server, 5 * MINUTE + 20)})
    assert "the token for the API server" in text
    assert "in 5 minutes" in text
    assert "may take 2.0 h" in text
    assert "c2ln" not in text
    assert warnings(server, {"token": token(server, 3 * HOUR)}) == []
    assert warnings(server, {"token": token(server, MINUTE)}, duration=0) == []


def test_a_token_that_was_given_is_looked_at_and_not_that_of_the_kubeconfig(server):
    short, long = token(server, MINUTE), token(server, 3 * HOUR)
    assert warnings(server, {"token": short}, api_key=long) == []
    assert len(warnings(server, {"token": long}, api_key=short)) == 1


def test_a_certificate_that_ends_in_the_middle_of_the_run_is_warned_of(server, tmp_path):
    for name, text in pair_as_data().items():
        (tmp_path / name).write_bytes(base64.b64decode(text))
    options = {
        "client_cert": str(tmp_path / "client-certificate-data"),
        "client_key": str(tmp_path / "client-key-data"),
    }
    (text,) = warnings(server, {"token": "opaque"}, **options)
    assert "the client certificate for the API server" in text
    assert warnings(server, {"token": "opaque"}, duration=30 * MINUTE, **options) == []


@pytest.mark.parametrize("opaque", ["sha256~opaque", "a.b.c", f"a.{part([])}.c", f"a.{part({'exp': 'x'})}.c", "a.é.c"])
def test_a_token_that_tells_nothing_of_its_end_is_no_reason(server, opaque):
    assert warnings(server, {}, host=server.host, username="u", password=opaque) == []
    assert warnings(server, {"token": opaque.encode().decode("latin-1")}) == []


def test_credentials_that_are_renewed_are_no_reason(server, tmp_path):
    short = token(server, 5 * MINUTE)
    (tmp_path / "token").write_text(short, encoding="utf-8")
    assert warnings(server, {"tokenFile": str(tmp_path / "token")}) == []
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": short}}
    assert warnings(server, plugin(script(tmp_path / "plugin", f"echo '{json.dumps(answer)}'"))) == []
