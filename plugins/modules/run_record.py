#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: What was begun and done on an Airflow deployment, when and by whom
description:
  - Keeps the record of runs in a ConfigMap. A phase is written before it acts and after.
  - A run that was interrupted is found here and gone on with. Whether a phase still has work to do is never read from
    the record, but from the live system.
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
    details: Reading changes nothing; opening, writing a phase and closing each add to the record.
options:
  name:
    description:
      - Name of the ConfigMap. If omitted, it is derived from O(deployment), so that several deployments can share a
        namespace.
    type: str
  deployment:
    description: Name of the deployment. The record of another one is refused.
    type: str
    required: true
  state:
    description:
      - V(read) returns the record. V(open) begins a run, or goes on with the unfinished one of the same playbook, with
        its first phase in O(begin). An unfinished run of another playbook is closed as abandoned where it has begun
        nothing but phases that prepare a cut-over (RV(abandons)), else it is a reason to refuse (RV(in_the_way)).
      - V(phase) ends the phase O(done) and begins the phase O(begin). V(failed) and V(finished) close the run.
    type: str
    choices: [read, open, phase, failed, finished]
    default: read
  run:
    description:
      - With V(open), identifier of a new run; not used where an unfinished run is gone on with.
      - With V(phase), V(failed) and V(finished), the run that is written. If omitted, whichever is the newest; else any
        other one is refused.
    type: str
  seen:
    description:
      - With V(open), what RV(seen) was when the plan was made. A run that has begun, gone on or ended since then is
        a reason to refuse, because the plan may not be true any more. If omitted, this is not asked.
    type: str
  playbook:
    description:
      - Name of the playbook, without its ending. With V(read), the one that RV(in_the_way) and RV(abandons) are about.
    type: str
  by:
    description: Who runs it.
    type: str
  begin:
    description: Phase that begins.
    type: str
  done:
    description: Phase that has ended.
    type: str
  facts:
    description: What the ended phase wants to be known of it. Never a secret.
    type: dict
    default: {}
  failure:
    description: Why the run failed, for O(state=failed).
    type: str
"""

EXAMPLES = r"""
- name: What ran last
  hopsworks.airflow.run_record:
    namespace: hopsworks
    deployment: airflow
  register: record

- name: Begin, or go on with, an upgrade
  hopsworks.airflow.run_record:
    namespace: hopsworks
    state: open
    run: 20261122t030000
    playbook: upgrade
    deployment: airflow
    by: alice@console

- name: One phase ends, the next begins
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
    - The newest run, or null where there was none. Of its C(attempts) the first and the last 19, and their C(phases);
      of the phases of the others what they told.
  returned: always
  type: dict
  sample: {id: 20261122t030000, playbook: upgrade, status: running, attempts: [], phases: []}
unfinished:
  description: Whether the newest run has to be finished.
  returned: always
  type: bool
  sample: false
seen:
  description: What stands for the newest run as it is; empty where there was none.
  returned: always
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
in_the_way:
  description: Why a run of O(playbook) can't be opened, in words; null where it can.
  returned: always
  type: str
  sample:
abandons:
  description:
    - The unfinished run of another playbook that ends when a run of O(playbook) is opened, because it has changed
      nothing of what serves; null where there is none.
  returned: always
  type: str
  sample:
facts:
  description:
    - The facts of each phase of the newest run that is done, by its name. Where a later attempt failed, what an earlier
      one told of that phase and of those after it is left away, except what stays true, such as where the dump is.
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
        "state": {
            "type": "str",
            "choices": ["read", "open", "phase", "failed", "finished"],
            "default": "read",
        },
        "run": {"type": "str"},
        "seen": {"type": "str"},
        "playbook": {"type": "str"},
        "by": {"type": "str"},
        "begin": {"type": "str"},
        "done": {"type": "str"},
        "facts": {"type": "dict", "default": {}},
        "failure": {"type": "str"},
    },
    required_if=[
        ("state", "open", ("run", "playbook", "by")),
        ("state", "failed", ("failure",)),
    ],
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
