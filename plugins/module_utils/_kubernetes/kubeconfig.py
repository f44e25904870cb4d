# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from kubernetes.config import ConfigException, kube_config


SECRET = re.compile(r"(?i)pass|secret|token|key|credential")


@dataclass(frozen=True)
class Chosen:
    """The entries of a context's cluster and user in a kubeconfig: the client uses fewer of them than kubectl."""

    context: str | None = None
    cluster: dict[str, Any] = field(default_factory=dict)
    user: dict[str, Any] = field(default_factory=dict)


def read(kubeconfig: str | dict[str, Any] | None, context: str | None, *, persist: bool) -> tuple[Any, Chosen]:
    """The client's loader for a context of a kubeconfig, and the context's entries.

    Without a name, the current context is used; with several files, that of the first file that has one, as in kubectl.
    The client uses that of the first or of the last file, depending on its version.
    """
    persister = None
    if isinstance(kubeconfig, dict):
        found, files = kube_config.ConfigNode("kube-config", kubeconfig), [kubeconfig]
    else:
        merged = kube_config.KubeConfigMerger(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")
        found, files = merged.config, list(merged.config_files.values())
        persister = merged.save_changes if persist else None
    if found is None:
        raise ConfigException("Invalid kube-config file. No configuration found.")
    if context is None:
        context = next((file["current-context"] for file in files if file.get("current-context")), None)
    loader = kube_config.KubeConfigLoader(
        found, active_context=context, config_base_path=None, config_persister=persister
    )
    return loader, _chosen(found, context)


def _chosen(found: Any, context: str | None) -> Chosen:
    chosen = found["contexts"].get_with_name(context)["context"]

    def entry(kind: str) -> dict[str, Any]:
        named = found[f"{kind}s"].get_with_name(chosen[kind], safe=True) if chosen.safe_get(kind) else None
        value = named.safe_get(kind) if named is not None else None
        return dict(getattr(value, "value", value) or {})

    return Chosen(context, entry("cluster"), entry("user"))


def secrets_in(kubeconfig: Any) -> set[str]:
    """The secrets of a kubeconfig that is given as a mapping or, by mistake, as text."""
    if isinstance(kubeconfig, str):
        return {kubeconfig} if is_text(kubeconfig) else set()
    users = kubeconfig.get("users") if isinstance(kubeconfig, dict) else None
    return _secrets("users", users) if users else set()


def is_text(kubeconfig: str) -> bool:
    """Whether it is the content of a file, and not its name."""
    return "\n" in kubeconfig.strip() or kubeconfig.lstrip().startswith("{")


def _secrets(name: str, value: Any) -> set[str]:
    """Selected by name; environment variables of a plugin have the name next to the value."""
    if isinstance(value, list):
        return {text for item in value for text in _secrets(name, item)}
    if isinstance(value, dict):
        named = value.get("name") if "value" in value else None
        return {text for key, item in value.items() for text in _secrets(str(named if key == "value" else key), item)}
    return {str(value)} if value and SECRET.search(name) else set()
