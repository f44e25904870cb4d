# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

try:
    from kubernetes.utils import parse_quantity
except ImportError:  # reported by the module's own requirement check
    parse_quantity = None

# Objects that consist of their entries: the server adds none.
COMPLETE = ("data", "binaryData")


def contains(found: dict[str, Any], written: dict[str, Any], *, whole: bool = False) -> bool:
    """Whether an object has everything that was written to it; with `whole` (a replacement), also no further entries.

    The server adds defaults, omits empty fields, and normalizes quantities. Null removes.
    """
    mine = {key: value for key, value in written.items() if key not in ("apiVersion", "kind")}
    metadata = {key: value for key, value in (mine.pop("metadata", None) or {}).items() if key != "resourceVersion"}
    if whole and any((mine.get(part) or {}).keys() != (found.get(part) or {}).keys() for part in COMPLETE):
        return False
    return _contains(found, mine) and _contains(found.get("metadata") or {}, metadata)


def _contains(found: Any, written: Any) -> bool:
    if isinstance(written, dict):
        return isinstance(found, dict) and all(_has(found, key, value) for key, value in written.items())
    if isinstance(written, list):
        return isinstance(found, list) and all(any(_contains(item, mine) for item in found) for mine in written)
    return found == written or _same_quantity(found, written)


def _has(found: dict[str, Any], key: str, value: Any) -> bool:
    if value is None:
        return key not in found
    if key in found:
        return _contains(found[key], value)
    return _contains({}, value) if isinstance(value, dict) else not value


def _same_quantity(found: Any, written: Any) -> bool:
    try:
        return bool(parse_quantity(found) == parse_quantity(written))
    except (TypeError, ValueError):
        return False
