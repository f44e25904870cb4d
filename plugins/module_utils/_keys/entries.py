# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

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
