# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow import targets
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.answers import Answer, Expected, Learnt, is_json

URL = "https://hopsworks.example.com/hopsworks-api/airflow/"
HTML = "text/html"
OLD = Answer(302, "/hopsworks-api/airflow/admin/", HTML)
OLD_PAGE = Answer(200, None, HTML, b"<title>Airflow - DAGs</title>")
NEW = Answer(200, None, HTML, b'<title>Airflow</title><body><div id="root" style="x"></div>')
VERSION = Answer(200, None, "application/json", b'{"version": "3.0.6", "git_version": null}')
MAINTENANCE = Answer(200, None, HTML, b"<title>We are back soon</title>")


def learnt(*answers):
    judge = Learnt(URL)
    for answer in answers:
        judge.learn(answer)
    return judge


def test_the_old_one_is_learnt_and_airflow_3_is_known():
    judge = learnt(OLD)
    for answer in (OLD, Answer(302, f"{URL}admin/?next=now", HTML), NEW, VERSION):
        assert judge.reason(answer) is None
    assert judge.blind is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404, None, HTML, b"default backend - 404"), "HTTP 404"),
        (Answer(302, "https://hopsworks.example.com/login", HTML), "HTTP 302 from another server"),
        (Answer(401, None, HTML), "HTTP 401"),
        (Answer(503, None, HTML), "HTTP 503"),
        (MAINTENANCE, "HTTP 200 from another server"),
        (Answer(200, None, "application/json", b'{"status": "maintenance"}'), "HTTP 200 from another server"),
        (Answer(200), "HTTP 200 from another server"),
    ],
)
@pytest.mark.parametrize("before", [OLD, OLD_PAGE])
def test_what_somebody_else_answers_is_away(before, answer, reason):
    expected = reason.removesuffix(" from another server") if before is OLD_PAGE and answer.status == 302 else reason
    assert learnt(before).reason(answer) == expected


def test_an_application_whose_pages_differ_is_learnt_with_all_of_them():
    judge = learnt(OLD, OLD_PAGE)
    assert judge.reason(OLD) is None
    assert judge.reason(OLD_PAGE) is None


@pytest.mark.parametrize("nobody", [Answer(404), Answer(502), Answer(503, None, HTML, b"<title>Airflow</title>")])
def test_where_nobody_answers_at_the_beginning_nothing_is_learnt(nobody):
    judge = learnt(nobody)
    assert judge.known == set()
    assert judge.reason(nobody) is not None
    assert judge.reason(NEW) is None


@pytest.mark.parametrize(
    "front",
    [
        Answer(401, None, HTML),
        Answer(403, None, HTML),
        Answer(302, "/hopsworks/#!/login", HTML),
        Answer(302, "https://sso.example.com/auth?redirect=airflow", HTML),
        Answer(308, "http://hopsworks.example.com/hopsworks-api/airflow", HTML),
    ],
)
def test_an_answer_of_somebody_in_front_is_no_measurement(front):
    judge = learnt(front)
    assert judge.reason(front) is None
    assert "in front of Airflow" in judge.blind


def test_what_was_learnt_outlives_the_attempt():
    judge = Learnt(URL)
    judge.recall(json.loads(json.dumps(learnt(OLD).as_line())))
    assert judge.reason(OLD) is None
    assert judge.reason(MAINTENANCE) is not None


@pytest.mark.parametrize(
    ("kind", "good", "other"),
    [
        ("version", VERSION, MAINTENANCE),
        ("rest", Answer(200, None, "", b'{"dags": [], "total_entries": 0}'), VERSION),
        ("session", Answer(200, None, "", b'{"dags": [], "total_entries": 0}'), MAINTENANCE),
        ("task_api", Answer(200, None, "", b"null"), MAINTENANCE),
    ],
)
def test_a_200_of_something_else_is_no_answer_of_airflow(kind, good, other):
    judge = Expected(frozenset([200]), targets.KINDS[kind][1])
    assert judge.reason(good) is None
    assert judge.reason(other) == "HTTP 200 from another server"
    assert judge.reason(Answer(401)) == "HTTP 401"


def test_json_is_known():
    assert is_json(Answer(200, body=b"null"))
    assert not is_json(Answer(200, body=b"<html>"))
