# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING

from .mysql.engine import MySqlEngine

if TYPE_CHECKING:
    from .engine import Engine

# The engine of every deployment's database.
ENGINE: Engine = MySqlEngine()
# For the modules: the packages that a connection needs, each with the traceback of an import that failed.
LIBRARIES = (ENGINE.library,)
