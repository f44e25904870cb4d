# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rotation, as the modules take and tell them."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.modules import signing_keys, signing_keys_info
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import SIGNERS, Server

pytestmark = pytest.mark.usefixtures("quick_keys")

DAY = 86400
STATES = ("steady", "published", "activated", "retired", "replaced")


@pytest.fixture
def server():
    """A Secret with keys that are a day old."""
    server = Server()
    server.keys()
    server.pass_time(DAY)
    return server


def kids(result, member="kid"):
    return {name: signer[member] for name, signer in result["signers"].items()}


def published(server):
    return [key["kid"] for key in json.loads(server.entries["jwks.json"])["keys"]]


def lead_to(server, state):
    """Through the states of rotation r1 as a runbook does."""
    if state == "replaced":
        server.keys(state="replaced", rotation="r1")
    for step in ("published", "activated", "retired"):
        if server.info()["state"] == state:
            break
        server.keys(state=step, rotation="r1")
        if step == "activated":
            server.keys(state=step, retire_after=610)
            if state != step:
                server.pass_time(610)
    assert server.info()["state"] == state


def test_a_rotation_in_overlap(server):
    old = kids(server.info())

    result = server.keys(state="published", rotation="r1")
    new = kids(result, "next")
    assert kids(result) == old
    assert published(server) == [*old.values(), *new.values()]
    assert result["changed"]
    assert (result["state"], result["rotation"], result["generation"]) == ("published", "r1", 2)
    assert result["written_entries"] == [
        "api-server-next-private.pem",
        "generation",
        "jwks.json",
        "scheduler-next-private.pem",
    ]
    assert (result["removed_entries"], result["invalidated"]) == ([], [])
    assert (result["since"], result["due"], result["age_seconds"]) == ("2026-10-02T00:00:00Z", True, DAY)
    upcoming = {name: server.entries[f"{name}-next-private.pem"] for name in SIGNERS}
    before = {name: server.entries[f"{name}-private.pem"] for name in SIGNERS}

    server.pass_time(60)
    result = server.keys(state="activated")
    assert kids(result) == new
    assert kids(result, "previous") == old
    assert {signer["origin"] for signer in result["signers"].values()} == {"kept"}
    assert published(server) == [*new.values(), *old.values()]
    assert {name: server.entries[f"{name}-private.pem"] for name in SIGNERS} == upcoming
    assert not set(before.values()) & set(server.entries.values())
    assert result["removed_entries"] == ["api-server-next-private.pem", "scheduler-next-private.pem"]
    assert not [name for name in server.entries if "-next-" in name]
    assert (result["generation"], result["invalidated"], result["retire_after"]) == (3, [], None)
    assert (result["keys_since"], result["age_seconds"]) == ("2026-10-02T00:01:00Z", 0)

    server.pass_time(60)
    result = server.keys(state="activated", retire_after=610)
    assert (result["changed"], result["generation"], result["written_entries"]) == (True, 3, [])
    assert result["retire_after"] == result["due_at"] == "2026-10-02T00:12:10Z"
    assert result["since"] == "2026-10-02T00:01:00Z"
    assert result["due"] is False
    assert server.keys(state="activated", retire_after=99999)["retire_after"] == "2026-10-02T00:12:10Z"

    server.pass_time(610)
    assert server.info()["due"] is True
    result = server.keys(state="retired")
    assert published(server) == list(new.values())
    assert (result["invalidated"], result["generation"]) == (list(old.values()), 4)
    assert "hopsworks.airflow/keys-retire-after" not in server.annotations

    result = server.keys(state="steady")
    assert (result["state"], result["rotation"], result["generation"]) == ("steady", "r1", 4)
    assert result["written_entries"] == []
    assert kids(result) == new
    assert server.annotations == {
        "hopsworks.airflow/key-state": "steady",
        "hopsworks.airflow/key-rotation": "r1",
        "hopsworks.airflow/key-state-since": "2026-10-02T00:12:10Z",
        "hopsworks.airflow/keys-since": "2026-10-02T00:01:00Z",
    }


