# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.releases import (
    ESSENTIAL_TABLES,
    REVISIONS_BEFORE_2_7,
    REVISIONS_FROM_2_7,
    TABLES_BEFORE_2_7,
)
from ansible_collections.hopsworks.airflow.tests.unit.metadata.test_inspection import OLD_TABLES


def test_the_known_revisions_are_those_of_the_packages():
    # apache-airflow 1.10.15, 2.0.0 and 2.6.3; 2.7.0, 3.0.6 and the newest read.
    assert {"03afc6b6f902", "2c6edca13270", "c804e5c76e3e"} <= REVISIONS_BEFORE_2_7
    assert {"405de8318b3a", "fe199e1abd77", "d2f4e1b3c5a7"} <= REVISIONS_FROM_2_7
    assert not REVISIONS_BEFORE_2_7 & REVISIONS_FROM_2_7
    assert OLD_TABLES <= TABLES_BEFORE_2_7
    assert ESSENTIAL_TABLES <= OLD_TABLES
