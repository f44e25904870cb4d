# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A document that is nested without end is told like any other that is none."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import requests

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import acceptance
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.login import password_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.documents import parse
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import in_pod
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwks import read_jwks
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.execute import exit_code
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.unreachable import message_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe import measurement
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Answer, is_airflow_3, is_json
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import in_words

DEEP = ["[" * 100_000, '{"keys":' * 100_000, '{"begun":' * 100_000]


@pytest.mark.parametrize("deep", DEEP)
def test_it_is_no_document(deep):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(deep)
    assert parse(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("deep", [text.encode() for text in DEEP])
def test_in_a_secret_it_is_told_with_the_entry(deep):
    entries = {"jwks.json": deep, "passwords.json": deep}
    with pytest.raises(OperatorError, match=r"entry jwks\.json of Secret keys holds no key set"):
        read_jwks(deep, "keys")
    with pytest.raises(OperatorError, match=r"no entry jwks\.json"):
        acceptance.published_kids(entries, "keys")
    cluster = SimpleNamespace(secret_entries=lambda _name: entries)
    with pytest.raises(OperatorError, match=r"no password for admin in its entry passwords\.json"):
        password_of(cluster, {"secret": "s", "user": "admin", "key": "passwords.json"})
    for read in (in_pod.kids_of, in_pod.users_of):
        with pytest.raises(ValueError, match="is no"):
            read(deep)


@pytest.mark.parametrize("deep", [text.encode() for text in DEEP])
def test_as_an_answer_it_is_that_of_somebody_else(deep, tmp_path):
    assert not is_json(Answer(200, body=deep))
    assert not is_airflow_3(Answer(200, body=deep))
    assert exit_code(deep) is None
    assert message_of(SimpleNamespace(body=deep, reason="Forbidden")) == "Forbidden"
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(deep + b"\n")
    assert measurement.read(samples).samples == []

    answer = requests.Response()
    answer.status_code, answer._content = 200, deep
    api = AirflowApi("http://127.0.0.1:1/")
    api._request = lambda *_arguments, **_options: answer
    with pytest.raises(OperatorError, match="something that is not Airflow 3"):
        api.get("/api/v2/version")
    with pytest.raises(OperatorError, match="pod-1 answered 200"):
        acceptance.ask(api, "pod-1", acceptance.Question({}, frozenset(), "a"))


def test_whoever_else_reads_one_ends_in_words_that_say_who_it_was():
    """The API client, for one, whose parsing nobody can change."""

    def reading_of_a_client():
        return json.loads(DEEP[0])

    result = in_words(SimpleNamespace(server="s"), reading_of_a_client)
    assert result["failed"]
    assert "nested too deeply" in result["failure"]["found"]
    assert any("reading_of_a_client" in line for line in result["failure"]["evidence"])
