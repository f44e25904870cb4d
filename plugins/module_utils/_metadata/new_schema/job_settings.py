# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of the components that decide which tables `airflow db migrate` makes, for its Job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# An auth manager and external database managers have tables of their own.
SECTIONS = ("core", "database")
# Secrets, which must not be copied, and the connection, because the Job has its own.
NOT_PASSED = ("fernet_key", "internal_api_secret_key", "sql_alchemy_conn")
# The launcher of the components replaces this by values that the Job does not have.
REFERENCE = "@{"


def environment_of(configuration: Mapping[str, Any], further: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Variables of the Job: the `configuration` by section and option, and the `further` ones of the components.

    As in the components, a variable overrides an option of the same meaning.
    """
    found: dict[str, str] = {}
    for section in SECTIONS:
        for option, value in (configuration.get(section) or {}).items():
            name, text = str(option).lower(), _text(value)
            if REFERENCE not in text and not name.startswith(NOT_PASSED):
                # Kubernetes treats $(…) as another variable.
                found[f"AIRFLOW__{section.upper()}__{name.upper()}"] = text.replace("$", "$$")
    given = {str(variable["name"]) for variable in further}
    own = [{"name": name, "value": text} for name, text in found.items() if name not in given]
    return [*own, *(dict(variable) for variable in further)]


def _text(value: Any) -> str:
    """A value as the template of airflow.cfg writes it: Airflow reads lists and mappings as JSON."""
    if value is None:
        return ""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).strip()
