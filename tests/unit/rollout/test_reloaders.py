# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.reloaders import (
    changed_secrets,
    refuse_reloading,
    reloadings_of,
)

AUTO = {"reloader.stakater.com/auto": "true"}
MATCH = {"reloader.stakater.com/match": "true"}
IGNORE = {"reloader.stakater.com/ignore": "true"}


def mounting(*secrets, pods=None, **annotations):
    """A scheduler whose pods use these Secrets."""
    volumes = [{"name": name, "projected": {"sources": [{"secret": {"name": name}}]}} for name in secrets]
    template = {"metadata": {"annotations": pods or {}}, "spec": {"containers": [], "volumes": volumes}}
    metadata = {"name": "airflow-scheduler", "annotations": annotations}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def reload_of(names):
    return {"secret.reloader.stakater.com/reload": names}


@pytest.mark.parametrize(
    ("subject", "changed", "mark"),
    [
        (mounting("keys"), {"keys": {}}, None),
        (mounting("keys", **AUTO), {"keys": {}}, "reloader.stakater.com/auto"),
        (mounting("keys", **AUTO), {}, None),
        (mounting("other", **AUTO), {"keys": {}}, None),
        (mounting("keys", **AUTO), {"keys": IGNORE}, None),
        (mounting("keys", **AUTO, **{"secrets.exclude.reloader.stakater.com/reload": "x, keys"}), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/auto": "false"}), {"keys": {}}, None),
        (mounting("keys", **{"secret.reloader.stakater.com/auto": "True"}), {"keys": {}}, "secret.reloader"),
        # For ConfigMaps alone.
        (mounting("keys", **{"configmap.reloader.stakater.com/auto": "true"}), {"keys": {}}, None),
        # Where the workload says nothing, its pods may.
        (mounting("keys", pods=AUTO), {"keys": {}}, "reloader.stakater.com/auto"),
        (mounting("keys", pods=AUTO, **{"reloader.stakater.com/auto": "false"}), {"keys": {}}, None),
        # By name, whether it is mounted or not, and by regular expression.
        (mounting(**reload_of("a, keys")), {"keys": {}}, "secret.reloader.stakater.com/reload"),
        (mounting(**reload_of("hopsworks-.*")), {"hopsworks-airflow-keys": {}}, "secret.reloader.stakater.com/reload"),
        (mounting("keys", **reload_of("other")), {"keys": {}}, None),
        (mounting("keys", **reload_of("(keys")), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/search": "true"}), {"keys": MATCH}, "reloader.stakater.com/search"),
        (mounting("keys", **{"reloader.stakater.com/search": "true"}), {"keys": {}}, None),
        (mounting("keys", **{"reloader.stakater.com/rollout-strategy": "restart"}), {"keys": {}}, None),
        (mounting("keys", **{"wave.pusher.com/update-on-config-change": "true"}), {"keys": {}}, "wave.pusher.com"),
        (mounting("other", **{"wave.pusher.com/update-on-config-change": "true"}), {"keys": {}}, None),
    ],
)
def test_who_restarts_it_when_a_secret_changes_is_refused_with_the_remedy(subject, changed, mark):
    found = reloadings_of(subject, changed)
    refuse_reloading([])
    if mark is None:
        assert found == []
        return
    with pytest.raises(OperatorError) as refused:
        refuse_reloading(found)
    assert "is restarted by" in refused.value.found
    assert mark in refused.value.found
    (secret,) = changed
    assert f"Secret {secret} changes" in refused.value.found
    assert "kubectl annotate" in refused.value.next_step
    assert "managed_by_others: accept" in refused.value.next_step


def test_that_a_reloader_of_everything_leaves_no_mark_is_said():
    (found,) = reloadings_of(mounting("keys", **AUTO), {"keys": {}})
    assert "reloader.stakater.com/ignore=true" in found.remedy
    assert "--auto-reload-all" in found.remedy


def test_only_secrets_that_are_there_are_changed():
    there = SimpleNamespace(metadata=SimpleNamespace(annotations=None))
    core = SimpleNamespace(read_namespaced_secret=lambda name: there if name == "keys" else None)
    cluster = SimpleNamespace(core=core, find=lambda read, name: read(name))
    assert changed_secrets(cluster, ["keys", "absent"]) == {"keys": {}}
