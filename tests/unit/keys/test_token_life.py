# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys are retired by the longest life that their tokens may have, and not by today's."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import Server

pytestmark = pytest.mark.usefixtures("quick_keys")

LONG, SHORT = 86410, 610
# Ten digits, as somebody writes it who wants tokens that do not end.
FOR_GOOD = 10_000_000_010
LONGEST = "hopsworks.airflow/longest-token-life"
PREVIOUS = "hopsworks.airflow/previous-longest-token-life"


def rotate(server, rotation, life):
    """Up to the time at which the keys before may be retired; returns how long that is."""
    server.keys(state="published", rotation=rotation, token_life=life)
    server.keys(state="activated", token_life=life)
    begun = server.now
    result = server.keys(state="activated", retire_after=life, token_life=life)
    return (datetime.datetime.fromisoformat(result["retire_after"]) - begun).total_seconds()


def retire(server, life):
    server.keys(state="retired", token_life=life)
    server.keys(state="steady", token_life=life)


def test_a_life_made_shorter_retires_no_key_under_a_living_token():
    server = Server()
    server.keys()
    assert rotate(server, "r1", LONG) == LONG
    server.pass_time(LONG)
    retire(server, LONG)
    assert server.info()["longest_token_life"] == LONG
    # Made shorter here.
    assert rotate(server, "r2", SHORT) == LONG
    server.pass_time(SHORT)
    with pytest.raises(OperatorError, match="still needed"):
        server.keys(state="retired", token_life=SHORT)
    server.pass_time(LONG)
    retire(server, SHORT)
    # The keys of r2 have never signed for longer.
    assert server.info()["longest_token_life"] == SHORT
    assert PREVIOUS not in server.annotations
    assert rotate(server, "r3", SHORT) == SHORT


def test_a_life_made_longer_counts_at_once():
    server = Server()
    server.keys(token_life=SHORT)
    server.keys(state="published", rotation="r1", token_life=SHORT)
    server.keys(state="activated", token_life=LONG)
    # And shorter again, before the signers were restarted.
    begun = server.now
    result = server.keys(state="activated", retire_after=SHORT, token_life=SHORT)
    assert result["retire_after"] == (begun + datetime.timedelta(seconds=LONG)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert result["longest_token_life"] == LONG


STEPS = {
    "steady": [{}],
    "published": [{}, {"state": "published", "rotation": "r1"}],
    "activated": [{}, {"state": "published", "rotation": "r1"}, {"state": "activated"}],
    "replaced": [{}, {"state": "replaced", "rotation": "r1"}],
}


def test_keys_that_sign_no_more_are_waited_for_no_longer_when_tokens_live_longer():
    server = Server()
    server.keys()
    rotate(server, "r1", SHORT)
    server.keys(state="activated", token_life=LONG)
    assert server.annotations[LONGEST] == str(LONG)
    assert server.annotations[PREVIOUS] == str(SHORT)


@pytest.mark.parametrize("state", STEPS)
def test_the_largest_number_is_kept_and_only_a_larger_one_is_written(state):
    server = Server()
    for step in STEPS[state]:
        server.keys(**step, token_life=LONG)
    again = {**STEPS[state][-1]}
    generation = server.info()["generation"]
    assert not server.keys(**again, token_life=SHORT)["changed"]
    assert not server.keys(**again, token_life=LONG)["changed"]
    assert server.keys(**again, token_life=LONG + 1, check_mode=True)["changed"]
    result = server.keys(**again, token_life=LONG + 1)
    assert (result["changed"], result["written_entries"], result["longest_token_life"]) == (True, [], LONG + 1)
    assert LONGEST in result["diff"]["after"]
    # No pod has to see it.
    assert server.info()["generation"] == generation
    assert server.info()["longest_token_life"] == LONG + 1


def test_new_keys_at_once_have_signed_nothing_yet():
    server = Server()
    server.keys(token_life=LONG)
    assert server.keys(state="replaced", rotation="r1", token_life=SHORT)["longest_token_life"] == SHORT
    assert PREVIOUS not in server.annotations


def test_without_the_option_nothing_is_written_down():
    server = Server()
    server.keys()
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    assert server.keys(state="activated", retire_after=SHORT)["longest_token_life"] is None
    assert not {LONGEST, PREVIOUS} & server.annotations.keys()


def test_while_signers_are_restarted_the_keys_before_sign_as_long_as_today():
    server = Server()
    server.keys(token_life=SHORT)
    server.keys(state="published", rotation="r1", token_life=SHORT)
    server.keys(state="activated", token_life=SHORT)
    server.keys(state="activated", token_life=LONG)
    assert server.annotations[PREVIOUS] == str(LONG)


@pytest.mark.parametrize("value", ["", "long", "-1", "1.5", "٣"])
@pytest.mark.parametrize("annotation", [LONGEST, PREVIOUS])
def test_a_life_that_is_no_number_is_refused(annotation, value):
    server = Server()
    server.keys()
    server.annotations[annotation] = value
    with pytest.raises(OperatorError, match="number of seconds"):
        server.keys()
    assert annotation in server.info()["problem"]


@pytest.mark.parametrize("life", [0, -5])
def test_a_life_of_nothing_is_refused(life):
    server = Server()
    with pytest.raises(OperatorError, match="token_life is"):
        server.keys(token_life=life)


def test_tokens_made_for_good_are_written_down_and_read_again():
    server = Server()
    server.keys(token_life=FOR_GOOD)
    server.keys(state="published", rotation="r1", token_life=FOR_GOOD)
    server.keys(state="activated", token_life=FOR_GOOD)
    result = server.keys(state="activated", retire_after=FOR_GOOD, token_life=FOR_GOOD)
    assert result["retire_after"] == "2343-08-21T17:46:50Z"
    assert server.info()["longest_token_life"] == FOR_GOOD
    with pytest.raises(OperatorError, match="still needed"):
        server.keys(state="retired", token_life=SHORT)
    assert server.keys(state="replaced", rotation="r2", token_life=SHORT)["state"] == "replaced"


def test_never_is_no_error():
    server = Server()
    server.keys()
    never = 10**14
    assert server.info(minimum_age=never)["due_at"] == "9999-12-31T23:59:59Z"
    assert not server.keys(state="published", rotation="r1", minimum_age=never)["changed"]
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    assert server.keys(state="activated", retire_after=never)["retire_after"] == "9999-12-31T23:59:59Z"
    assert server.info()["due"] is False


@pytest.mark.parametrize("option", ["token_life", "retire_after"])
def test_a_number_that_could_not_be_read_again_is_not_written(option):
    server = Server()
    server.keys()
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    with pytest.raises(OperatorError, match="more than 15 digits"):
        server.keys(state="activated", **{option: 10**15})


@pytest.mark.parametrize("state", STEPS)
def test_a_longer_life_alone_is_written_into_a_secret_of_others_and_an_immutable_one(state):
    """New settings of a deployment whose Secret is complete were always rolled out beside an Argo CD."""
    server = Server()
    for step in STEPS[state]:
        server.keys(**step)
    server.annotations["argocd.argoproj.io/tracking-id"] = "airflow:/Secret:lab/keys"
    server.immutable = True
    again = STEPS[state][-1]
    assert server.keys(**again, token_life=LONG)["changed"]
    assert server.annotations[LONGEST] == str(LONG)
    assert "Argo CD" in server.warned[0]
    server.immutable = False
    with pytest.raises(OperatorError, match="belongs to Argo CD"):
        server.keys(state="replaced", rotation="r9")
