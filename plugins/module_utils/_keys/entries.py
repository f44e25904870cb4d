# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

from .._common.failure import OperatorError

# Entries of the Secret that do not belong to a signer.
JWKS = "jwks.json"
GENERATION = "generation"
SHARED_SECRET = "internal-shared-secret"  # noqa: S105 - the name of an entry

# Annotations of the Secret. Times are RFC 3339, UTC, seconds, by the API server's clock.
STATE = "hopsworks.airflow/key-state"
ROTATION = "hopsworks.airflow/key-rotation"
SINCE = "hopsworks.airflow/key-state-since"
KEYS_SINCE = "hopsworks.airflow/keys-since"
RETIRE_AFTER = "hopsworks.airflow/keys-retire-after"
# Lifetimes in seconds, including the leeway: of tokens signed with the current keys, and with the previous ones.
LONGEST_LIFE = "hopsworks.airflow/longest-token-life"
PREVIOUS_LIFE = "hopsworks.airflow/previous-longest-token-life"
# Kids, separated by blanks, that became invalid in the cut-over that created the current keys.
REPLACED = "hopsworks.airflow/keys-replaced"

SIGNER = re.compile(r"[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?")


def private_entry(signer: str) -> str:
    """The key that the signer signs with if its pod starts now."""
    return f"{signer}-private.pem"


def public_entry(signer: str) -> str:
    return f"{signer}-public.pem"


def kid_entry(signer: str) -> str:
    return f"{signer}.kid"


def next_entry(signer: str) -> str:
    """The key that the signer will sign with once all validators trust it."""
    return f"{signer}-next-private.pem"


def check_signers(signers: tuple[str, ...], secret: str) -> None:
    """Checks that no two signers share entries: otherwise a rotation could be started but not finished.

    `secret` names the Secret in messages.
    """
    twice = sorted({signer for signer in signers if signers.count(signer) > 1})
    unfit = [signer for signer in signers if not SIGNER.fullmatch(signer)]
    shared = [signer for signer in signers if next_entry(signer) in map(private_entry, signers)]
    problem = ""
    if unfit:
        problem = f"a signer is called {unfit[0]!r}"
    elif twice:
        problem = f"the signers include {', '.join(twice)} more than once"
    elif shared:
        problem = f"the next key of signer {shared[0]} has the entry of signer {shared[0]}-next"
    elif not signers:
        problem = "no signer is named"
    if problem:
        raise OperatorError(
            problem,
            expected=(
                "different names of lower-case letters, digits, dots and dashes, one for each component that signs "
                "tokens, and none that is another name plus -next"
            ),
            untouched=f"Secret {secret}, and every pod that uses it",
            next_step="correct signing_key in airflow_components (option signers), and run the same command again",
        )
