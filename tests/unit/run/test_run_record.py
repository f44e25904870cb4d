# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module of the run record: whether a run may begin, beside what another one has left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.modules.run_record import ACTION
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer


@pytest.fixture
def record():
    """Calls the module; what it warns of is in `record.warnings`."""
    server = ApiServer()
    cluster = server.cluster()
    defaults = {name: option.get("default") for name, option in ACTION.argument_spec.items()}

    def call(state="read", **params):
        params = {**defaults, "deployment": "demo", "state": state, **params}
        given = SimpleNamespace(params=params, check_mode=False, cluster=cluster, warn=call.warnings.append)
        return ACTION._act(given)

    call.warnings = []
    yield call
    server.stop()


def opened(record, run, playbook, *, phases=(), **params):
    """Opens a run and begins these phases; the last of them is under way."""
    record("open", run=run, playbook=playbook, by="alice", **params)
    for done, begin in zip((None, *phases), phases, strict=False):
        record("phase", done=done, begin=begin)


def test_whether_a_run_could_be_opened_is_said_before_there_is_a_lock(record):
    assert record(playbook="rotate")["in_the_way"] is None
    opened(record, "r1", "upgrade", phases=["cut_over"])
    assert record(playbook="upgrade")["in_the_way"] is None
    assert record()["in_the_way"] is None
    said = record(playbook="rotate")["in_the_way"]
    assert "run r1 of upgrade.yml is unfinished" in said
    assert "run upgrade.yml again" in said
    with pytest.raises(OperatorError, match="r1 of upgrade"):
        opened(record, "r2", "rotate")
    record("finished")
    assert record(playbook="rotate")["in_the_way"] is None
