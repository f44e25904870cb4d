# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .._common.failure import OperatorError


@dataclass(frozen=True)
class Finding:
    """The result of one check. Level `warning` is for possible later problems and does not stop the run."""

    check: str
    ok: bool
    found: str
    expected: str
    next_step: str = ""
    level: Literal["error", "warning"] = "error"


def failure(findings: list[Finding]) -> OperatorError | None:
    """All findings that prevent the run, in one message, or None."""
    failed = [finding for finding in findings if not finding.ok and finding.level == "error"]
    if not failed:
        return None
    return OperatorError(
        "; ".join(finding.found for finding in failed),
        expected="; ".join(dict.fromkeys(finding.expected for finding in failed)),
        untouched="everything",
        next_step="; ".join(dict.fromkeys(finding.next_step for finding in failed)),
    )
