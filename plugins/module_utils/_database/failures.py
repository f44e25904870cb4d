# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._common.failure import OperatorError

STATEMENT = "what this statement was to change; earlier statements of this action are done and are recognised"


class RolledBackError(OperatorError):
    """Nothing is left of the statement and its transaction, and the same may work when it is sent again."""


class DeniedError(OperatorError):
    """The user is shown something, and has no right to read it."""


class AwayError(OperatorError):
    """The server could not be reached, or went away: what failed may work soon, if it has worked before."""
