# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .._common.failure import OperatorError

STATEMENT = "what this statement would have changed; a repeated run recognises the earlier ones of this action"


class RolledBackError(OperatorError):
    """The server has rolled back the whole transaction, and the same statements may succeed when sent again."""


class DeniedError(OperatorError):
    """The server shows an object to the user, who has no right to read it."""


class AwayError(OperatorError):
    """The server can't be reached, or went away: the same may succeed soon, if it has succeeded before."""
