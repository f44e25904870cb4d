# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures this collection against what operators would use instead, both in the same run.

Results are JSON lines on standard output: `what` was measured, `ours`, `peer`, their `ratio`, the `goal`, whether it is
`met`, and more. Progress is on standard error. A goal that is missed is a result, a measurement that can't be taken is
an error (exit code 1); the other parts are measured all the same.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from subprocess import CalledProcessError

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.bench import cutover, fleet, idle, keys
from ansible_collections.hopsworks.airflow.tests.bench.measure import MeasurementError, say

PARTS = ("keys", "idle", "cutover", "fleet")


def words(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return parts


def numbers(text: str) -> list[int]:
    found = [int(part) for part in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("numbers from 1 on")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--parts", type=words, default=list(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--fleet", type=numbers, default=[1, 10, 50, 200], help="sizes of the fleet")
    parser.add_argument("--forks", type=numbers, default=[5, 10, 20], help="numbers of forks")
    wanted = parser.parse_args()
    measurements: dict[str, Callable[[], None]] = {
        "keys": keys.measure,
        "idle": idle.measure,
        "cutover": cutover.measure,
        "fleet": functools.partial(fleet.measure, wanted.fleet, wanted.forks),
    }
    failed = 0
    for part in wanted.parts:
        try:
            measurements[part]()
        except (MeasurementError, OperatorError, ApiException, HTTPError, OSError, CalledProcessError) as error:
            say(f"{part} was not measured to its end: {error}")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
