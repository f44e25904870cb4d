# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from .redaction import redact


class OperatorError(Exception):
    """A problem that the operator has to act on. The collection raises no other exception on purpose.

    Every part is a plain sentence without secrets:
    `found` is what was found, `expected` what should have been found, `untouched` what has not changed, `next_step`
    what to run or change next, and `evidence` holds lines (events, log lines) that show the cause.
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
        """Combine several errors into one."""

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
        """The parts as a module result, for reports: found, expected, untouched, next_step, evidence."""
        return {
            "found": self.found,
            "expected": self.expected,
            "untouched": self.untouched,
            "next_step": self.next_step,
            "evidence": list(self.evidence),
        }


def unforeseen(error: BaseException) -> dict[str, Any]:
    """An unexpected error, as a result. Its text comes from a library and may contain a secret."""
    told = f"{type(error).__name__}: {error}"
    return {"failed": True, "msg": redact(told), "exception": redact("".join(traceback.format_exception(error)))}
