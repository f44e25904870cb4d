# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.config import kube_config


@dataclass(frozen=True)
class Chosen:
    """The entries of a context's cluster and user in a kubeconfig: the client takes less from them than kubectl."""

    cluster: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)


def chosen_of(kubeconfig: str | dict[str, Any] | None, context: str | None) -> Chosen:
    """The entries in a kubeconfig that the client has loaded before."""
    if isinstance(kubeconfig, dict):
        found = kube_config.ConfigNode("kube-config", kubeconfig)
    else:
        found = kube_config.KubeConfigMerger(kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION).config
    chosen = found["contexts"].get_with_name(context or found["current-context"])["context"]

    def entry(kind: str) -> dict[str, Any]:
        named = found[f"{kind}s"].get_with_name(chosen[kind], safe=True) if chosen.safe_get(kind) else None
        value = named.safe_get(kind) if named is not None else None
        return dict(getattr(value, "value", value) or {})

    return Chosen(entry("cluster"), entry("user"))
