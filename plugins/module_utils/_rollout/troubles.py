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
    """Collects errors about some of several objects, to report them after all others are done.

    For a rollback: none of them is a reason not to restore the rest of the old deployment.
    """

    def __init__(self, untouched: str) -> None:
        self._untouched = untouched
        self._errors: list[OperatorError] = []

    @contextlib.contextmanager
    def kept(self, what: str) -> Iterator[None]:
        """Collect rejections by the API server in this block, as `what`, and errors that the block raises."""
        try:
            yield
        except OperatorError as error:
            self._errors.append(error)
        except (ApiException, HTTPError) as error:
            self._errors.append(
                OperatorError(
                    f"{what}: {why(error)}",
                    expected="the API server accepts every request of the rollback",
                    untouched=self._untouched,
                    next_step="grant the missing right (docs/operator.md lists them), or correct the cause; then run"
                    " the same command again",
                )
            )

    @property
    def found(self) -> list[str]:
        """The collected errors."""
        return [error.found for error in self._errors]

    def tell(self) -> None:
        """Raises OperatorError if there are any."""
        if self._errors:
            raise OperatorError.together(self._errors)


def why(error: Exception) -> str:
    """Why a request failed, in a few words."""
    if isinstance(error, ApiException) and error.status:
        return f"the API server answered {error.status}: {words_of(error)}"
    return f"the API server does not answer: {reason(error)}"
