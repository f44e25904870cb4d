# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import RIGHTS, rules


def test_rights_name_each_resource_once_and_as_a_role_would():
    names = [(right.group, right.resource) for right in RIGHTS]
    assert len(names) == len(set(names))
    in_namespace, cluster_wide = rules(), rules(cluster_wide=True)
    assert len(in_namespace) + len(cluster_wide) == len(RIGHTS)
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]} in cluster_wide
    # Whatever can be read and written by name is never listed: no look at other people's Secrets.
    secrets = next(rule for rule in in_namespace if rule["resources"] == ["secrets"])
    assert not {"list", "watch", "delete"} & set(secrets["verbs"])
