#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: key_acceptance
short_description: Verifies which signing keys each api-server pod accepts
description:
  - Signs a task token with every private key in the Secret, sends it to every ready pod of the api-server, and returns
    which tokens are accepted. Fails unless each pod accepts exactly the expected keys and rejects forged tokens.
  - Ignores pods that terminate during the check, and includes pods that have started in the meantime.
  - Pods read their keys when they start, so the keys that a pod trusts can differ from those in the Secret. If they do,
    restart the api-server and run the check again.
  - The tokens are valid for 60 seconds, grant no user rights, and request an object that does not exist. They never
    leave the module's memory, but Airflow 3.0 logs tokens that it rejects.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  secret:
    description: Secret with the signing keys.
    type: str
    default: hopsworks-airflow-keys
  signers:
    description:
      - The components that sign tokens. The module checks their keys and, if there are any, their next keys; it ignores
        other private keys in the Secret.
    type: list
    elements: str
    default: [api-server, scheduler]
  workload:
    description:
      - Deployment or StatefulSet of the api-server. The module asks each of its ready pods through a port-forward.
    type: str
    default: airflow-webserver
  port:
    description: Port on which the api-server listens in its pod.
    type: int
    default: 12358
  path:
    description: Path of C([api] base_url), the prefix of the api-server's URLs.
    type: str
    default: ""
  expected:
    description:
      - Kids that every pod must accept; it must reject all other keys of O(signers). The module can only check keys
        whose private half is in the Secret, so it does not cover the previous keys in state V(activated).
      - Defaults to the kids in the Secret's C(jwks.json).
    type: list
    elements: str
  audience:
    description: C([execution_api] jwt_audience) of the deployment.
    type: str
    default: urn:airflow.apache.org:task
  issuer:
    description: C([api_auth] jwt_issuer) of the deployment, if it has one.
    type: str
requirements:
  - cryptography >= 40
  - requests >= 2.32.3
seealso:
  - module: hopsworks.airflow.signing_keys
"""

EXAMPLES = r"""
- name: Verify that every pod trusts the keys that the Secret publishes, and no others
  hopsworks.airflow.key_acceptance:
    namespace: hopsworks
    path: /hopsworks-api/airflow
"""

RETURN = r"""
keys:
  description: Kid of each key of O(signers) whose private half is in the Secret, by signer; next keys as C(NAME-next).
  returned: success
  type: dict
  sample:
    api-server: iQ2cN9o1mYkq0RkTq8l1d3mH1o6m5Ywq9Hc1m0Q1k2E
    scheduler: 5xJm2cQw8Jt0rVb1n3kP4f6h7j8K9l0Z1x2C3v4B5n6
pods:
  description:
    - For each pod, its C(name), the C(version) of Airflow, and the kids that it C(accepted) and C(refused).
    - C(forged) holds the HTTP status with which it rejected a token with an unpublished kid, and one with a wrong
      signature; empty if it accepts no key at all.
  returned: success
  type: list
  elements: dict
  sample:
    - name: airflow-webserver-7d9c6b5f8-x2x4z
      version: 3.0.6
      accepted: [iQ2cN9o1mYkq0RkTq8l1d3mH1o6m5Ywq9Hc1m0Q1k2E, 5xJm2cQw8Jt0rVb1n3kP4f6h7j8K9l0Z1x2C3v4B5n6]
      refused: []
      forged: {unknown_kid: 403, wrong_signature: 403}
"""

import contextlib
from typing import Any

from ..module_utils._airflow.acceptance import Answer, Question, ask, ask_each, check, question
from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR, AirflowApi
from ..module_utils._airflow.token import TASK_AUDIENCE
from ..module_utils._keys.jwk import CRYPTOGRAPHY_IMPORT_ERROR
from ..module_utils._kubernetes.call import Call
from ..module_utils._kubernetes.tunnel import Tunnel
from ..module_utils._pods.pods import serving_pods
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def answer_of(call: Call, pod: str, asked: Question) -> Answer:
    with contextlib.closing(Tunnel(call.cluster, call.cluster.namespace, pod, call.params["port"])) as tunnel:
        host, port = tunnel.address
        return ask(AirflowApi(f"http://{host}:{port}{call.params['path']}"), pod, asked)


def act(call: Call) -> dict[str, Any]:
    given = call.params
    asked = question(
        call.cluster.secret_entries(given["secret"]) or {},
        given["secret"],
        signers=given["signers"],
        expected=given["expected"],
        audience=given["audience"],
        issuer=given["issuer"],
    )

    def serving() -> list[str]:
        return [pod["metadata"]["name"] for pod in serving_pods(call.cluster, given["workload"])]

    answers = ask_each(serving, lambda pod: answer_of(call, pod, asked))
    check(answers, asked)
    return {
        "keys": {signer: key.kid for signer, key in asked.keys.items()},
        "pods": [
            {
                "name": answer.pod,
                "version": answer.version,
                "accepted": answer.accepted,
                "refused": answer.refused,
                "forged": answer.forged,
            }
            for answer in answers
        ],
    }


ACTION = Action(
    act,
    {
        "secret": {"type": "str", "default": "hopsworks-airflow-keys", "no_log": False},
        "signers": {"type": "list", "elements": "str", "default": ["api-server", "scheduler"]},
        "workload": {"type": "str", "default": "airflow-webserver"},
        "port": {"type": "int", "default": 12358},
        "path": {"type": "str", "default": ""},
        "expected": {"type": "list", "elements": "str"},
        "audience": {"type": "str", "default": TASK_AUDIENCE},
        "issuer": {"type": "str"},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR), ("cryptography", CRYPTOGRAPHY_IMPORT_ERROR)),
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
