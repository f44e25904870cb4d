# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of a task's options that must not be shown: those of options with `no_log`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._kubernetes.kubeconfig import secrets_in


def unlogged(options: dict[str, Any], parameters: dict[str, Any]) -> set[str]:
    """The values of those options, and of their parts, that have `no_log`.

    Of a kubeconfig, only its secrets. Its file name and the names of servers and contexts are not secret: they are
    shown and passed to later tasks, and Ansible would replace them, or any text with the same letters, by asterisks.
    """
    found: set[str] = set()
    for option, specification in options.items():
        value = parameters.get(option)
        if option == "kubeconfig":
            found |= secrets_in(value)
            continue
        if specification.get("no_log"):
            found |= leaves(value)
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                found |= unlogged(specification.get("options", {}), part)
    return found


def leaves(value: Any) -> set[str]:
    """The texts and numbers in a value."""
    if isinstance(value, Mapping):
        return leaves(list(value.values()))
    if isinstance(value, list):
        return {leaf for item in value for leaf in leaves(item)}
    return set() if value is None or isinstance(value, bool) else {str(value)} - {""}
