# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quotas that count objects, where one takes the place of another."""

from __future__ import annotations

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout import writing
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.replacement import stand_in
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.writing import once_counted

from .fake import refusal
from .replacing import obj

EXCEEDED = "is forbidden: exceeded quota: objects, requested: {new}, used: {used}, limited: {limited}"


def refused_by(quota):
    return refusal(403, f'services "web-dry-run" {quota}')


def test_a_quota_that_is_full_has_room_for_one_in_the_place_of_another(namespace):
    message = EXCEEDED.format(
        new="count/services=1,services=1", used="count/services=5,services=5", limited="count/services=5,services=5"
    )
    namespace.refuse = lambda _body: refused_by(message)
    service = obj("Service", "web", spec={"type": "ClusterIP", "ports": []})
    after = stand_in(namespace, service, {**service, "spec": {"clusterIP": "None"}})
    assert after == service


@pytest.mark.parametrize(
    "message",
    [
        # Somebody has made it smaller since: there are too many without this one.
        EXCEEDED.format(new="count/services=1", used="count/services=5", limited="count/services=4"),
        EXCEEDED.format(new="a=1,b=1", used="a=5,b=6", limited="a=5,b=5"),
        "is forbidden: User cannot create services",
    ],
)
def test_any_other_refusal_of_a_dry_run_is_one(namespace, message):
    namespace.refuse = lambda _body: refused_by(message)
    service = obj("Service", "web", spec={"ports": []})
    with pytest.raises(ApiException):
        stand_in(namespace, service, {**service, "spec": {"clusterIP": "None"}})


def test_what_was_deleted_counts_for_a_moment_more(monkeypatch):
    monkeypatch.setattr(writing, "LOOK_AGAIN_SECONDS", 0)
    message = EXCEEDED.format(new="count/services=1", used="count/services=5", limited="count/services=5")
    answers = [refused_by(message), refused_by(message), "made"]

    def request():
        answer = answers.pop(0)
        if answer != "made":
            raise answer
        return answer

    assert once_counted(request) == "made"
    for answers, seconds in (([refused_by(message), "made"], -1), ([refusal(403, "no right"), "made"], 60)):
        with pytest.raises(ApiException):
            once_counted(request, seconds)
        assert answers == ["made"]
