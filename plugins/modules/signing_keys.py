#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: signing_keys
short_description: The key pairs that Airflow 3 signs its tokens with
description:
  - Makes sure that one Secret holds an RSA key of 4096 bits for each signer, the JWKS by which all components trust
    all signers, and the key ids.
  - Keys that are there stay, as do all other entries of the Secret. What follows from a private key and is missing
    (public half, C(kid), JWKS) is derived from it, so a Secret made by other means is taken over as it is.
  - Refuses what it does not understand, before anything is written, such as halves that are not of one pair, a key of
    another kind or size, a public half without its private one, unreadable entries, a JWKS that publishes a key of
    somebody else.
  - The Secret is written only if nobody changed it since it was read.
  - Entries for a signer C(NAME) are C(NAME-private.pem) (PKCS#8), C(NAME-public.pem) (SubjectPublicKeyInfo) and
    C(NAME.kid) (RFC 7638 thumbprint). C(jwks.json) has all public keys, each with C(use=sig) and C(alg=RS256).
    C(internal-shared-secret) (32 random bytes, base64url) is made once.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
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
requirements:
  - cryptography >= 40
seealso:
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
"""

RETURN = r"""
signers:
  description:
    - For each signer its C(kid), the C(fingerprint) of its public key (SHA-256 of the DER form), and its C(origin).
      That is V(kept), V(adopted) (the key was there, something derived from it was added) or V(created).
    - In check mode, a key that would be created has no C(kid) and no C(fingerprint).
  returned: success
  type: dict
  sample:
    api-server:
      kid: 4Zl0ZtVHvUeBqXTrM8hQ5ZcHWqPXtCTUbVQ1zJzLhYQ
      fingerprint: "SHA256:5b6c1d8f0a0e4b9a7c2f4e0f2a4e3d1c0b9a8f7e6d5c4b3a2918070605040302"
      origin: created
written_entries:
  description: Names of the entries that were, or would be, added or replaced.
  returned: success
  type: list
  elements: str
  sample: [api-server-private.pem, api-server-public.pem, api-server.kid, jwks.json]
"""

from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import CRYPTOGRAPHY_IMPORT_ERROR
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.ring import complete
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.secret import StoredSecret
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import Call, run_module


def act(call: Call) -> dict[str, Any]:
    secret = StoredSecret(call.cluster, call.params["secret"])
    completion = complete(secret.entries, call.params["signers"], secret=secret.name, generate=not call.check_mode)
    secret.write(completion.write, dry_run=call.check_mode)
    return {
        "changed": bool(completion.write),
        "signers": {name: vars(signer) for name, signer in completion.signers.items()},
        "written_entries": sorted(completion.write),
        "diff": {
            "before_header": f"Secret {secret.name}",
            "after_header": f"Secret {secret.name}",
            "before": completion.before,
            "after": completion.after,
        },
    }


def main() -> None:
    run_module(
        {
            "secret": {"type": "str", "default": "hopsworks-airflow-keys", "no_log": False},
            "signers": {"type": "list", "elements": "str", "default": ["api-server", "scheduler"]},
        },
        act,
        libraries=(("cryptography", CRYPTOGRAPHY_IMPORT_ERROR),),
    )


if __name__ == "__main__":
    main()
