# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that no client can request are told in words, by all of them, before anything is requested."""

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.rest import AirflowApi
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._hopsfs.client import WebHdfs
from ansible_collections.hopsworks.airflow.plugins.module_utils._http.address import problem_of
from ansible_collections.hopsworks.airflow.plugins.module_utils._http.policy import proxy_for, tls_context
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.connection import connect
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryPolicy
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Answer, Expected, Learnt
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.requester import Requester, Target

OK = Expected(frozenset([200]))
# Whose parser, codec or socket would raise something of its own, one after the other.
WRONG = [
    "",
    "h.example.com/airflow",
    "ftp://h.example.com/",
    "https:///airflow",
    "https://:443/",
    "https://[::1/x",
    "https://[::x]/",
    "https://h.example.com]/",
    "https://ex℀mple.com/",
    "https://h:abc/x",
    "https://h:0/x",
    "https://h:99999/x",
    "https://h:-1/x",
    "https://h..example.com/",
    "https://.example.com/",
    "https://müller..test/",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + ".".join(["a" * 60] * 5) + "/",
    "https://h%zz/",
    "https://h*/",
    "https://h.example.com/a b",
    "https://h.example.com/x\n",
    " https://h.example.com/",
    "https://h.example.com/a\x00",
    "https://h.example.com/übersicht",
    "https://ops:CANARY@h.example.com/",
    "https://CANARY@h.example.com:port/",
]
RIGHT = [
    "http://127.0.0.1:12358",
    "https://[::1]:8443/airflow",
    "HTTPS://H.example.com./airflow/",
    "https://müller.example/%C3%BC?x=1#y",
    "http://airflow_web.lab.svc:80/",
    "http://" + "a" * 63 + "/",
]


def told(attempt):
    with pytest.raises(OperatorError) as told:
        attempt()
    assert "CANARY" not in str(told.value)
    assert told.value.untouched.startswith("everything")
    return told.value


@pytest.mark.parametrize("url", RIGHT)
def test_what_can_be_requested_is_no_problem(url):
    assert problem_of(url) is None


@pytest.mark.parametrize("url", WRONG)
def test_the_client_of_the_rest_api_refuses_what_cannot_be_requested(url):
    assert "airflow_public_url" in told(lambda: AirflowApi(url)).next_step


@pytest.mark.parametrize("url", WRONG)
def test_the_measurement_refuses_what_cannot_be_requested(url):
    def ask():
        Requester(Target("ui", url, OK), timeout_seconds=1, context=tls_context())

    assert "`urls`" in told(ask).next_step


@pytest.mark.parametrize("url", ["https://h.example.com/?x=1", "https://h.example.com/#y"])
def test_nothing_can_be_put_behind_a_query(url):
    assert "a query or a fragment" in told(lambda: AirflowApi(url)).found
    Requester(Target("ui", url, OK), timeout_seconds=1, context=tls_context())


@pytest.mark.parametrize("url", WRONG)
def test_an_api_server_of_such_an_address_is_refused(url):
    if url:  # else that of the kubeconfig
        told(lambda: connect({"host": url, "api_key": "key"}, RetryPolicy()))


@pytest.mark.parametrize("url", [*WRONG, "https://namenode:9870/?op=x"])
def test_a_name_node_of_such_an_address_is_refused(url):
    told(lambda: WebHdfs(url, None, print))


# Two of them get what they lack: a proxy may be named without a scheme, and have a user.
@pytest.mark.parametrize("url", [url.replace("https:", "http:") for url in WRONG if "://" in url and "ops:" not in url])
def test_a_proxy_of_such_an_address_is_refused(url):
    told(lambda: proxy_for("http://airflow.example.com/", {"http_proxy": url if url.strip() == url else "a b"}))


def test_a_proxy_may_have_a_user():
    found = proxy_for("http://airflow.example.com/", {"http_proxy": "http://ops:CANARY@proxy.example.com"})
    assert (found.host, found.port) == ("proxy.example.com", 80)


@pytest.mark.parametrize("location", ["http://[::1/x", "https://[x]/?a", "//ex℀mple.com/"])
def test_a_redirect_to_no_address_is_an_answer_as_any_other(location):
    judge = Learnt("https://h.example.com/airflow/")
    answer = Answer(302, location, "text/html", b"")
    assert judge.reason(answer) is not None
    assert judge.learn(answer)
    assert "in front of Airflow" in judge.as_line()["blind"]
    assert judge.reason(answer) is None
