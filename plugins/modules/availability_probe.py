#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Measures from outside how long a service is unavailable
description:
  - Requests URLs at a fixed rate, each time on a new connection and without waiting for the responses to a few earlier
    requests, and records the result of each. Run it as an asynchronous task during a change that may interrupt the
    service.
  - A request of O(urls) succeeds if the response is from Airflow 3 or matches the one before the change (status,
    redirect target, content type, page title), which the probe learns when it starts. An ingress without a running
    backend answers 404, 502 or another site's page. A request of O(requests) succeeds with the expected statuses and a
    body that Airflow would send, so a valid token that is rejected counts as a failure. Redirects are not followed.
  - If the first responses come from a service in front of Airflow (401, 403, a redirect to another site), they say
    nothing about Airflow, and the result reports that.
  - The probe gets its tokens when it starts, by a login or with a key from a Secret; they never leave the module's
    memory. A token that would expire during the measurement is replaced shortly before.
  - V(begun) waits until an asynchronous probe has sent each of its requests once. V(summary) stops a running probe,
    waits for its last responses, and sums up the results of all probes with the same O(file).
  - Public addresses are reached through the proxy in the environment (C(https_proxy), C(http_proxy), C(no_proxy));
    loopback addresses and names of the cluster never are. C(~/.netrc) is not read.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes.info_module
options:
  state:
    description: Whether to probe, to wait until a probe has started, or to stop the probe and return the results.
    type: str
    choices: [probing, begun, summary]
    default: probing
  probe:
    description:
      - Name of this probe, unique among those with the same O(file). With V(begun) and V(summary), the probe to wait
        for or to stop.
      - Defaults to a random name, or with V(begun) and V(summary) to the last probe that has started.
    type: str
  learn:
    description:
      - Whether to learn the expected responses from O(urls) when the probe starts. If V(false), because the old service
        is already stopped, only Airflow 3 and what an earlier probe with the same O(file) has learnt count as success.
    type: bool
    default: true
  urls:
    description: URLs to request (C(GET)) anonymously, each under a name. To probe, O(urls) or O(requests) is required.
    type: dict
  url:
    description: Public address of the deployment, as users open it. Required with O(requests).
    type: str
  requests:
    description: Requests (C(GET)) to send in addition to O(urls), and as which user.
    type: list
    elements: dict
    suboptions:
      kind:
        description:
          - V(version) requests the version anonymously.
          - V(rest) lists a DAG as a client of the REST API, with a token from O(login).
          - V(session) does the same as a browser, with the cookie of an earlier login.
          - V(task_api) calls the Execution API as a running task does, to ask when a task was first rescheduled. There
            is no such task, so nothing is read, but a valid token gets 200. The token is signed with O(task_token).
        type: str
        choices: [version, rest, session, task_api]
        required: true
      name:
        description: Name in the result, unique among all requests. Defaults to the kind.
        type: str
      url:
        description: Another URL to request in that role.
        type: str
      keep_alive:
        description:
          - Whether to send all requests over one connection, one after the other. If the connection was closed, the
            request is sent again over a new one. This counts in C(reconnects) and not as a failure.
        type: bool
        default: false
      statuses:
        description:
          - Expected HTTP statuses. With statuses other than V(200), or with O(requests[].url), the body is not checked.
        type: list
        elements: int
        default: [200]
  login:
    description: The user that logs in for V(rest) and V(session).
    type: dict
    suboptions:
      user:
        description: User name.
        type: str
        required: true
      secret:
        description: Secret that holds the password file of the SimpleAuthManager.
        type: str
        required: true
      key:
        description: Entry of the Secret, a JSON object of users to passwords.
        type: str
        default: passwords.json
  task_token:
    description: How to sign the token for V(task_api).
    type: dict
    suboptions:
      secret:
        description: Secret with the signing keys.
        type: str
        required: true
      signer:
        description: Signer whose key is used. The scheduler signs task tokens.
        type: str
        default: scheduler
      audience:
        description: C([execution_api] jwt_audience) of the deployment.
        type: str
        default: urn:airflow.apache.org:task
      issuer:
        description: C([api_auth] jwt_issuer) of the deployment, if it has one.
        type: str
      seconds:
        description: Lifetime of each token in seconds. Must not exceed C([execution_api] jwt_expiration_time).
        type: int
        default: 600
  windows:
    description:
      - Periods, such as the rollout of one component, for which V(summary) also sums up the results.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the event in this period.
        type: str
        required: true
      begun:
        description: Start time in ISO 8601 with a time zone.
        type: str
        required: true
      ended:
        description: End time in ISO 8601 with a time zone.
        type: str
        required: true
  file:
    description:
      - File that gets one line of JSON per request, with the C(time) at which it was sent (seconds since 1970),
        C(name), HTTP C(status), C(seconds) until the response, C(good) (whether it was expected), C(error) (why not),
        C(reconnected) and C(renewed) (the first one with a new token). Lines with C(begun) or C(ended) mark the start
        and the end of a probe. It contains no tokens.
      - Lines are appended, so several attempts of a run can share it. Created with mode 0600, its folder with 0700.
    type: path
    required: true
  stop_file:
    description:
      - File whose appearance stops the probe. V(summary) creates it; a probe removes it when it starts and when it
        ends.
    type: path
    required: true
  interval:
    description:
      - Seconds between requests to the same URL. Five names with 0.2 make 25 requests per second.
      - After a request that failed and took half a second or more, the interval grows up to eight seconds until a
        request succeeds. An overloaded server would not recover under a constant load.
    type: float
    default: 0.1
  answer_within:
    description: Seconds after which a request without a complete response counts as failed.
    type: float
    default: 5.0
  seconds:
    description: Maximum duration of the probe in seconds. With V(begun), the maximum time to wait.
    type: float
    default: 3600.0
  watch_process:
    description:
      - Id of a process on this machine; the probe stops when this process exits. An asynchronous task cannot detect by
        itself that its playbook was killed. M(hopsworks.airflow.run_lock) returns the playbook's process id.
    type: int
  verify:
    description: Whether the server's certificate must be valid.
    type: bool
    default: true
  ca_file:
    description:
      - File with the certificates to trust for HTTPS, in PEM format, instead of the system's trust store. That store is
        the one that OpenSSL uses, including C(SSL_CERT_FILE); C(REQUESTS_CA_BUNDLE) is ignored.
    type: path
