#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_keys_info
short_description: Returns the state of Airflow's signing keys and whether a step is due
description:
  - Reads the Secret of M(hopsworks.airflow.signing_keys) and returns its content without any secrets. Changes nothing.
  - Does not fail on an invalid Secret; RV(problem) then says what is wrong with it.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  secret:
    description: Name of the Secret.
    type: str
    default: hopsworks-airflow-keys
  signers:
    description: The components that sign tokens.
    type: list
    elements: str
    default: [api-server, scheduler]
  minimum_age:
    description: Age in seconds at which keys in state V(steady) are due for a rotation.
    type: int
    default: 0
  workloads:
    description:
      - Deployments or StatefulSets whose pods use these keys. If the pods were started for a later generation than the
        Secret has, the Secret was restored to an older version, and RV(problem) says so.
    type: list
    elements: str
    default: []
requirements:
  - cryptography >= 40
seealso:
  - module: hopsworks.airflow.signing_keys
"""

EXAMPLES = r"""
- name: Check whether the keys are due
  hopsworks.airflow.signing_keys_info:
    namespace: hopsworks
    minimum_age: 2419200
  register: keys
"""

RETURN = r"""
exists:
  description: Whether the Secret exists.
  returned: success
  type: bool
  sample: true
problem:
  description:
    - What is wrong with an invalid Secret, as M(hopsworks.airflow.signing_keys) would report it; otherwise null.
  returned: success
  type: str
  sample: null
state:
  description:
    - V(steady), V(published), V(activated), V(retired) or V(replaced), as for M(hopsworks.airflow.signing_keys). If
      there is no Secret or a problem with it, this and all values below are null.
  returned: success
  type: str
  sample: activated
rotation:
  description: Id of the rotation in progress, or of the last one.
  returned: success
  type: str
  sample: 20261122t193000
generation:
  description:
    - The Secret's counter of changes that pods only see after a restart; 0 if the Secret has none yet.
  returned: success
  type: int
  sample: 5
signers:
  description:
    - For each signer, its C(kid) and the C(fingerprint) of its public key (SHA-256 of the DER form), null if it has no
      key. C(next) is the C(kid) of its next key in state V(published), C(previous) that of its previous key in
      V(activated).
  returned: success
  type: dict
  sample:
    api-server:
      kid: MIkVTZ4X3cGiY1Q7mZ2tb6sRk1nT0w5yBqA8uJ9oHdE
      fingerprint: "SHA256:5b6c1d8f0a0e4b9a7c2f4e0f2a4e3d1c0b9a8f7e6d5c4b3a2918070605040302"
      previous: 4Zl0ZtVHvUeBqXTrM8hQ5ZcHWqPXtCTUbVQ1zJzLhYQ
age_seconds:
  description: Time in seconds since the signers started to sign with the current keys.
  returned: success
  type: int
  sample: 96
since:
  description: When the state began (RFC 3339, UTC).
  returned: success
  type: str
  sample: "2026-11-22T19:32:40Z"
keys_since:
  description: When the signers started to sign with the current keys.
  returned: success
  type: str
  sample: "2026-11-22T19:32:40Z"
retire_after:
  description: When the previous keys may be retired; null if that is not set.
  returned: success
  type: str
  sample: "2026-11-23T19:34:12Z"
longest_token_life:
  description:
    - The longest lifetime in seconds of tokens signed with the current keys, as far as it was stored; otherwise null.
  returned: success
  type: int
  sample: 3610
replaced:
  description:
    - Kids that became invalid in the cut-over (state V(replaced)) that created the current keys. Empty if there was no
      cut-over, and from state V(activated) of the next rotation on.
  returned: success
  type: list
  elements: str
  sample: []
due:
  description:
    - Whether the next step of a rotation is due; in state V(steady), whether the keys have reached O(minimum_age).
  returned: success
  type: bool
  sample: false
due_at:
  description: When the next step is, or was, due.
  returned: success
  type: str
  sample: "2026-11-23T19:34:12Z"
"""

from typing import Any

from ..module_utils._common.failure import OperatorError
from ..module_utils._keys.jwk import CRYPTOGRAPHY_IMPORT_ERROR
from ..module_utils._keys.put_back import refuse_put_back, started_for
from ..module_utils._keys.result import state_result
from ..module_utils._keys.states import Found, read_state
from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.objects import Objects
from ..module_utils._kubernetes.secret import StoredSecret
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

NOTHING = (
    "problem",
    "state",
    "rotation",
    "generation",
    "signers",
    "age_seconds",
    "since",
    "keys_since",
    "retire_after",
    "longest_token_life",
    "replaced",
    "due",
    "due_at",
)


def act(call: Call) -> dict[str, Any]:
    secret = StoredSecret(call.cluster, call.params["secret"])
    result: dict[str, Any] = {**dict.fromkeys(NOTHING), "exists": secret.exists}
    if not secret.exists:
        return result
    found = Found.of(secret)
    try:
        state = read_state(found, call.params["signers"])
        started = started_for(call.params["workloads"], Objects(call.cluster).read)
        refuse_put_back(found.name, state.generation, started)
    except OperatorError as problem:
        return {**result, "problem": str(problem)}
    return {**result, **state_result(found, state, call.params["minimum_age"])}


ACTION = Action(
    act,
    {
        "secret": {"type": "str", "default": "hopsworks-airflow-keys", "no_log": False},
        "signers": {"type": "list", "elements": "str", "default": ["api-server", "scheduler"]},
        "minimum_age": {"type": "int", "default": 0},
        "workloads": {"type": "list", "elements": "str", "default": []},
    },
    libraries=(("cryptography", CRYPTOGRAPHY_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
