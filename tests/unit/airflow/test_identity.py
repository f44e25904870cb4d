# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time
import uuid

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import identity as subject
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.identity import Identity, browser, client, task
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import mint
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import BASE, PASSWORD

CALL = "/api/v2/dags?limit=1"


def status(airflow, headers, path=CALL):
    return airflow.api().send("GET", path, headers=dict(headers)).status_code


def test_a_client_brings_its_token(airflow):
    assert status(airflow, client(airflow.api, "admin", PASSWORD).headers) == 200


@pytest.mark.parametrize("cookie_path", [None, BASE])
def test_a_browser_brings_its_cookie_and_only_3_0_a_bearer_too(airflow, cookie_path):
    airflow.cookie_path = cookie_path
    headers = browser(airflow.api, "admin", PASSWORD).headers
    assert status(airflow, headers) == 200
    assert ("Authorization" in headers) == (airflow.line == "3.0")
    assert "Cookie" in headers


def test_a_browser_whose_cookie_no_pod_accepts_is_told_so(airflow):
    airflow.trusted.clear()
    with pytest.raises(OperatorError, match=r"cookie of a new session was answered with (500|403)"):
        browser(airflow.api, "admin", PASSWORD)


def test_a_task_asks_for_itself_and_nobody_else(airflow, keys):
    own = str(uuid.uuid4())
    claims = {"audience": "urn:airflow.apache.org:task", "issuer": None}
    headers = task(airflow.api, lambda: keys[0], own, claims, 600).headers
    assert status(airflow, headers, f"/execution/task-reschedules/{own}/start_date") == 200
    assert status(airflow, headers, f"/execution/task-reschedules/{uuid.uuid4()}/start_date") == 403
    assert status(airflow, headers) == 403


def test_a_wrong_password_is_refused_and_not_shown(airflow):
    with pytest.raises(OperatorError, match="the login was answered with 401") as raised:
        client(airflow.api, "admin", "CANARY-wrong")
    assert "CANARY" not in str(raised.value)


def test_a_token_is_renewed_shortly_before_its_end_and_not_earlier(airflow, monkeypatch):
    somebody = client(airflow.api, "admin", PASSWORD)
    first = somebody.headers
    now = time.monotonic()
    monkeypatch.setattr(subject.time, "monotonic", lambda: now + 3600 - 61)
    somebody.renew_if_due()
    assert (somebody.renewals, airflow.logins) == (0, 1)
    monkeypatch.setattr(subject.time, "monotonic", lambda: now + 3600 - 59)
    somebody.renew_if_due()
    assert (somebody.renewals, airflow.logins) == (1, 2)
    assert somebody.headers != first


def made_by(obtained):
    """Somebody whose tokens are those, one after the other; an exception among them is raised."""

    def obtain():
        found = next(obtained)
        if isinstance(found, Exception):
            raise found
        return {"Authorization": found}, found

    return Identity(obtain)


def test_a_renewal_that_fails_leaves_the_token_and_is_tried_again(keys, monkeypatch):
    short, later = (mint(keys[0], {}, now=time.time(), lifetime_seconds=life) for life in (0, 600))
    somebody = made_by(iter([short, OSError(), later]))
    somebody.renew_if_due()
    assert somebody.headers == {"Authorization": short}
    somebody.renew_if_due()  # not at once
    assert somebody.renewals == 0
    assert somebody.ended
    now = time.monotonic()
    monkeypatch.setattr(subject.time, "monotonic", lambda: now + 2)
    somebody.renew_if_due()
    assert (somebody.headers, somebody.renewals, somebody.ended) == ({"Authorization": later}, 1, False)


def test_a_server_that_refuses_logins_is_asked_ever_less_often(keys, monkeypatch):
    short = mint(keys[0], {}, now=time.time(), lifetime_seconds=0)
    clock, asked = [0.0], []
    monkeypatch.setattr(subject.time, "monotonic", lambda: clock[0])

    def obtain():
        asked.append(clock[0])
        if len(asked) > 1:
            raise OSError
        return {}, short

    somebody = Identity(obtain)
    for second in range(40):
        clock[0] = float(second)
        somebody.renew_if_due()
    assert asked == [0, 0, 1, 3, 7, 15, 23, 31, 39]


def test_nobody_waits_for_a_renewal(keys):
    short = mint(keys[0], {}, now=time.time(), lifetime_seconds=0)
    asked, answered = threading.Event(), threading.Event()
    calls = []

    def obtain():
        calls.append(1)
        if len(calls) > 1:
            asked.set()
            answered.wait(10)
        return {}, short

    somebody = Identity(obtain)
    renewing = threading.Thread(target=somebody.renew_if_due)
    renewing.start()
    assert asked.wait(10)
    begun = time.monotonic()
    somebody.renew_if_due()
    assert time.monotonic() - begun < 5
    answered.set()
    renewing.join()
    assert len(calls) == 2
