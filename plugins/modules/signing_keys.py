#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_keys
short_description: The key pairs that Airflow 3 signs its tokens with, and their rotation
description:
  - Makes sure that one Secret holds an RSA key of 4096 bits for each signer, the JWKS by which all components trust
    all signers, and the key ids; and takes these keys from one state of a rotation to the next.
  - Keys that are there stay, as do all other entries of the Secret. What follows from a private key and is missing
    (public half, C(kid), JWKS) is derived from it, so a Secret made by other means is taken over as it is.
  - Refuses what it does not understand, before anything is written, such as halves that are not of one pair, a key of
    another kind or size, a public half without its private one, unreadable entries, a JWKS that publishes a key of
    somebody else, entries that contradict the state, times that the API server's clock has not reached yet.
  - The Secret is written only if nobody changed it since it was read, entries and annotations in one request.
  - Entries for a signer C(NAME) are C(NAME-private.pem) (PKCS#8), C(NAME-public.pem) (SubjectPublicKeyInfo) and
    C(NAME.kid) (RFC 7638 thumbprint); in state V(published), C(NAME-next-private.pem) beside them. C(jwks.json) has
    all public keys, those of the current generation first, each with C(use=sig) and C(alg=RS256). C(generation) counts
    the writes that change what pods see. C(internal-shared-secret) (32 random bytes, base64url) is made once.
  - Pods take their keys when they start. So whoever rotates writes a state first, and then restarts the components
    that the state is for.
notes:
  - The state is kept in the Secret's annotations C(hopsworks.airflow/key-state), C(hopsworks.airflow/key-state-since),
    C(hopsworks.airflow/key-rotation), C(hopsworks.airflow/keys-since), C(hopsworks.airflow/keys-retire-after),
    C(hopsworks.airflow/longest-token-life), C(hopsworks.airflow/previous-longest-token-life) and
    C(hopsworks.airflow/keys-replaced). A rotation that was begun can so be finished by anybody, from any machine. A
    Secret without them is V(steady).
  - All times are by the clock of the API server, never by that of the machine that this runs on.
  - Playbook C(hopsworks.airflow.rotate) takes these steps with all that belongs between them. Where they are taken
    by hand and a restart is left out, valid tokens are refused.
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
      - What the Secret is to be. Asking for the state that it is in changes nothing, asking for one that is not the
        next is refused.
      - V(present) means that there are keys, and all that follows from them. A rotation that is under way is left
        alone.
      - V(published) follows V(steady). There is a next key for each signer, and the JWKS has both generations, while
        the signers still sign with the current one. What is missing in the Secret is completed in the same write.
        Restart the components that verify tokens.
      - V(activated) follows V(published). The next keys are the current ones. Of those before, only the public halves
        stay, in the JWKS. Restart all components, then set O(retire_after).
      - V(retired) follows V(activated), once the time set by O(retire_after) has passed. The JWKS has the current keys
        only. Restart the components that verify tokens.
      - V(steady) follows V(retired) and V(replaced). All components have been restarted, the rotation is over.
      - V(replaced) may follow any state. New keys take the place of all others at once, and every token signed before
        ends. Meant for a key that is compromised. Restart all components.
    type: str
    choices: [present, published, activated, retired, replaced, steady]
    default: present
  rotation:
    description:
      - Id of the rotation, up to 50 letters, digits, dots, dashes and underscores. Required where one begins; an id
        that the Secret's last rotation had is refused then.
      - With O(state=published), the id of a rotation that is under way is kept, whatever is given here.
      - With O(state=replaced), an id other than that of the rotation under way begins a new one, with new keys.
        Without it, the rotation under way becomes a replacement, and a replacement that is under way stays as it is.
    type: str
  retire_after:
    description:
      - With O(state=activated), in seconds, how long a token that was signed until now can be valid, that is the
        longest life of a token and the leeway of its validation. The keys before may be retired when it has passed.
      - Given once all signers have been restarted in state V(activated), not with the step to it. A time that is set
        already stays.
    type: int
  token_life:
    description:
      - How long, in seconds, a token that is signed today can be valid, leeway included. Written down with the keys; of
        several numbers the largest is kept for as long as the keys that it belongs to are trusted.
      - So a life that is made shorter does not have keys retired while tokens from before that still live. The keys
        before are retired after O(retire_after) or the longest life that was written down for them, whichever is
        longer.
    type: int
  wait:
    description:
      - With O(state=retired), wait until the keys before may be retired, instead of refusing to retire them too early.
      - A time that nobody has set yet by O(retire_after) is not waited for.
    type: bool
    default: false
  minimum_age:
    description:
      - With O(state=published), in seconds, keys younger than this are not rotated. The module then changes nothing,
        and returns RV(due) and RV(due_at).
    type: int
    default: 0
  workloads:
    description:
      - Deployments or StatefulSets whose pods have these keys. C(generation) then becomes larger than the one that they
        were started for, also where the Secret was deleted or put back since; without that, they would wait for it.
    type: list
    elements: str
    default: []
  managed_by_others:
    description:
      - What to do where the Secret has to be written, and carries the marks of somebody else who puts it back to what
        they have (Argo CD, Flux, an ExternalSecret, a SealedSecret, a mirror of another Secret). V(refuse) fails before
        anything changes. V(accept) is for those that were told to leave its entries alone.
      - Of others, such as Helm, the module warns.
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
- name: Make or complete the signing keys
  hopsworks.airflow.signing_keys:
    namespace: hopsworks

- name: Take over keys of another Secret, for one signer
  hopsworks.airflow.signing_keys:
    namespace: airflow
    secret: airflow-jwt
    signers: [api-server]

- name: Begin a rotation, if the keys are four weeks old
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: published
    rotation: 20261122t193000
    minimum_age: 2419200

- name: Sign with the next keys, once all validators have been restarted
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: activated

- name: Say how long the keys before are needed, once all signers have been restarted
  hopsworks.airflow.signing_keys:
    namespace: hopsworks
    state: activated
    retire_after: 86410
    token_life: 86410

- name: Retire the keys before as soon as that refuses no token
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
  description: The state of the keys after this call, or, in check mode, that it would lead to.
  returned: success
  type: str
  sample: published
rotation:
  description: Id of the rotation that is under way, or of the last one.
  returned: success
  type: str
  sample: 20261122t193000
generation:
  description: The Secret's counter of changes that pods have to take up by a restart.
  returned: success
  type: int
  sample: 4
signers:
  description:
    - For each signer its C(kid), the C(fingerprint) of its public key (SHA-256 of the DER form), and its C(origin).
      That is V(kept), V(adopted) (the key was there, something derived from it was added) or V(created).
    - C(next) is the C(kid) of its next key in state V(published), C(previous) that of the one before in V(activated).
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
  description: How long ago the current keys became those that the signers sign with, in seconds.
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
    - When the current keys became those that the signers sign with. For keys that were never rotated, when the Secret
      was made.
  returned: success
  type: str
  sample: "2026-10-22T19:30:05Z"
retire_after:
  description: When the keys before may be retired; null where that is not set.
  returned: success
  type: str
  sample: "2026-11-23T19:31:12Z"
longest_token_life:
  description:
    - The longest, in seconds, that a token of the current keys may have been made for since they sign, as far as it
      was written down; else null.
  returned: success
  type: int
  sample: 3610
replaced:
  description:
    - Kids that a cut-over (state V(replaced)) has ended, where one has made the current keys. Else, and from state
      V(activated) of the next rotation on, empty.
  returned: success
  type: list
  elements: str
  sample: []
due:
  description: Whether the next step of a rotation is due; in state V(steady), whether the keys have O(minimum_age).
  returned: success
  type: bool
  sample: true
due_at:
  description: When it is, or was, due.
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

# A Secret that somebody else takes further is noticed after at most this long.
LOOK_SECONDS = 15


def look(call: Call) -> tuple[StoredSecret, Found, KeyState]:
    secret = StoredSecret(call.cluster, call.params["secret"])
    found = Found.of(secret)
    return secret, found, read_state(found, call.params["signers"])


def wait_for_retirement(call: Call) -> tuple[StoredSecret, Found, KeyState]:
    """The Secret as it is once its previous keys may be retired; in check mode, as if that time had come."""
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