def test_a_cut_over(server):
    old = kids(server.info())
    shared = server.entries["internal-shared-secret"]
    result = server.keys(state="replaced", rotation="c1")
    assert not set(kids(result).values()) & set(old.values())
    assert published(server) == list(kids(result).values())
    assert result["invalidated"] == list(old.values())
    assert {signer["origin"] for signer in result["signers"].values()} == {"created"}
    assert (result["rotation"], result["age_seconds"], result["generation"], result["due"]) == ("c1", 0, 2, True)
    assert server.entries["internal-shared-secret"] == shared
    for again in ("c1", None):
        result_again = server.keys(state="replaced", rotation=again)
        assert not result_again["changed"]
        assert kids(result_again) == kids(result)
        assert result_again["replaced"] == list(old.values())
    other = server.keys(state="replaced", rotation="c2")
    assert not set(kids(other).values()) & set(kids(result).values())
    ended = [*old.values(), *kids(result).values()]
    assert server.info()["replaced"] == ended
    settled = server.keys(state="steady")
    assert (settled["rotation"], settled["replaced"]) == ("c2", ended)


def test_a_cut_over_makes_a_shared_secret_that_is_gone(server):
    shared = server.entries.pop("internal-shared-secret")
    result = server.keys(state="replaced", rotation="c1")
    assert "internal-shared-secret" in result["written_entries"]
    assert server.entries["internal-shared-secret"] not in (b"", shared)


@pytest.mark.parametrize("state", ["published", "activated", "retired"])
@pytest.mark.parametrize("given", [None, "r1", "c1"])
def test_a_cut_over_ends_what_is_under_way(server, state, given):
    lead_to(server, state)
    trusted = published(server)
    result = server.keys(state="replaced", rotation=given)
    assert result["state"] == "replaced"
    assert result["rotation"] == (given or "r1")
    assert sorted(result["invalidated"]) == sorted(result["replaced"]) == sorted(trusted)
    assert published(server) == list(kids(result).values())
    assert not [name for name in server.entries if "-next-" in name]
    assert result["retire_after"] is None
    assert "hopsworks.airflow/keys-retire-after" not in server.annotations
    # The same call again, as a run that was interrupted makes it, replaces nothing.
    assert not server.keys(state="replaced", rotation=given)["changed"]


def test_what_a_cut_over_has_ended_is_kept_as_long_as_its_keys_sign(server):
    old = list(kids(server.info()).values())
    assert server.info()["replaced"] == []
    server.keys(state="replaced", rotation="c1")
    server.keys(state="steady")
    for state, replaced in (("published", old), ("activated", [])):
        assert server.keys(state=state, rotation="r1")["replaced"] == replaced
        assert server.info()["replaced"] == replaced
    assert "hopsworks.airflow/keys-replaced" not in server.annotations
    again = server.keys(state="replaced", rotation="c2")
    assert len(again["replaced"]) == 4, "those of before are trusted, too"


@pytest.mark.parametrize("wanted", ["published", "replaced"])
@pytest.mark.parametrize("before", [None, "r1"], ids=["never rotated", "rotated before"])
def test_a_rotation_without_an_id_is_refused(server, wanted, before):
    """Pods are told to restart by the id: without one, or with that of before, they would keep the old keys."""
    if before:
        lead_to(server, "retired")
        server.keys(state="steady")
        server.pass_time(DAY)
    entries = dict(server.entries)
    with pytest.raises(OperatorError, match="no id was given"):
        server.keys(state=wanted)
    assert server.entries == entries


@pytest.mark.parametrize("state", STATES)
def test_asking_for_the_state_that_it_is_in_changes_nothing(server, state):
    lead_to(server, state)
    requests = len(server.requests)
    for wanted in (state, "present"):
        result = server.keys(state=wanted, rotation=None if state == "replaced" else "another")
        assert not result["changed"]
        assert result["state"] == state
        assert result["diff"]["before"] == result["diff"]["after"]
        assert (result["written_entries"], result["removed_entries"], result["invalidated"]) == ([], [], [])
    assert len(server.requests) == requests


