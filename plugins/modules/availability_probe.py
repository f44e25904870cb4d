#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Measures from outside how long something is away
description:
  - Requests URLs at a fixed rate, each time on a new connection and whether or not earlier requests have been answered,
    and writes down what came of each. Run it as an asynchronous task around whatever may interrupt them.
  - A request succeeds when it is answered with an HTTP status below 500. Proxies that have lost the server behind them
    answer 502, 503 or 504. Redirects are not followed.
  - V(summary) ends a probe that still runs, and adds up what all probes with the same O(file) have seen.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  state:
    description: Whether to probe, or to end probing and say what was seen.
    type: str
    choices: [probing, summary]
    default: probing
  urls:
    description: What to request (C(GET)), by a name for each. Required to probe.
    type: dict
  file:
    description:
      - Where each request gets a line of JSON, with the C(time) at which it was sent (seconds since 1970), C(name),
        HTTP C(status), C(seconds) until the answer, and C(error) where there was none.
      - Appended to; several attempts of one run can share it. Created with mode 0600.
    type: path
    required: true
  stop_file:
    description: A file whose appearance ends the probe. Removed when a probe begins, made by V(summary).
    type: path
    required: true
  interval:
    description: Seconds from one request for a URL to the next.
    type: float
    default: 0.1
  answer_within:
    description: Seconds after which a request without an answer has failed.
    type: float
    default: 5.0
  seconds:
    description: How long to probe at most, in seconds.
    type: float
    default: 3600.0
  watch_process:
    description:
      - Number of a process on this machine, with whose end the probe ends, too. An asynchronous task can't tell by
        itself that its playbook was killed. M(hopsworks.airflow.run_lock) returns the playbook's.
    type: int
  verify:
    description: Whether the server's certificate must be valid.
    type: bool
    default: true
  ca_file:
    description: Certificates to trust for HTTPS, in PEM form, in place of the system's.
    type: path
notes:
  - Cluster and lock are not used; their options are there because all modules of the action group have them.
  - Writes O(file) and O(stop_file) in check mode, too. They are its result, like what others return.
"""

EXAMPLES = r"""
- name: Measure how long the UI is away
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    urls:
      ui: https://hopsworks.example.com/hopsworks-api/airflow/api/v2/version
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
  async: 3600
  poll: 0

- name: End the measurement
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    state: summary
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
"""

RETURN = r"""
requests:
  description: How many requests this probe has sent.
  returned: state is probing
  type: int
  sample: 812
ended_because:
  description: What ended it.
  returned: state is probing
  type: str
  sample: told to stop
urls:
  description:
    - For each name the C(requests), C(failures), C(errors) (how often each), when probing was C(begun) and C(ended).
    - C(away_seconds) is how long it was away in all, C(longest_gap_seconds) at a time, C(absences) are when. Each
      counts from the last success before to the first after, so it is the longest that it can have been.
    - C(unobserved_seconds) is for how long nobody looked in between, because a run was interrupted. Such a time counts
      as away if it was away both before and after.
    - C(latency_seconds) of the successes, as C(median), C(p99) and C(longest).
  returned: state is summary
  type: dict
  sample:
    ui:
      requests: 812
      failures: 96
      errors:
        HTTP 502: 96
      begun: "2026-11-22T03:10:02.113Z"
      ended: "2026-11-22T03:11:23.201Z"
      away_seconds: 9.8
      longest_gap_seconds: 9.8
      absences:
        - begun: "2026-11-22T03:10:31.015Z"
          ended: "2026-11-22T03:10:40.815Z"
          seconds: 9.8
      unobserved_seconds: 0.0
      latency_seconds:
        median: 0.012
        p99: 0.2
        longest: 1.1
"""

import time
from pathlib import Path
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.availability import (
    Prober,
    read,
    summarise,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import Call, run_module

# What a probe needs at most to see that it is to stop; requests without an answer take longer, and count as they end.
SETTLE_SECONDS = 1.0


def act(call: Call) -> dict[str, Any]:
    params = call.params
    file, stop_file = Path(params["file"]), Path(params["stop_file"])
    if params["state"] == "summary":
        if not stop_file.exists():
            stop_file.touch(mode=0o600)
            time.sleep(SETTLE_SECONDS)
        return {"urls": summarise(read(file))}
    stop_file.unlink(missing_ok=True)
    prober = Prober(
        params["urls"],
        file,
        interval_seconds=params["interval"],
        timeout_seconds=params["answer_within"],
        ca_file=params["ca_file"],
        verify=params["verify"],
    )
    ended = prober.run(stop_file, seconds=params["seconds"], process_id=params["watch_process"])
    return {"requests": prober.requests, "ended_because": ended}


def main() -> None:
    run_module(
        {
            "state": {"type": "str", "choices": ["probing", "summary"], "default": "probing"},
            "urls": {"type": "dict"},
            "file": {"type": "path", "required": True},
            "stop_file": {"type": "path", "required": True},
            "interval": {"type": "float", "default": 0.1},
            "answer_within": {"type": "float", "default": 5.0},
            "seconds": {"type": "float", "default": 3600.0},
            "watch_process": {"type": "int"},
            "verify": {"type": "bool", "default": True},
            "ca_file": {"type": "path"},
        },
        act,
        under_lock=False,
        required_if=[("state", "probing", ["urls"])],
    )


if __name__ == "__main__":
    main()
