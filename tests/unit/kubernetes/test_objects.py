# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.objects import Objects


class Api:
    def __init__(self, answer=None, error=None):
        self.calls, self._answer, self._error = [], answer, error

    def call_api(self, path, method, **arguments):
        self.calls.append((method, path, dict(arguments["query_params"]), arguments))
        if self._error is not None:
            raise self._error
        return self._answer


def objects(api):
    return Objects(SimpleNamespace(api=api, namespace="lab"))


def test_apply_is_server_side_forced_and_strict():
    api = Api({})
    definition = {"kind": "Deployment", "metadata": {"name": "web"}}
    objects(api).apply(definition, dry_run=True)
    method, path, query, arguments = api.calls[0]
    assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/lab/deployments/web")
    assert query == {"fieldManager": "hopsworks.airflow", "force": "true", "fieldValidation": "Strict", "dryRun": "All"}
    assert arguments["header_params"]["Content-Type"] == "application/apply-patch+yaml"
    assert arguments["body"] == definition


def test_other_changes_go_under_another_name_so_that_applying_leaves_them():
    api = Api({})
    objects(api).patch("Pod", "p", {"metadata": {}})
    assert api.calls[0][2] == {"fieldManager": "hopsworks.airflow.actions"}


def test_a_missing_object_is_none():
    assert objects(Api(error=ApiException(status=404))).read("Pod", "p") is None


@pytest.mark.parametrize(
    ("version", "namespaced", "path"),
    [
        ("example.org/v1", True, "/apis/example.org/v1/namespaces/lab/airflows/a"),
        ("example.org/v1", False, "/apis/example.org/v1/airflows/a"),
        ("v1", True, "/api/v1/namespaces/lab/airflows/a"),
    ],
)
def test_an_object_of_any_kind_is_found_by_the_servers_own_list(version, namespaced, path):
    served = [
        {"kind": "Airflow", "name": "airflows/status", "namespaced": namespaced},
        {"kind": "Airflow", "name": "airflows", "namespaced": namespaced},
    ]
    api = Api({"resources": served})
    objects(api).read_any(version, "Airflow", "a")
    assert [call[1] for call in api.calls] == [path.partition("/namespaces")[0].removesuffix("/airflows/a"), path]
    with pytest.raises(ApiException) as unknown:
        objects(api).read_any(version, "Other", "a")
    assert unknown.value.status == 404


@pytest.mark.parametrize("status", [404, 409])
def test_deleting_what_is_gone_or_another_by_now_is_no_error(status):
    api = Api(error=ApiException(status=status))
    objects(api).delete("Pod", "p", uid="1", propagation="Foreground", grace_seconds=0)
    body = api.calls[0][3]["body"]
    assert body["preconditions"] == {"uid": "1"}
    assert body["propagationPolicy"] == "Foreground"
    assert body["gracePeriodSeconds"] == 0


def test_a_watch_has_a_dead_line_of_its_own():
    api = Api(error=ApiException(status=503))
    with pytest.raises(ApiException):
        objects(api).list("Pod", watch=True, timeout_seconds=30, _preload_content=False)
    assert len(api.calls) == 1
    assert api.calls[0][3]["_request_timeout"] == (10, 45)
    assert api.calls[0][3]["_preload_content"] is False


def test_a_dry_run_creates_nothing_and_tells_what_is_warned_of():
    headers = {"Warning": '299 - "would violate PodSecurity \\"restricted\\": a, b", 299 - "second"'}
    api = Api(({"kind": "Pod"}, 201, headers))
    answer, warnings = objects(api).create_dry({"kind": "Pod", "metadata": {}})
    assert answer == {"kind": "Pod"}
    assert warnings == ['would violate PodSecurity "restricted": a, b', "second"]
    method, path, query, _arguments = api.calls[0]
    assert (method, path, query["dryRun"]) == ("POST", "/api/v1/namespaces/lab/pods", "All")


def test_a_replacement_is_whole_and_under_a_name_of_its_own():
    api = Api({})
    definition = {"kind": "Service", "metadata": {"name": "web"}}
    objects(api).replace(definition)
    method, path, query, arguments = api.calls[0]
    assert (method, path) == ("PUT", "/api/v1/namespaces/lab/services/web")
    assert query == {"fieldManager": "hopsworks.airflow.replacement", "fieldValidation": "Strict"}
    assert arguments["body"] == definition
