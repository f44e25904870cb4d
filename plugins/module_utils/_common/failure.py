# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from .redaction import redact


class OperatorError(Exception):
    """Something the operator has to know and act upon; nothing else is raised on purpose by this collection.

    Every part is a plain sentence without secrets:
    `found` what was seen, `expected` what should have been, `untouched` what is as it was before,
    `next_step` what to run or change next, `evidence` lines (events, log lines) that show why.
    """

    def __init__(
        self,
        found: str,
        *,
        expected: str,
        untouched: str,
        next_step: str,
        evidence: tuple[str, ...] = (),
    ) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.untouched = untouched
        self.next_step = next_step
        self.evidence = evidence

    def __str__(self) -> str:
        parts = [
            f"Found: {self.found}",
            f"Expected: {self.expected}",
            f"Untouched: {self.untouched}",
            f"Next: {self.next_step}",
        ]
        if self.evidence:
            parts.append("Evidence:\n  " + "\n  ".join(self.evidence))
        return "\n".join(parts)

    @classmethod
    def together(cls, errors: Sequence[OperatorError]) -> OperatorError:
        """Several of them as one."""

        def joined(part: str) -> str:
            return "; ".join(dict.fromkeys(getattr(error, part) for error in errors))

        return cls(
            joined("found"),
            expected=joined("expected"),
            untouched=joined("untouched"),
            next_step=joined("next_step"),
            evidence=tuple(line for error in errors for line in error.evidence),
        )

    def as_result(self) -> dict[str, object]:
        """The same as module result, for reports: found, expected, untouched, next_step, evidence."""
        return {
            "found": self.found,
            "expected": self.expected,
            "untouched": self.untouched,
            "next_step": self.next_step,
            "evidence": list(self.evidence),
        }


def unforeseen(error: BaseException) -> dict[str, Any]:
    """An error of this collection's own, as a result. A library has made its text, and may have put a secret in it."""
    told = f"{type(error).__name__}: {error}"
    return {"failed": True, "msg": redact(told), "exception": redact("".join(traceback.format_exception(error)))}
