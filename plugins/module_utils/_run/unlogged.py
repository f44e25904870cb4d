# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a task's options stays out of all that is shown of it: values of options with `no_log`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._kubernetes.kubeconfig import secrets_in


def unlogged(options: dict[str, Any], parameters: dict[str, Any]) -> set[str]:
    """The values of those options, and of their parts, that have `no_log`.

    Of a kubeconfig, only what is secret in it. The name of its file is none, nor are those of servers and contexts:
    these are told, and handed on to later tasks, and Ansible would put stars into them, or into whatever has the same
    letters.
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
    """The texts and numbers that a value consists of."""
    if isinstance(value, Mapping):
        return leaves(list(value.values()))
    if isinstance(value, list):
        return {leaf for item in value for leaf in leaves(item)}
    return set() if value is None or isinstance(value, bool) else {str(value)} - {""}