ALLOWED = {
    "steady": {"published"},
    "published": {"activated"},
    "activated": {"retired"},
    "retired": {"steady"},
    "replaced": {"steady"},
}


REFUSED = [
    (state, wanted) for state in STATES for wanted in STATES if wanted not in ALLOWED[state] | {state, "replaced"}
]


@pytest.mark.parametrize(("state", "wanted"), REFUSED)
def test_no_step_is_skipped_and_none_goes_back(server, state, wanted):
    lead_to(server, state)
    entries, annotations = dict(server.entries), dict(server.annotations)
    with pytest.raises(OperatorError, match=f"is in state {state}") as refused:
        server.keys(state=wanted, rotation="r2")
    assert wanted in refused.value.expected
    assert ("r1" in refused.value.found) == (state != "steady")
    earlier = {"activated": {"published"}, "retired": {"published", "activated"}}.get(state, set())
    assert ("does not go back" in refused.value.expected) == (wanted in earlier)
    assert (server.entries, server.annotations) == (entries, annotations)


def test_a_key_that_a_live_token_may_carry_is_not_retired(server):
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    with pytest.raises(OperatorError, match="is in state activated") as refused:
        server.keys(state="retired")
    assert "keys-retire-after" in refused.value.expected
    server.keys(state="activated", retire_after=610)
    server.pass_time(609)
    with pytest.raises(OperatorError, match="valid token may still depend") as refused:
        server.keys(state="retired")
    assert "2026-10-02T00:10:10Z" in refused.value.found
    assert "for 1 s" in refused.value.found
    server.pass_time(1)
    assert server.keys(state="retired")["changed"]


def test_the_retirement_can_be_waited_for_by_the_api_servers_clock(server, monkeypatch):
    monkeypatch.setattr(signing_keys.time, "sleep", server.pass_time)
    lead_to(server, "activated")
    predicted = server.keys(state="retired", wait=True, check_mode=True)
    assert server.info()["state"] == "activated"
    result = server.keys(state="retired", wait=True)
    assert (result["state"], result["since"]) == ("retired", "2026-10-02T00:10:10Z")
    assert {name: predicted[name] for name in predicted if name != "diff"} == {
        name: result[name] for name in result if name != "diff"
    }
    assert server.said[0].startswith("610 s until")
    # Once is enough, and there is nothing to wait for in any other state.
    assert not server.keys(state="retired", wait=True)["changed"]


def test_a_secret_that_another_run_takes_further_is_not_waited_for(server, monkeypatch):
    lead_to(server, "activated")
    monkeypatch.setattr(signing_keys.time, "sleep", lambda _s: server.keys(state="replaced", rotation="theirs"))
    with pytest.raises(OperatorError, match="is in state replaced"):
        server.keys(state="retired", wait=True)


def test_a_retirement_whose_time_is_not_set_is_refused_and_not_waited_for(server):
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    with pytest.raises(OperatorError) as refused:
        server.keys(state="retired", wait=True)
    assert "keys-retire-after" in refused.value.expected


def test_the_time_of_retirement_is_not_set_before_the_signers_were_restarted(server):
    server.keys(state="published", rotation="r1")
    with pytest.raises(OperatorError) as refused:
        server.keys(state="activated", retire_after=610)
    assert "restarted" in refused.value.expected
    assert server.info()["state"] == "published"


def test_a_time_of_retirement_that_was_left_over_does_not_count(server):
    server.annotations["hopsworks.airflow/keys-retire-after"] = "2026-10-01T00:00:00Z"
    server.keys(state="published", rotation="r1")
    assert server.keys(state="activated")["retire_after"] is None
    assert "hopsworks.airflow/keys-retire-after" not in server.annotations


