# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What check mode, diff mode and a second run do. Applies to all modules that do not override it."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Predicts what would change and changes nothing.
    support: full
  diff_mode:
    description: Shows the changes, with secrets only as fingerprints.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
"""
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Nothing changes, so there is nothing to show.
    support: N/A
  idempotent:
    description: Changes nothing in any mode.
    support: full
"""
