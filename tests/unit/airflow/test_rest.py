# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.acceptance import Question, ask
from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.contracts import Contracts
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError

SOMEBODY_ELSE = [{"status": "maintenance"}, ["maintenance"], "We are back soon", None]


@pytest.fixture(params=SOMEBODY_ELSE)
def elsewhere(airflow, monkeypatch, request):
    """A server that isn't Airflow, and answers everything with success."""
    monkeypatch.setattr(airflow, "route", lambda *_arguments: (200, request.param, []))
    return airflow


def test_a_document_of_somebody_else_is_told_as_such(elsewhere):
    with pytest.raises(OperatorError, match=r"GET /api/v2/version at .* is not Airflow 3"):
        elsewhere.api().get("/api/v2/version", having="version")


def test_a_login_at_somebody_else_is_no_login(elsewhere):
    with pytest.raises(OperatorError, match=r"the login at .* is not Airflow 3"):
        elsewhere.api().login("admin", "CANARY-password")
    contracts = Contracts(elsewhere.api)
    contracts.check_login("admin", "CANARY-password", "/")
    assert contracts.failed == ["login"]
    assert "CANARY" not in contracts.results["login"]


def test_a_pod_that_is_somebody_else_is_told(elsewhere):
    with pytest.raises(OperatorError, match="pod-1 answered 200"):
        ask(elsewhere.api(), "pod-1", Question({}, frozenset(), "audience"))


def test_a_page_is_no_document(airflow, monkeypatch):
    def page(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.end_headers()
        request.wfile.write(b"<title>Maintenance</title>")

    monkeypatch.setattr(airflow, "answer", page)
    with pytest.raises(OperatorError, match="is not Airflow 3"):
        airflow.api().get("/api/v2/dags")
