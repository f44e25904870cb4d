# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a database tool's standard error that may be shown: its messages contain values of rows."""

from __future__ import annotations

import re

try:
    from pymysql.constants import CR, ER
except ImportError:  # reported by the module's own requirement check
    CR = ER = None  # type: ignore[assignment,unused-ignore]

# Without a line number, it did not reach a statement.
_CLIENT = re.compile(r"ERROR (\d+) \((\w{5})\)( at line \d+)?: ?.*")
# Lines of the dump tool, which never prints values, of gzip, the shell and our own script.
_OTHER = re.compile(
    r"(?:\S*/)?(?:mariadb-dump|mysqldump|mariadb|mysql|gzip|head|sh|dash|bash): .*|no (?:mariadb|mysql|gzip)[\w -]*"
)
_SHOWN_LINES = 20


def own_lines(errors: str) -> list[str]:
    """The tool's own error lines.

    For an error in a statement, only its number, its place and the number's name: the client prints the statement first
    and the server quotes it, with values of rows, which may look like lines of a tool.
    """
    # The tools of MySQL and MariaDB ignore each other's options, with a warning.
    lines = [line for line in errors.strip().splitlines() if "unknown variable 'loose-" not in line]
    shown: list[str] = []
    in_statement = False
    for line in lines:
        match = _CLIENT.fullmatch(line)
        code, state, place = match.groups()[:3] if match else ("", "", "")
        in_statement = in_statement or bool(place) or line.startswith("----")
        if match and not in_statement:
            shown.append(line)
        elif match and place:
            shown.append(f"ERROR {code} ({state}){place}: {name_of(int(code))}")
        elif not in_statement and _OTHER.fullmatch(line):
            shown.append(line)
    hidden = len(lines) - len(shown)
    if hidden or in_statement:
        shown.append("(its other lines are not shown: they may hold values of rows)")
    return shown[-_SHOWN_LINES:]


def name_of(code: int) -> str:
    """The name of an error number of the server or the client library."""
    for numbers in (ER, CR):
        for name, value in vars(numbers).items() if numbers else ():
            if value == code and name.isupper() and not name.startswith("ERROR_"):
                return name.removeprefix("CR_").replace("_", " ").lower()
    return "an error in a statement"


def codes_in(errors: str) -> list[int]:
    """The numbers of the errors that the tools report, in all their formats."""
    found = re.findall(r"^ERROR (\d+) \(|: Got error: (\d+): |: Error (\d+): |\((\d{4})\)$", errors, re.MULTILINE)
    return [int(code) for match in found for code in match if code]
