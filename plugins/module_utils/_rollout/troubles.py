# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .._common.failure import OperatorError
from .._kubernetes.unreachable import reason, words_of

try:
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception
    HTTPError = OSError  # type: ignore[misc,assignment]


class Troubles:
    """What went wrong with some of several objects, told when all the others are done.

    For the way back: nothing of it is a reason to leave the rest of the old deployment as it is.
    """

    def __init__(self, untouched: str) -> None:
        self._untouched = untouched
        self._errors: list[OperatorError] = []

    @contextlib.contextmanager
    def kept(self, what: str) -> Iterator[None]:
        """Keep what the API server refuses in this block, as `what`, and what the block itself says."""
        try:
            yield
        except OperatorError as error:
            self._errors.append(error)
        except (ApiException, HTTPError) as error:
            self._errors.append(
                OperatorError(
                    f"{what}: {why(error)}",
                    expected="every request of the way back to be accepted",
                    untouched=self._untouched,
                    next_step="grant the missing right (docs/operator.md lists them), or correct the cause; then run"
                    " the same command again",
                )
            )

    @property
    def found(self) -> list[str]:
        """What was kept, without the rest."""
        return [error.found for error in self._errors]

    def tell(self) -> None:
        """Raises OperatorError where anything was kept."""
        if self._errors:
            raise OperatorError.together(self._errors)


def why(error: Exception) -> str:
    """What a request failed by, in a few words."""
    if isinstance(error, ApiException) and error.status:
        return f"the API server answered {error.status}: {words_of(error)}"
    return f"the API server does not answer: {reason(error)}"
