# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping

MOST_SHOWN = 5


def differences(dumped: Mapping[str, Collection[str]], restored: Mapping[str, Collection[str]]) -> list[str]:
    """The differences between definitions, in words. A table without a known definition has none."""
    found = []
    for table, lines in dumped.items():
        now = restored.get(table, ())
        if not lines or not now:
            continue
        lacking = [line for line in lines if line not in now]
        added = [line for line in now if line not in lines]
        if lacking or added:
            found.append(f"{table} (dumped: {_shown(lacking)}; restored: {_shown(added)})")
    return found


def _shown(lines: list[str]) -> str:
    rest = len(lines) - MOST_SHOWN
    return ", ".join(lines[:MOST_SHOWN]) + (f" and {rest} more" if rest > 0 else "") or "nothing"
