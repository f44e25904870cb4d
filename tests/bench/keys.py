# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two key pairs of a rotation, by this collection and by openssl."""

from __future__ import annotations

import time

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.tests.bench.measure import output, report, say

# The search for primes is luck: one pair takes from a third of to three times the mean.
REPETITIONS = 25


def ours() -> float:
    begun = time.monotonic()
    for key in pair.generate_several(2):
        pair.private_pem(key)
    return time.monotonic() - begun


def openssl() -> float:
    begun = time.monotonic()
    for _signer in range(2):
        output("openssl", "genrsa", str(pair.KEY_BITS))
    return time.monotonic() - begun


def measure() -> None:
    mine, theirs = [], []
    for number in range(REPETITIONS):
        mine.append(ours())
        theirs.append(openssl())
        say(f"keys {number + 1}/{REPETITIONS}: ours {mine[-1]:.2f} s, openssl {theirs[-1]:.2f} s")
    report(
        f"two RSA-{pair.KEY_BITS} key pairs, against openssl genrsa twice",
        mine,
        theirs,
        goal="ratio < 1",
        more={"peer_version": output("openssl", "version").strip()},
    )
