# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl

import pymysql
import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.failures import AwayError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.explanation import explained, is_away


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (pymysql.OperationalError(2013, "Lost connection"), True),
        (pymysql.OperationalError(1053, "Server shutdown in progress"), True),
        (pymysql.OperationalError(1040, "Too many connections"), True),
        # A proxy that is up, in front of a server that is not; a member that has left its group.
        (pymysql.err.InternalError(9001, "Max connect timeout reached while reaching hostgroup 0 after 10000ms"), True),
        (pymysql.err.InternalError(9004, "Backend Offline Detected"), True),
        (pymysql.OperationalError(1927, "Lost connection to backend server"), True),
        (pymysql.OperationalError(3032, "The server is currently in offline mode"), True),
        # NDB Cluster without its data nodes, and other errors of a storage engine.
        (pymysql.OperationalError(1296, "Got error 157 'Unknown error code' from NDBCLUSTER"), True),
        (pymysql.OperationalError(1296, "Got error 4009 'Cluster Failure' from NDBCLUSTER"), True),
        (pymysql.OperationalError(157, "Could not connect to storage engine"), True),
        (pymysql.OperationalError(1296, "Got error 1571 'Something else' from NDBCLUSTER"), False),
        (pymysql.OperationalError(1045, "Access denied"), False),
        (pymysql.OperationalError(2026, "the server offers no TLS"), False),
        (pymysql.ProgrammingError(1146, "Table doesn't exist"), False),
        (pymysql.InterfaceError(), False),
    ],
)
def test_what_may_pass(error, away):
    assert is_away(error) == away
    assert isinstance(explained(error, "db"), AwayError) == away


def test_a_certificate_that_is_refused_does_not_pass():
    error = pymysql.OperationalError(2003, "Can't connect")
    error.original_exception = ssl.SSLCertVerificationError(1, "self-signed certificate")
    assert not is_away(error)
