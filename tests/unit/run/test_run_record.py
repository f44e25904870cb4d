# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module of the run record: whether a run may begin, beside what another one has left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
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


def interrupted(record):
    opened(record, "r2", "rotate", phases=["publish"])


def ended(record):
    opened(record, "r2", "rotate", phases=["publish"])
    record("finished")


def gone_on(record):
    record("phase", done="publish", begin="activate")


@pytest.mark.parametrize("before", [lambda _record: None, ended, interrupted], ids=["none", "ended", "interrupted"])
@pytest.mark.parametrize("between", [ended, interrupted, gone_on])
def test_a_plan_from_before_another_run_is_not_carried_out(record, before, between):
    """Between the look and the lock it began, ended or went on: under whose id would this one act, and on what?"""
    before(record)
    if between is gone_on and before is not interrupted:
        interrupted(record)
    seen = record()["seen"]
    between(record)
    left = record()
    with pytest.raises(OperatorError, match="another run has acted on this deployment since") as refused:
        opened(record, "r3", "rotate", seen=seen)
    assert "run r2 of rotate.yml" in refused.value.found
    assert record() == left

    opened(record, "r3", "rotate", seen=left["seen"])


def test_a_run_that_another_one_has_followed_does_not_write_into_its_record(record):
    """Its lock ran out, another run came and went, and it took the lock again for its way back."""
    opened(record, "r1", "rotate", phases=["publish"])
    record("finished", run="r1")
    opened(record, "r2", "rotate", phases=["publish"])
    for state in ("phase", "failed", "finished"):
        with pytest.raises(OperatorError, match=r"is at run r2 of rotate\.yml"):
            record(state, run="r1", begin="activate", failure="x")
    assert record()["run"]["status"] == "running"
    record("failed", run="r2", begin="publish", failure="x")
    assert record()["run"]["status"] == "failed"


@pytest.mark.parametrize("ends", ["failed", "killed"])
def test_keys_can_be_replaced_beside_a_run_that_only_prepared_a_cut_over(record, ends):
    """An upgrade with a mistyped image, on a deployment whose keys are compromised then."""
    opened(record, "r1", "upgrade", phases=["snapshot", "backup", "keys", "images"])
    if ends == "failed":
        record("failed", begin="images", failure="ErrImagePull")
    found = record(playbook="rotate")
    assert (found["in_the_way"], found["abandons"]) == (None, "r1 of upgrade.yml")
    ended = found["run"]["ended"]
    assert record(playbook="upgrade")["abandons"] is None

    opened(record, "r2", "rotate", phases=["replace_keys"], seen=found["seen"])

    after = record()
    assert (after["run"]["id"], after["run"]["status"]) == ("r2", "running")
    (abandoned,) = after["history"]
    assert (abandoned["id"], abandoned["status"]) == ("r1", "abandoned")
    assert abandoned["ended"]
    # A failed one ended when it failed.
    assert ended in (abandoned["ended"], None)
    record("finished", run="r2")
    opened(record, "r3", "upgrade", phases=["snapshot"])
    assert record()["run"]["id"] == "r3"


@pytest.mark.parametrize("phase", ["cut_over", "verify", "resume", "publish", "replace_keys", "some_other"])
def test_whatever_else_was_begun_has_to_be_finished_first(record, phase):
    """Also where later attempts have not come so far again, and where so many of them have that it was long ago."""
    opened(record, "r1", "upgrade", phases=["images"])
    for attempt in range(25):
        if attempt in (2, 24):
            found = record(playbook="rotate")
            assert "run upgrade.yml again" in found["in_the_way"]
            assert found["abandons"] is None
            with pytest.raises(OperatorError, match=r"run r1 of upgrade\.yml is unfinished"):
                opened(record, "r2", "rotate")
        record("failed", begin=phase if attempt == 1 else "images", failure="x")
        opened(record, "r2", "upgrade", begin="images")