notes:
  - The lock is not used, and the cluster only to read the Secrets of O(login) and O(task_token). These options exist
    because all modules of the action group have them.
  - If an asynchronous probe cannot start, for example because a login is rejected, the failure is not shown. Its
    O(file) has the reason, and V(begun) fails with it.
  - Writes O(file) and O(stop_file) in check mode as well, because they are its result.
"""

EXAMPLES = r"""
- name: Measure how long the UI is down
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    urls:
      ui: https://hopsworks.example.com/hopsworks-api/airflow/api/v2/version
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
  async: 3600
  poll: 0

- name: Measure how a rotation affects users, clients and tasks
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    url: https://hopsworks.example.com/hopsworks-api/airflow
    requests:
      - {kind: version}
      - {kind: rest}
      - {kind: session}
      - {kind: task_api}
      - {kind: version, name: keep_alive, keep_alive: true}
    login: {user: admin, secret: airflow-runtime}
    task_token: {secret: hopsworks-airflow-keys}
    interval: 0.2
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
    probe: first
  async: 3600
  poll: 0

- name: Wait until every kind of request was sent
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    state: begun
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
    probe: first
    seconds: 60

- name: End the measurement
  hopsworks.airflow.availability_probe:
    namespace: hopsworks
    state: summary
    file: /var/lib/airflow-runs/availability.jsonl
    stop_file: /var/lib/airflow-runs/availability.stop
    windows:
      - {name: api-server, begun: "2026-11-22T03:10:30Z", ended: "2026-11-22T03:10:45Z"}
"""

RETURN = r"""
requests:
  description: Number of requests that this probe has sent.
  returned: state is probing
  type: int
  sample: 812
ended_because:
  description: Why the probe stopped.
  returned: state is probing
  type: str
  sample: told to stop
names:
  description: Names of the requests.
  returned: state is begun
  type: list
  elements: str
  sample: [version, rest, session, task_api, keep_alive]
