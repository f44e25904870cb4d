# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.contracts import Contracts
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.airflow.fake import BASE, PASSWORD, SHARED_SECRET


@pytest.fixture
def contracts(airflow):
    return Contracts(airflow.api)


def test_all_hold(airflow, contracts):
    airflow.cookie_path = BASE
    contracts.check_login("admin", PASSWORD, BASE)
    contracts.check_invalidation("meb10000", SHARED_SECRET)
    contracts.note_metrics({})
    contracts.raise_if_broken()
    assert set(contracts.results) == {
        "login",
        "cookie_path",
        "call",
        "wrong_signature",
        "unknown_kid",
        "session",
        "invalidate",
        "invalidate_wrong_bearer",
        "metrics",
    }
    assert set(contracts.results.values()) == {"ok"}
    assert contracts.answers["unknown_kid"] == (500 if airflow.line == "3.0" else 403)
    assert airflow.evicted == ["meb10000"]


def broken(contracts):
    with pytest.raises(OperatorError) as raised:
        contracts.raise_if_broken()
    assert "CANARY" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(("path", "holds"), [(BASE, True), (BASE + "/", True), ("/", False), ("/other", False)])
def test_the_cookie_of_the_login_has_the_path_of_the_deployment(airflow, contracts, path, holds):
    airflow.cookie_path = path
    contracts.check_login("admin", PASSWORD, BASE)
    assert ("cookie_path" not in contracts.failed) == holds
    if not holds:
        assert f"cookie_path: the cookie's path is {path}, not {BASE}" in broken(contracts).found


def test_without_a_cookie_from_the_login_its_path_shows_where_the_server_takes_cookies(airflow, contracts):
    contracts.check_login("admin", PASSWORD, BASE)
    assert contracts.failed == []
    assert contracts.results["cookie_path"].startswith("not applicable" if airflow.line == "3.0" else "ok")


def test_a_path_that_a_proxy_rewrote_is_found_by_the_cookie_that_is_taken_back(airflow, contracts):
    contracts.check_login("admin", PASSWORD, "/elsewhere")
    assert ("cookie_path" in contracts.failed) == (airflow.line == "3.3")


def test_a_key_that_validators_do_not_trust_breaks_call_and_session(airflow, contracts):
    airflow.trusted.clear()
    contracts.check_login("admin", PASSWORD, BASE)
    assert contracts.failed == ["call", "session"]
    assert "answered with" in broken(contracts).found


def test_a_server_that_accepts_everything_is_found(airflow, contracts, monkeypatch):
    monkeypatch.setattr(airflow, "claims", lambda *_arguments: {"sub": "x"})
    contracts.check_login("admin", PASSWORD, BASE)
    assert contracts.failed == ["wrong_signature", "unknown_kid"]


def test_a_refused_login_is_all_there_is_to_say(contracts):
    contracts.check_login("admin", "CANARY-wrong", BASE)
    assert contracts.failed == list(contracts.results) == ["login"]
    assert "401" in broken(contracts).found


def test_another_shared_secret_than_the_server_has(airflow, contracts):
    contracts.check_invalidation("meb10000", "CANARY-other")
    assert contracts.failed == ["invalidate"]
    assert airflow.evicted == []
    broken(contracts)


def test_an_eviction_open_to_everybody(airflow, contracts, monkeypatch):
    monkeypatch.setattr(airflow, "route", lambda *_arguments: (200, {"evicted": True}, []))
    contracts.check_invalidation("meb10000", SHARED_SECRET)
    assert contracts.failed == ["invalidate_wrong_bearer"]
    broken(contracts)


def test_what_holds_is_told_with_what_does_not(contracts):
    contracts.check_login("admin", PASSWORD, BASE)
    contracts.note_metrics({"airflow-scheduler": "no metric airflow_* has arrived"})
    failure = broken(contracts)
    assert failure.found == "metrics: airflow-scheduler: no metric airflow_* has arrived"
    assert "call: ok" in failure.evidence


def test_the_bearer_that_must_be_refused_has_nothing_of_the_secret(airflow, contracts, monkeypatch):
    """Whoever refuses it may log it: not forwards, not backwards, and not the same one twice."""
    bearers = []
    usual = airflow.route

    def route(path, headers, body):
        bearers.append((headers["Authorization"] or "").removeprefix("Bearer "))
        return usual(path, headers, body)

    monkeypatch.setattr(airflow, "route", route)
    contracts.check_invalidation("meb10000", SHARED_SECRET)
    contracts.check_invalidation("meb10000", SHARED_SECRET)
    wrong = [bearer for bearer in bearers if bearer != SHARED_SECRET]
    assert len(set(wrong)) == 2
    letters = [SHARED_SECRET[i : i + 4] for i in range(len(SHARED_SECRET) - 3)]
    assert [part for bearer in wrong for part in letters if part in bearer or part in bearer[::-1]] == []