def test_young_keys_are_left_alone(server):
    result = server.keys(state="published", rotation="r1", minimum_age=DAY + 1)
    assert (result["changed"], result["state"], result["due"]) == (False, "steady", False)
    assert result["due_at"] == "2026-10-02T00:00:01Z"
    assert result["age_seconds"] == DAY
    server.pass_time(1)
    assert server.info(minimum_age=DAY + 1)["due"] is True
    assert server.keys(state="published", rotation="r1", minimum_age=DAY + 1)["state"] == "published"
    # A rotation that was begun is finished, whatever age is asked for.
    assert server.keys(state="published", rotation="r1", minimum_age=10 * DAY)["due"] is True


def test_the_age_counts_from_the_activation_and_not_from_the_secret(server):
    lead_to(server, "retired")
    server.keys(state="steady")
    assert server.info()["age_seconds"] == 610
    assert server.info()["keys_since"] == "2026-10-02T00:00:00Z"


@pytest.mark.parametrize("state", ["published", "replaced"])
def test_a_rotation_begins_with_an_id_of_its_own(server, state):
    with pytest.raises(OperatorError, match="no id was given"):
        server.keys(state=state)
    server.keys(state="replaced", rotation="r1")
    server.keys(state="steady")
    with pytest.raises(OperatorError, match="r1 has ended already"):
        server.keys(state=state, rotation="r1")


def test_the_id_of_a_rotation_under_way_is_kept(server):
    server.keys(state="published", rotation="r1")
    for state in ("published", "activated"):
        assert server.keys(state=state, rotation="r2")["rotation"] == "r1"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"state": "published", "rotation": "a b"}, "'a b'"),
        ({"state": "published", "rotation": "a" * 51}, "id"),
        ({"state": "published", "rotation": "r1", "minimum_age": -1}, "minimum_age"),
        ({"state": "activated", "retire_after": 0}, "retire_after"),
        ({"state": "retired", "retire_after": 5}, "retire_after"),
    ],
)
def test_bad_options_are_refused(server, options, word):
    with pytest.raises(OperatorError, match=word):
        server.keys(**options)


@pytest.mark.parametrize("state", ["published", "activated", "retired", "replaced", "steady"])
@pytest.mark.parametrize("entries", [None, {"tls.crt": b"theirs"}])
def test_without_keys_there_is_nothing_to_rotate(state, entries):
    server = Server(entries)
    with pytest.raises(OperatorError, match="has no key of api-server, scheduler"):
        server.keys(state=state, rotation="r1")
    assert server.requests == []


def test_one_signer_without_key_is_told_but_can_be_cut_over(server):
    for end in ("-private.pem", "-public.pem", ".kid"):
        del server.entries[f"scheduler{end}"]
    server.entries["jwks.json"] = json.dumps(
        {"keys": [key for key in json.loads(server.entries["jwks.json"])["keys"] if key["kid"] == kid(server)]}
    ).encode()
    with pytest.raises(OperatorError, match="has no key of scheduler"):
        server.keys(state="published", rotation="r1")
    assert set(kids(server.keys(state="replaced", rotation="r1"))) == set(SIGNERS)


def kid(server):
    return server.entries["api-server.kid"].decode()


@pytest.mark.parametrize("state", ["published", "replaced"])
def test_keys_made_by_the_vendor_are_rotated(server, state):
    """Four PEM files and the shared secret, without annotations."""
    kept = [name for name in server.entries if name.endswith(".pem") or name == "internal-shared-secret"]
    server.entries = {name: server.entries[name] for name in kept}
    assert (server.info()["generation"], server.info()["state"]) == (0, "steady")
    result = server.keys(state=state, rotation="r1")
    assert result["state"] == state
    assert result["generation"] == 1
    assert {"api-server.kid", "scheduler.kid", "jwks.json"} <= set(result["written_entries"])
    assert server.info()["problem"] is None
    if state == "published":
        assert {signer["origin"] for signer in result["signers"].values()} == {"adopted"}


STEPS = [
    ("steady", {"state": "published", "rotation": "r2"}),
    ("published", {"state": "activated"}),
    ("activated", {"state": "retired"}),
    ("retired", {"state": "steady"}),
    *((state, {"state": "replaced", "rotation": "r2"}) for state in STATES),
]


