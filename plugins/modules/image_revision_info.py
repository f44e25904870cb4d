#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_revision_info
short_description: Returns the metadata schema revision that an Airflow image is made for
description:
  - Runs the image briefly as a Job, also in check mode, and removes the Job. The Job gets no Secrets and needs no
    network.
  - Only the image itself knows its revision. A tag may have moved to another image since the schema was created.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.pod
  - hopsworks.airflow.attributes.info_module
options:
  deployment:
    description: Name of the deployment, for the Job's labels.
    type: str
    required: true
  image:
    description: The image to ask.
    type: str
    required: true
  known_image:
    description: An image whose revision is known, such as that of the last installation.
    type: str
    default: ''
  known_revision:
    description:
      - The revision of O(known_image). If O(image) is the same reference with a digest, the module returns this
        revision and runs no Job.
    type: str
    default: ''
  timeout:
    description: Timeout of the Job in seconds, including the time to pull the image.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Ask the image
  hopsworks.airflow.image_revision_info:
    namespace: hopsworks
    deployment: airflow
    image: apache/airflow:3.0.6-python3.12
  register: asked
"""

RETURN = r"""
revision:
  description: The latest revision of the image's migrations.
  returned: success
  type: str
  sample: fe199e1abd77
version:
  description: Version of Airflow in the image; null if no Job was run.
  returned: success
  type: str
  sample: 3.0.6
asked:
  description: Whether a Job was run.
  returned: success
  type: bool
  sample: true
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.2
"""

import time
from typing import Any

from ..module_utils._kubernetes.call import Call
from ..module_utils._metadata.new_schema.revision_job import newest_revision
from ..module_utils._pods.own_job import POD_ARGUMENT, pod_of
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    params, begun = call.params, time.monotonic()
    known = params["known_revision"] if params["image"] == params["known_image"] else ""
    head, version = newest_revision(call, params["image"], pod_of(call.cluster, params["pod"]), known)
    seconds = round(time.monotonic() - begun, 1)
    return {"revision": head, "version": version, "asked": version is not None, "seconds": seconds}


ACTION = Action(
    act,
    {
        "deployment": {"type": "str", "required": True},
        "image": {"type": "str", "required": True},
        "known_image": {"type": "str", "default": ""},
        "known_revision": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 600},
        "pod": POD_ARGUMENT,
    },
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
