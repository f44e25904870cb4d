# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from .changes import Changes
from .content import Contents
from .exclusive import Exclusive
from .fitness import Checks
from .neighbours import Dependents
from .privileges import Privileges


class MySql(Contents, Changes, Exclusive, Privileges, Dependents, Checks):
    """`engine.Database`: one base class per subject, all of them a Catalogue, which is a session (Statements)."""