@pytest.mark.parametrize(("state", "step"), STEPS)
def test_check_mode_predicts_each_step_and_makes_no_key(server, state, step, monkeypatch):
    lead_to(server, state)
    server.pass_time(610)
    entries, annotations = dict(server.entries), dict(server.annotations)
    with monkeypatch.context() as patch:
        patch.setattr(pair, "generate_several", lambda _count: pytest.fail("check mode must not generate"))
        predicted = server.keys(check_mode=True, **step)
    assert (server.entries, server.annotations) == (entries, annotations)
    assert all(dry_run == "All" for _body, dry_run in server.requests[-1:])
    real = server.keys(**step)
    same = set(real) - {"signers", "diff"}
    assert {name: predicted[name] for name in same} == {name: real[name] for name in same}
    assert set(predicted["diff"]["after"]) == set(real["diff"]["after"])
    assert predicted["diff"]["before"] == real["diff"]["before"]


def test_the_diff_shows_kids_fingerprints_and_state(server):
    result = server.keys(state="published", rotation="r1")
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert after["hopsworks.airflow/key-state"] == "published"
    assert (before["generation"], after["generation"]) == ("1", "2")
    assert all(new in after["jwks.json"] for new in kids(result, "next").values())
    assert after["api-server-next-private.pem"].startswith("private half of SHA256:")
    assert before["api-server-private.pem"] == after["api-server-private.pem"]


@pytest.mark.parametrize("state", STATES)
def test_no_result_holds_a_secret(server, state):
    lead_to(server, state)
    secret = [server.entries["internal-shared-secret"].decode()]
    for name, value in server.entries.items():
        if name.endswith("-private.pem"):
            secret += [line for line in value.decode().splitlines() if "-----" not in line]
    for result in (server.keys(), server.info(), server.keys(state="replaced", rotation="c1", check_mode=True)):
        text = json.dumps(result)
        assert not [line for line in secret if line in text]
        assert "PRIVATE" not in text


def test_results_have_what_the_documentation_says(server):
    assert set(server.keys(state="published", rotation="r1")) == {
        *yaml.safe_load(signing_keys.RETURN),
        "changed",
        "diff",
    }
    assert set(server.info()) == set(yaml.safe_load(signing_keys_info.RETURN))
    for module in (signing_keys, signing_keys_info):
        options = yaml.safe_load(module.DOCUMENTATION)["options"]
        assert all({"description", "type"} <= option.keys() for option in options.values())


def test_there_is_none(server):
    result = Server().info()
    assert result["exists"] is False
    assert {value for name, value in result.items() if name != "exists"} == {None}


def test_somebody_else_writes_between_reading_and_writing(server):
    def changed():
        server.at_write = lambda: None
        server.keys(state="replaced", rotation="theirs")

    server.at_write = changed
    with pytest.raises(OperatorError, match="was changed at the same moment"):
        server.keys(state="published", rotation="ours")
    assert server.info()["rotation"] == "theirs"
    assert server.info()["problem"] is None


def test_a_write_that_was_carried_out_but_not_answered_is_found_by_the_next_run(server):
    def lost():
        server.after_write = lambda: None
        raise ApiException(status=504)

    server.after_write = lost
    with pytest.raises(ApiException):
        server.keys(state="published", rotation="r1")
    result = server.keys(state="published", rotation="r2")
    assert (result["changed"], result["rotation"], result["state"]) == (False, "r1", "published")


def test_a_read_only_secret_is_refused(server):
    server.immutable = True
    with pytest.raises(OperatorError, match="immutable"):
        server.keys(state="published", rotation="r1")
    assert server.keys()["changed"] is False


def test_times_are_those_of_the_api_server_in_one_form(server):
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    server.keys(state="activated", retire_after=610)
    times = [value for name, value in server.annotations.items() if "since" in name or "after" in name]
    assert len(times) == 3
    assert all(re.fullmatch(r"2026-10-02T00:\d\d:\d\dZ", value) for value in times)
