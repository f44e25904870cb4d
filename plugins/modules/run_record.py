#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Records the runs on an Airflow deployment
description:
  - Keeps the record of runs in a ConfigMap. Each phase is recorded when it starts and when it ends.
  - An interrupted run is found in the record and continued. Whether a phase still has work to do is never read from the
    record, but from the live system.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Reading changes nothing; every call that opens a run, records a phase or closes a run adds to the record.
options:
  name:
    description:
      - Name of the ConfigMap. Defaults to a name derived from O(deployment), so that several deployments can share a
        namespace.
    type: str
  deployment:
    description: Name of the deployment. The module fails if the record belongs to another one.
    type: str
    required: true
  state:
    description:
      - V(read) returns the record. V(open) starts a run, or continues the unfinished run of the same playbook, with its
        first phase in O(begin). An unfinished run of another playbook is closed as abandoned if it has only started
        phases that prepare a cut-over (RV(abandons)); otherwise the module fails (RV(in_the_way)).
      - V(phase) ends the phase O(done) and starts the phase O(begin). V(failed) and V(finished) close the run.
    type: str
    choices: [read, open, phase, failed, finished]
    default: read
  run:
    description:
      - With V(open), identifier of a new run; ignored if an unfinished run is continued.
      - With V(phase), V(failed) and V(finished), the run to record. The module fails if the newest run is a different
        one. Defaults to the newest run.
    type: str
  seen:
    description:
      - With V(open), the value of RV(seen) when the plan was made. The module fails if a run has started, continued or
        ended since then, because the plan may be outdated. If omitted, this is not checked.
    type: str
  playbook:
    description:
      - Name of the playbook, without its file extension. With V(read), the playbook for which RV(in_the_way) and
        RV(abandons) are returned.
    type: str
  by:
    description: The user who runs it.
    type: str
  begin:
    description: Phase that starts.
    type: str
  done:
    description: Phase that has ended.
    type: str
  facts:
    description: Facts about the ended phase. Must not contain secrets.
    type: dict
    default: {}
  failure:
    description: Why the run failed, for O(state=failed).
    type: str
"""

EXAMPLES = r"""
- name: Read the last run
  hopsworks.airflow.run_record:
    namespace: hopsworks
    deployment: airflow
  register: record

- name: Start or continue an upgrade
  hopsworks.airflow.run_record:
    namespace: hopsworks
    state: open
    run: 20261122t030000
    playbook: upgrade
    deployment: airflow
    by: alice@console

- name: End one phase and start the next
  hopsworks.airflow.run_record:
    namespace: hopsworks
    deployment: airflow
    state: phase
    done: snapshot
    facts: {files: 12}
    begin: dump

- name: Close the run
  hopsworks.airflow.run_record:
    namespace: hopsworks
    deployment: airflow
    state: finished
    done: dump
"""

RETURN = r"""
run:
  description:
    - The newest run, or null if there was none. It contains the first and the last 19 of its C(attempts) with their
      C(phases); of all other attempts, it keeps only the facts of their phases.
  returned: always
  type: dict
  sample: {id: 20261122t030000, playbook: upgrade, status: running, attempts: [], phases: []}
unfinished:
  description: Whether the newest run has to be finished.
  returned: always
  type: bool
  sample: false
seen:
  description: Checksum of the newest run's current state; empty if there was none.
  returned: always
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
in_the_way:
  description: Why a run of O(playbook) cannot be opened, in words; null if it can.
  returned: always
  type: str
  sample:
abandons:
  description:
    - The unfinished run of another playbook that is closed when a run of O(playbook) is opened, because it has not
      changed the live deployment; null if there is none.
  returned: always
  type: str
  sample:
facts:
  description:
    - The facts of each completed phase of the newest run, by its name. If a later attempt failed, the facts of an
      earlier attempt about the failed phase and later phases are omitted, except those that remain true, such as the
      path of the dump.
  returned: always
  type: dict
  sample: {snapshot: {files: 12}}
history:
  description: Earlier runs, the newest first.
  returned: always
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ..module_utils._common.names import record_name
from ..module_utils._kubernetes.call import Call
from ..module_utils._run.action import Action
from ..module_utils._run.record import RunRecord
from ..module_utils.module import run_as_module


def act(call: Call) -> dict[str, Any]:
    given = call.params
    record = RunRecord(call.cluster, given["name"] or record_name(given["deployment"]), given["deployment"])
    state = given["state"]
    if given["seen"] is not None and state == "open":
        record.refuse_changed(given["seen"])
    if given["run"] and state in ("phase", "failed", "finished"):
        record.refuse_other(given["run"])
    if state == "open":
        record.open(given["run"], given["playbook"], given["by"])
    if given["done"]:
        record.end(given["done"], given["facts"])
    if given["begin"] and state in ("open", "phase"):
        record.begin(given["begin"])
    if state == "failed":
        record.fail(given["begin"], given["failure"])
    if state == "finished":
        record.finish()
    if state != "read" and not call.check_mode:
        record.write()
    hindrance = record.in_the_way(given["playbook"]) if given["playbook"] else None
    abandons = record.abandoned_by(given["playbook"]) if given["playbook"] else None
    return {
        "changed": state != "read",
        "run": record.run,
        "unfinished": record.unfinished() is not None,
        "seen": record.seen,
        "in_the_way": str(hindrance) if hindrance else None,
        "abandons": abandons and f"{abandons['id']} of {abandons['playbook']}.yml",
        "facts": record.facts(),
        "history": record.history,
    }


ACTION = Action(
    act,
    {
        "name": {"type": "str"},
        "deployment": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["read", "open", "phase", "failed", "finished"], "default": "read"},
        "run": {"type": "str"},
        "seen": {"type": "str"},
        "playbook": {"type": "str"},
        "by": {"type": "str"},
        "begin": {"type": "str"},
        "done": {"type": "str"},
        "facts": {"type": "dict", "default": {}},
        "failure": {"type": "str"},
    },
    required_if=[("state", "open", ("run", "playbook", "by")), ("state", "failed", ("failure",))],
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
