# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session_settings import (
    EVERYWHERE,
    TOOL_COMMAND,
)

# MariaDB's settings are answered with 1193 there.
MYSQL = {"transaction_read_only"}


def read_by_mysql(text: str, version: int, *, six_digits: bool) -> str:
    """What a MySQL server executes of a text with version comments.

    sql_lex.cc takes exactly five digits before 8.1, whatever follows them; since then a sixth one where there is one.
    RonDB numbers itself: 22.10.12 is 221012 (cmake/mysql_version.cmake).
    """

    def inside(comment: re.Match[str]) -> str:
        if comment[1] != "!":
            return " "
        count = 6 if six_digits and re.match(r"\d{6}", comment[2]) else 5
        return comment[2][count:] if int(comment[2][:count]) <= version else " "

    return re.sub(r"/\*(M?!|)(.*?)\*/", inside, text, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("version", "six_digits", "own"),
    [
        pytest.param(50651, False, set(), id="MySQL 5.6.51"),
        pytest.param(50744, False, MYSQL, id="MySQL 5.7.44"),
        pytest.param(80036, False, MYSQL, id="MySQL 8.0.36"),
        pytest.param(80400, True, MYSQL, id="MySQL 8.4.0"),
        pytest.param(210415, False, MYSQL, id="RonDB 21.04.15"),
        pytest.param(221012, False, MYSQL, id="RonDB 22.10.12"),
        pytest.param(241012, True, MYSQL, id="RonDB 24.10.12"),
    ],
)
def test_the_first_command_of_a_restore_is_one_that_every_mysql_understands(database, version, six_digits, own):
    read = read_by_mysql(TOOL_COMMAND, version, six_digits=six_digits)

    assert set(re.findall(r"(\w+) = ", read)) == EVERYWHERE.keys() | own
    # The server of these tests has the setting under its older name.
    database.execute(read.replace("transaction_read_only", "tx_read_only"))


def test_the_first_command_of_a_restore_sets_what_mariadb_has(database):
    database.execute("SET SESSION max_statement_time = 100, tx_read_only = 1")

    database.execute(TOOL_COMMAND)

    assert database.rows("SELECT @@max_statement_time, @@tx_read_only") == [(0, 0)]
