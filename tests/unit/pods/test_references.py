# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.references import Reference, references


def test_optional_references_are_known():
    sources = [{"secret": {"name": "keys", "optional": True}}, {"configMap": {"name": "more", "items": [{"key": "k"}]}}]
    spec = {
        "containers": [{"envFrom": [{"secretRef": {"name": "env"}}]}],
        "volumes": [
            {"name": "p", "projected": {"sources": sources}},
            {"name": "v", "persistentVolumeClaim": {"claimName": "claim"}},
        ],
    }
    assert references(spec) == {
        Reference("Secret", "keys", (), optional=True),
        Reference("ConfigMap", "more", ("k",)),
        Reference("Secret", "env"),
        Reference("PersistentVolumeClaim", "claim"),
    }
