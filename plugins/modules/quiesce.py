#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quiesce
short_description: Pauses DAGs, waits for running task instances, and unpauses exactly the DAGs that were paused
description:
  - Works on the metadata database of any Airflow from 1.10 on, so it does not depend on a working UI or API.
  - Before it pauses the first DAG, it writes the list of DAGs to a table in O(workspace), together with their owner
    (O(deployment), O(namespace) and the live schema). If a run dies, nothing is lost and any later run continues. The
    module fails if the list belongs to another deployment.
  - It only writes the column C(is_paused) of the table C(dag). Once unpaused, a DAG's row is exactly what it was
    before.
  - If an owner pauses a DAG that this module has already paused, it cannot be distinguished from the others and is
    unpaused with them. If an owner unpauses a DAG in the meantime, it stays unpaused, unless V(quiesced) is still
    waiting.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment:
  - hopsworks.airflow.kubernetes
  - hopsworks.airflow.deployment
  - hopsworks.airflow.deployment.owner
  - hopsworks.airflow.database
  - hopsworks.airflow.database.schemas
  - hopsworks.airflow.attributes
options:
  state:
    description:
      - V(quiesced) pauses all DAGs that are not paused, and waits for running and queued task instances to end. It also
        pauses DAGs that are unpaused or added while it waits. If tasks do not end within O(timeout), it unpauses the
        DAGs and fails. It does not wait for task instances that are RV(dead).
      - V(resumed) unpauses exactly the DAGs that were paused, whatever else has been added to the live schema since. In
        an old schema it keeps the list, so that the same DAGs can be unpaused again in the new schema. There it
        unpauses each DAG and removes it from the list as soon as the new Airflow has it. The others stay on the list
        for a later run (RV(unknown), RV(broken), RV(gone)), and a warning names them with the reason.
      - V(forgotten) removes O(dags), or all DAGs, from the list without unpausing them.
    type: str
    choices: [quiesced, resumed, forgotten]
    default: quiesced
  run:
    description: Id of the run, recorded with the DAGs that it pauses.
    type: str
    default: ''
  dags:
    description:
      - DAGs to unpause, or to remove from the list. Defaults to those that O(state=quiesced) has paused.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Timeout in seconds. With O(state=quiesced), the time for task instances to end; defaults to 3600.
      - With O(state=resumed) in a new schema, the time for the DAGs to be parsed; defaults to 120. DAGs that are
        already there are unpaused in the meantime. The time starts again with every DAG on the list that is parsed, or
        whose file the new Airflow reports as broken for the first time, so a large folder may take as long as it needs.
        Other DAGs do not count. The module does not wait for DAGs whose files are broken or were already gone.
    type: int
  grace:
    description:
      - With O(state=quiesced), the grace period in seconds of the pod in which task instances run. If all of them are
        expected to end within it, the module pauses nothing and does not wait. Otherwise it pauses all DAGs and waits
        for the task instances that need longer.
      - The expected duration is the longest that the same task took before. The module waits for a task that has never
        succeeded before.
      - With V(0), it pauses all DAGs and waits for all task instances.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Pause all DAGs and wait for running tasks
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    run: 20261122t030000
    state: quiesced
    timeout: 1800

- name: Wait only for tasks that would outlast the scheduler pod's grace period
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: quiesced
    grace: 600

- name: Unpause the DAGs
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: resumed

- name: Remove a renamed DAG from the list
  hopsworks.airflow.quiesce:
    namespace: hopsworks
    database: "{{ database }}"
    deployment: airflow
    state: forgotten
    dags: [p_demo_1__old_name]
"""

RETURN = r"""
paused:
  description: DAGs that the module has paused; in check mode, that it would pause.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello]
running:
  description: Task instances that run or are queued when the module starts.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__hello.say (running 12 s)]
dead:
  description:
    - Task instances that only seem to be C(running) or C(queued), for example because their worker lost power and their
      DAG was deleted. The module does not wait for them.
    - A running one is dead if it has not sent a heartbeat for a day (that of its job, or in Airflow 3 its own). A
      queued one is dead if there has been no sign of it for a day and no scheduler will start it, because its DAG is
      gone or its run has ended.
  returned: state is quiesced
  type: list
  elements: str
  sample: [p_demo_1__deleted.say (running 86400000 s)]
expected_seconds:
  description:
    - Expected remaining time of the running tasks (C(running), null if one of them has never succeeded before), and the
      duration of the longest task in the last two weeks that may start again (C(longest)).
  returned: state is quiesced
  type: dict
  sample: {running: 48.0, longest: 61.2}
resumed:
  description: DAGs that the module has unpaused; in check mode, that it would unpause.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__hello]
unknown:
  description: DAGs that stay on the list because this schema does not have them.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__not_parsed_yet]
broken:
  description: DAGs that stay on the list because the new Airflow can't import their file.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__only_on_1_10]
gone:
  description: DAGs that stay on the list because their file was already gone.
  returned: state is resumed
  type: list
  elements: str
  sample: [p_demo_1__deleted_last_year]
forgotten:
  description: DAGs that were removed from the list.
  returned: state is forgotten
  type: list
  elements: str
  sample: [p_demo_1__renamed]
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.1
"""

from ..module_utils._dags.states import act
from ..module_utils._database.address import DATABASE_ARGUMENT
from ..module_utils._database.engines import LIBRARIES
from ..module_utils._run.action import Action
from ..module_utils.module import run_as_module

ACTION = Action(
    act,
    {
        **DATABASE_ARGUMENT,
        "state": {"type": "str", "choices": ["quiesced", "resumed", "forgotten"], "default": "quiesced"},
        "deployment": {"type": "str", "required": True},
        "run": {"type": "str", "default": ""},
        "dags": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int"},
        "grace": {"type": "int", "default": 0},
        "workspace": {"type": "str"},
        "extra_tables": {"type": "list", "elements": "str", "default": []},
    },
    libraries=LIBRARIES,
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
