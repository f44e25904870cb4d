# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.stored import contains


def test_what_a_server_adds_or_writes_in_its_own_way_is_no_difference():
    written = {
        "metadata": {"name": "x", "resourceVersion": "1", "annotations": {"gone": None}},
        "spec": {"limits": {"cpu": "1000m"}, "env": [{"name": "A", "value": ""}], "none": []},
    }
    found = {
        "metadata": {"name": "x", "resourceVersion": "2", "uid": "1"},
        "spec": {"limits": {"cpu": "1"}, "env": [{"name": "B"}, {"name": "A"}], "added": True},
        "status": {},
    }
    assert contains(found, written)
    assert not contains(found, {**written, "spec": {"limits": {"cpu": "2"}}})
    assert not contains({**found, "metadata": {"name": "x", "annotations": {"gone": ""}}}, written)
    assert not contains({"data": {"a": "1", "b": "2"}}, {"data": {"a": "1"}}, whole=True)
    assert contains({"data": {"a": "1", "b": "2"}}, {"data": {"a": "1"}})
