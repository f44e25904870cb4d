#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_keys
short_description: Creates and rotates the key pairs that Airflow 3 signs its tokens with
description:
  - Makes sure that one Secret holds a 4096-bit RSA key for each signer, the JWKS by which all components trust all
    signers, and the key ids. Takes these keys from one state of a rotation to the next.
  - Existing keys and all other entries of the Secret are kept. Missing entries that follow from a private key (public
    half, C(kid), JWKS) are derived from it, so a Secret from another source can be taken over as it is.
  - Fails on invalid content before it writes anything, such as halves that do not belong together, a key of another
    type or size, a public half without its private half, unreadable entries, a JWKS that publishes an unknown key,
    entries that contradict the state, or times that are still in the future by the API server's clock.
  - Writes the Secret only if it has not changed since it was read, with entries and annotations in one request.
  - Entries for a signer C(NAME) are C(NAME-private.pem) (PKCS#8), C(NAME-public.pem) (SubjectPublicKeyInfo) and
    C(NAME.kid) (RFC 7638 thumbprint); in state V(published), also C(NAME-next-private.pem). C(jwks.json) has all public
    keys, those of the current generation first, each with C(use=sig) and C(alg=RS256). C(generation) counts the writes
    that change what pods see. C(internal-shared-secret) (32 random bytes, base64url) is created once.
  - Pods read their keys when they start. So each step of a rotation first writes the state, and then restarts the
    components that the state is for.
notes:
  - The state is kept in the Secret's annotations C(hopsworks.airflow/key-state), C(hopsworks.airflow/key-state-since),
    C(hopsworks.airflow/key-rotation), C(hopsworks.airflow/keys-since), C(hopsworks.airflow/keys-retire-after),
    C(hopsworks.airflow/longest-token-life), C(hopsworks.airflow/previous-longest-token-life) and
    C(hopsworks.airflow/keys-replaced). So any user can finish an interrupted rotation from any machine. A Secret
    without these annotations is in state V(steady).
  - All times are by the clock of the API server, never by that of the machine that runs the module.
  - The playbook C(hopsworks.airflow.rotate) performs all of these steps, including the restarts between them. If you
    take the steps by hand and omit a restart, valid tokens are rejected.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
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
  state:
    description:
      - The desired state of the Secret. The current state changes nothing; the module fails on a state that does not
        follow the current one.
      - V(present) means that the keys and everything derived from them exist. A rotation that is in progress is not
        changed.
      - V(published) follows V(steady). Each signer has a next key, and the JWKS has both generations, while the signers
        still sign with the current one. Missing entries of the Secret are added in the same write. Afterwards, restart
        the components that verify tokens.
      - V(activated) follows V(published). The next keys become the current ones. Of the previous keys, only the public
        halves remain, in the JWKS. Afterwards, restart all components, then set O(retire_after).
      - V(retired) follows V(activated), once the time set by O(retire_after) has passed. The JWKS has only the current
        keys. Afterwards, restart the components that verify tokens.
      - V(steady) follows V(retired) and V(replaced). All components have been restarted, and the rotation is complete.
      - V(replaced) may follow any state. New keys replace all others at once, and every existing token becomes invalid.
        Use it for a compromised key. Afterwards, restart all components.
    type: str
    choices: [present, published, activated, retired, replaced, steady]
    default: present
  rotation:
    description:
      - Id of the rotation, up to 50 letters, digits, dots, dashes and underscores. Required to start a rotation; it
        must then differ from the id of the Secret's last rotation.
      - With O(state=published), the id of a rotation in progress is kept, and this option is ignored.
      - With O(state=replaced), an id other than that of the rotation in progress starts a new one, with new keys.
        Without it, the rotation in progress becomes a replacement, and a replacement in progress stays as it is.
    type: str
  retire_after:
    description:
      - With O(state=activated), how long a token that is signed until now can be valid, in seconds. This is the longest
        lifetime of a token plus the leeway of its validation. The previous keys may be retired after this time.
      - Set it once all signers have been restarted in state V(activated), not in the step to that state. An existing
        time is kept.
    type: int
  token_life:
    description:
      - How long a token that is signed now can be valid, in seconds, including the leeway. It is stored with the keys;
        the largest value is kept for as long as the corresponding keys are trusted.
      - So if the lifetime is shortened, keys are not retired while older tokens are still valid. The previous keys are
        retired after O(retire_after) or the longest lifetime that was stored for them, whichever is longer.
    type: int
  wait:
    description:
      - With O(state=retired), wait until the previous keys may be retired, instead of failing if it is too early.
      - If O(retire_after) has not been set yet, the module fails without waiting.
    type: bool
    default: false
  minimum_age:
    description:
      - With O(state=published), the minimum age in seconds of keys to rotate. If the keys are younger, the module
        changes nothing and returns RV(due) and RV(due_at).
    type: int
    default: 0
  workloads:
    description:
      - Deployments or StatefulSets whose pods use these keys. C(generation) then becomes larger than the one that they
        were started for, even if the Secret was deleted or restored since. Otherwise the pods would wait for that
        generation.
    type: list
    elements: str
    default: []
  managed_by_others:
    description:
      - What to do if the Secret has to be written and another controller would restore its own version (Argo CD, Flux,
        an ExternalSecret, a SealedSecret, a mirror of another Secret). V(refuse) fails before anything changes. Use
        V(accept) if that controller is configured to ignore these entries.
      - For others, such as Helm, the module only warns.
    type: str
    choices: [refuse, accept]
    default: refuse
requirements:
  - cryptography >= 40
seealso:
  - module: hopsworks.airflow.signing_keys_info
  - name: RFC 7638
    description: JSON Web Key thumbprint.
    link: https://www.rfc-editor.org/rfc/rfc7638
"""

EXAMPLES = r"""
- name: Create or complete the signing keys
  hopsworks.airflow.signing_keys:
    namespace: hopsworks

- name: Take over the keys of another Secret, for one signer
  hopsworks.airflow.signing_keys:
    namespace: airflow
    secret: airflow-jwt
    signers: [api-server]

- name: Start a rotation if the keys are four weeks old
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: published
    rotation: 20261122t193000
    minimum_age: 2419200

- name: Switch signing to the next keys once all validators have been restarted
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: activated

- name: Record when the previous keys can be retired, once all signers have been restarted
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: activated
    retire_after: 86410
    token_life: 86410

- name: Retire the previous keys as soon as no token needs them
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: retired
    wait: true

- name: Replace compromised keys at once
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: replaced
    rotation: 20261122t193000
"""

RETURN = r"""
state:
  description: The state of the keys after this call; in check mode, the state that it would lead to.
  returned: success
  type: str
  sample: published
rotation:
  description: Id of the rotation in progress, or of the last one.
  returned: success
  type: str
  sample: 20261122t193000
generation:
  description: The Secret's counter of changes that pods only see after a restart.
  returned: success
  type: int
  sample: 4
signers:
  description:
    - For each signer, its C(kid), the C(fingerprint) of its public key (SHA-256 of the DER form), and its C(origin),
      one of V(kept), V(adopted) (the key existed, and derived entries were added) and V(created).
    - C(next) is the C(kid) of its next key in state V(published), C(previous) that of its previous key in V(activated).
    - In check mode, a key that would be created has no C(kid) and no C(fingerprint).
  returned: success
  type: dict
  sample:
    api-server:
      kid: 4Zl0ZtVHvUeBqXTrM8hQ5ZcHWqPXtCTUbVQ1zJzLhYQ
      fingerprint: "SHA256:5b6c1d8f0a0e4b9a7c2f4e0f2a4e3d1c0b9a8f7e6d5c4b3a2918070605040302"
      next: MIkVTZ4X3cGiY1Q7mZ2tb6sRk1nT0w5yBqA8uJ9oHdE
      origin: kept
age_seconds:
  description: Time in seconds since the signers started to sign with the current keys.
  returned: success
  type: int
  sample: 2678400
since:
  description: When the state began (RFC 3339, UTC).
  returned: success
  type: str
  sample: "2026-11-22T19:30:05Z"
keys_since:
  description:
    - When the signers started to sign with the current keys. For keys that were never rotated, when the Secret was
      created.
  returned: success
  type: str
  sample: "2026-10-22T19:30:05Z"
retire_after:
  description: When the previous keys may be retired; null if that is not set.
  returned: success
  type: str
  sample: "2026-11-23T19:31:12Z"
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
  sample: true
due_at:
  description: When the next step is, or was, due.
  returned: success
  type: str
  sample: "2026-11-22T19:30:05Z"
written_entries:
  description: Names of the entries that were, or would be, added or replaced.
  returned: success
  type: list
  elements: str
  sample: [api-server-next-private.pem, generation, jwks.json, scheduler-next-private.pem]
removed_entries:
  description: Names of the entries that were, or would be, removed.
  returned: success
  type: list
  elements: str
  sample: []
invalidated:
  description: Kids that were trusted before this call and, once the validators have been restarted, are no longer.
  returned: success
  type: list
  elements: str
  sample: []
"""

import dataclasses
import time
from typing import Any, get_args

from ..module_utils._keys.jwk import CRYPTOGRAPHY_IMPORT_ERROR
from ..module_utils._keys.put_back import started_for
from ..module_utils._keys.result import change_result
from ..module_utils._keys.rotation import Request, Wanted, take_step
from ..module_utils._keys.states import Found, KeyState, read_state
from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.managed import MANAGED_BY_OTHERS, ManagedByOthers
from ..module_utils._kubernetes.managed_secret import check_managers
from ..module_utils._kubernetes.objects import Objects
from ..module_utils._kubernetes.secret import StoredSecret
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

# The longest time until a change of the Secret by another client is noticed.
LOOK_SECONDS = 15


def look(call: Call) -> tuple[StoredSecret, Found, KeyState]:
    secret = StoredSecret(call.cluster, call.params["secret"])
    found = Found.of(secret)
    return secret, found, read_state(found, call.params["signers"])


def wait_for_retirement(call: Call) -> tuple[StoredSecret, Found, KeyState]:
    """The Secret once its previous keys may be retired; in check mode, as if that time had come."""
    while True:
        secret, found, state = look(call)
        left = (state.retire_after - found.read_at).total_seconds() if state.retire_after is not None else 0
        if state.retire_after is None or left <= 0:
            return secret, found, state
        if call.check_mode:
            return secret, dataclasses.replace(found, read_at=state.retire_after), state
        call.progress(f"{left:.0f} s until no token of the previous keys can be valid any more")
        time.sleep(min(left, LOOK_SECONDS))


def act(call: Call) -> dict[str, Any]:
    waits = call.params["wait"] and call.params["state"] == "retired"
    secret, found, before = wait_for_retirement(call) if waits else look(call)
    options = {name: call.params[name] for name in ("state", "rotation", "retire_after", "token_life", "minimum_age")}
    started = started_for(call.params["workloads"], Objects(call.cluster).read)
    change = take_step(
        found,
        before,
        Request(**options),
        generate=not call.check_mode,
        started_for=max(started.values(), default=0),
    )
    if change.changed:
        managed_by_others: ManagedByOthers = "accept" if change.is_a_note else call.params["managed_by_others"]
        check_managers(secret.name, secret.metadata, managed_by_others, call.warn)
    untold = secret.write(change.write, remove=change.remove, annotations=change.annotations, dry_run=call.check_mode)
    if untold is not None:
        call.warn(untold)
    return change_result(found, before, change, options["minimum_age"])


ACTION = Action(
    act,
    {
        "secret": {"type": "str", "default": "hopsworks-airflow-keys", "no_log": False},
        "signers": {"type": "list", "elements": "str", "default": ["api-server", "scheduler"]},
        "state": {"type": "str", "choices": list(get_args(Wanted)), "default": "present"},
        "rotation": {"type": "str"},
        "retire_after": {"type": "int"},
        "token_life": {"type": "int", "no_log": False},
        "wait": {"type": "bool", "default": False},
        "minimum_age": {"type": "int", "default": 0},
        "workloads": {"type": "list", "elements": "str", "default": []},
        "managed_by_others": MANAGED_BY_OTHERS,
    },
    libraries=(("cryptography", CRYPTOGRAPHY_IMPORT_ERROR),),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