urls:
  description:
    - For each name, the number of C(requests) and C(failures), the C(errors) with their counts, and when probing
      C(begun) and C(ended).
    - C(away_seconds) is the total time without service, C(longest_gap_seconds) the longest single gap, and C(absences)
      lists all gaps. Each gap counts from the last success before it to the first success after it, so it is an upper
      bound.
    - C(unobserved_seconds) is the time without measurement, because a run was interrupted or the probe ended. It counts
      as unavailable if the service was unavailable both before and after.
    - C(not_measured) says why the responses of a URL say nothing about Airflow; null if they do.
    - C(latency_seconds) of the successful requests, as C(median), C(p95), C(p99) and C(longest).
    - C(failed_at) and C(reconnected_at) are the first 200 times of each. C(reconnects) counts closed connections,
      C(renewals) counts tokens that were replaced before they expired.
  returned: state is summary
  type: dict
  sample:
    ui:
      requests: 812
      failures: 96
      errors:
        HTTP 502: 96
      failed_at: ["2026-11-22T03:10:31.115Z"]
      reconnects: 0
      reconnected_at: []
      renewals: 0
      begun: "2026-11-22T03:10:02.113Z"
      ended: "2026-11-22T03:11:23.201Z"
      away_seconds: 9.8
      longest_gap_seconds: 9.8
      absences:
        - begun: "2026-11-22T03:10:31.015Z"
          ended: "2026-11-22T03:10:40.815Z"
          seconds: 9.8
      unobserved_seconds: 0.0
      not_measured:
      latency_seconds:
        median: 0.012
        p95: 0.04
        p99: 0.2
        longest: 1.1
problems:
  description: What was not measured, in words; empty if the measurement is complete.
  returned: state is summary
  type: list
  elements: str
  sample: [rest was not measured in the last 12 s]
windows:
  description:
    - For each of O(windows), its name and times, the results by C(names) as in RV(urls), and whether it was C(measured)
      for its whole duration.
  returned: state is summary
  type: list
  elements: dict
  sample:
    - name: api-server
      begun: "2026-11-22T03:10:30Z"
      ended: "2026-11-22T03:10:45Z"
      measured: true
      names: {ui: {requests: 150, failures: 96}}
"""

from ..module_utils._airflow.login import LOGIN_OPTIONS
from ..module_utils._airflow.rest import REQUESTS_IMPORT_ERROR
from ..module_utils._airflow.targets import KINDS, act
from ..module_utils._airflow.token import TASK_AUDIENCE
from ..module_utils._keys.jwk import CRYPTOGRAPHY_IMPORT_ERROR
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        "state": {"type": "str", "choices": ["probing", "begun", "summary"], "default": "probing"},
        "probe": {"type": "str"},
        "learn": {"type": "bool", "default": True},
        "urls": {"type": "dict"},
        "url": {"type": "str"},
        "requests": {
            "type": "list",
            "elements": "dict",
            "options": {
                "kind": {"type": "str", "choices": list(KINDS), "required": True},
                "name": {"type": "str"},
                "url": {"type": "str"},
                "keep_alive": {"type": "bool", "default": False},
                "statuses": {"type": "list", "elements": "int", "default": [200]},
            },
        },
        "login": {"type": "dict", "options": LOGIN_OPTIONS},
        "task_token": {
            "type": "dict",
            "no_log": False,
            "options": {
                "secret": {"type": "str", "required": True, "no_log": False},
                "signer": {"type": "str", "default": "scheduler"},
                "audience": {"type": "str", "default": TASK_AUDIENCE},
                "issuer": {"type": "str"},
                "seconds": {"type": "int", "default": 600},
            },
        },
        "windows": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {name: {"type": "str", "required": True} for name in ("name", "begun", "ended")},
        },
        "file": {"type": "path", "required": True},
        "stop_file": {"type": "path", "required": True},
        "interval": {"type": "float", "default": 0.1},
        "answer_within": {"type": "float", "default": 5.0},
        "seconds": {"type": "float", "default": 3600.0},
        "watch_process": {"type": "int"},
        "verify": {"type": "bool", "default": True},
        "ca_file": {"type": "path"},
    },
    libraries=(("requests", REQUESTS_IMPORT_ERROR), ("cryptography", CRYPTOGRAPHY_IMPORT_ERROR)),
    under_lock=False,
    required_if=[("state", "probing", ["urls", "requests"], True)],
    required_by={"requests": ["url"]},
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
