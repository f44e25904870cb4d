#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: generated_secret
short_description: Creates secrets once and never shows them
description:
  - Makes sure that a Secret has the named entries. Existing entries are kept; missing entries are generated, or copied
    from where an earlier deployment keeps them.
  - Values are never returned or shown, only their fingerprints.
  - Warns if an entry is a value that was published as a default or an example, and so is publicly known.
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
    required: true
  entries:
    description: The required entries. All other entries are kept.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the entry.
        type: str
        required: true
      kind:
        description:
          - What to generate.
          - V(token) is 32 random bytes, base64url without padding.
          - V(fernet) is a Fernet key, with which Airflow encrypts Variables and Connections.
          - V(simple_auth_password_file) is a JSON object with a password of 18 random bytes for O(entries[].user), as
            Airflow's SimpleAuthManager reads it.
        type: str
        choices: [token, fernet, simple_auth_password_file]
      format:
        description:
          - Required format of an existing or copied value. The module fails on any other value before it writes
            anything, because pods could not start or work with it.
          - V(text) is one line of UTF-8, V(fernet) a Fernet key or several separated by commas, and
            V(simple_auth_password_file) a JSON object with a password for O(entries[].user).
          - Defaults to the format of O(entries[].kind), or else to V(text).
        type: str
        choices: [text, fernet, simple_auth_password_file]
      user:
        description: The user in a V(simple_auth_password_file).
        type: str
        default: admin
      from_secret:
        description: Copy the value from this entry of a Secret in the same namespace.
        type: dict
        suboptions:
          name: {description: Name of the Secret., type: str, required: true}
          key: {description: Name of the entry., type: str, required: true}
      from_config_map:
        description: Copy the value from this entry of a ConfigMap in the same namespace.
        type: dict
        suboptions:
          name: {description: Name of the ConfigMap., type: str, required: true}
          key: {description: Name of the entry., type: str, required: true}
  managed_by_others:
    description:
      - What to do if the Secret has to be written and another controller would restore its own version (Argo CD, Flux,
        an ExternalSecret, a SealedSecret, a mirror of another Secret). V(refuse) fails before anything changes. Use
        V(accept) if that controller is configured to ignore these entries.
      - For others, such as Helm, the module only warns.
    type: str
    choices: [refuse, accept]
    default: refuse
"""

EXAMPLES = r"""
- name: Create the encryption key, the cookie key and the password of the first user
  hopsworks.airflow.generated_secret:
    namespace: hopsworks
    secret: airflow-generated
    entries:
      - name: api-secret-key
        kind: token
      - name: simple_auth_manager_passwords.json
        kind: simple_auth_password_file
        user: admin
      - name: fernet-key
        format: fernet
        from_secret:
          name: airflow-1-fernet
          key: fernet-key
"""

RETURN = r"""
entries:
  description:
    - For each entry, its C(fingerprint) (the first 16 hexadecimal digits of its SHA-256) and its C(origin), one of
      V(kept), V(generated) and V(copied).
    - In check mode, entries that would be generated have no C(fingerprint).
  returned: success
  type: dict
  sample:
    api-secret-key:
      fingerprint: "SHA256:9f86d081884c7d65"
      origin: generated
"""

from ..module_utils._keys.generated import FORMS, GENERATORS, act
from ..module_utils._kubernetes.managed import MANAGED_BY_OTHERS
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

# The names of secrets are not secret, but without `no_log: false` Ansible would treat them as such.
SOURCE = {
    "type": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
    },
    "no_log": False,
}
ONE_OF = ["kind", "from_secret", "from_config_map"]
ACTION = Action(
    act,
    {
        "secret": {"type": "str", "required": True, "no_log": False},
        "entries": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "kind": {"type": "str", "choices": list(GENERATORS)},
                "format": {"type": "str", "choices": sorted(set(FORMS.values()))},
                "user": {"type": "str", "default": "admin"},
                "from_secret": SOURCE,
                "from_config_map": SOURCE,
            },
            "mutually_exclusive": [ONE_OF],
            "required_one_of": [ONE_OF],
        },
        "managed_by_others": MANAGED_BY_OTHERS,
    },
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
