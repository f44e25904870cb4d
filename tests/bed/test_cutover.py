"""rotate.yml for a key that is compromised, in the middle of a rotation, on the newest Airflow 3."""

from __future__ import annotations

import datetime
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from airflow import ROTATE, SECRET, call, claims_of, log_in
from bed import NAMESPACE, Bed, facts_of, unchanged

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import SigningKey, mint, signing_key

CUT_OVER = ("-e", "airflow_rotation_mode=cutover", "-e", "airflow_confirm=sandbox")


@dataclass
class Before:
    """Keys that are trusted before the cut-over: those that sign, and those before them."""

    entries: dict[str, bytes]
    forgers: list[SigningKey]
    claims: dict[str, Any]
    token: str


@pytest.fixture(scope="module")
def before(bed: Bed) -> Before:
    """Published and activated, and not retired yet."""
    old = bed.cluster.secret_entries(SECRET) or {}
    done = bed.play(ROTATE, "-e", "airflow_keys_minimum_age=0")
    assert done.returncode == 0, done.stdout[-6000:]
    entries = bed.cluster.secret_entries(SECRET) or {}
    token = log_in(bed)
    return Before(
        entries, [signing_key(keys, "api-server", SECRET) for keys in (old, entries)], claims_of(token), token
    )


def test_the_newest_airflow_is_not_noticed_to_rotate_either(bed: Bed, before: Before) -> None:
    facts = facts_of(bed)
    for phase in ("publish", "activate"):
        for name, seen in facts[phase]["availability"].items():
            assert seen["requests"] > 20, name
            assert (seen["failures"], seen["errors"]) == (0, {}), name
    for key in before.forgers:
        assert call(mint(key, before.claims, now=time.time(), lifetime_seconds=60)).status_code == 200


def test_thirty_clients_at_once_are_all_answered(before: Before) -> None:
    """With Airflow's own number of connections to the database, the api-server hangs (apache/airflow 66493)."""
    with ThreadPoolExecutor(30) as clients:
        assert {answer.status_code for answer in clients.map(call, [before.token] * 150)} == {200}


@pytest.fixture(scope="module")
def replaced(bed: Bed, before: Before) -> Before:
    done = bed.play(ROTATE, *CUT_OVER)
    assert done.returncode == 0, done.stdout[-6000:]
    return before


def test_all_keys_are_new_and_the_rest_of_the_secret_is_kept(bed: Bed, replaced: Before) -> None:
    secret = bed.cluster.core.read_namespaced_secret(SECRET, NAMESPACE)
    entries = bed.cluster.secret_entries(SECRET) or {}
    assert secret.metadata.annotations["hopsworks.airflow/key-state"] == "steady"
    assert entries["internal-shared-secret"] == replaced.entries["internal-shared-secret"]
    old = {key["kid"] for key in json.loads(replaced.entries["jwks.json"])["keys"]}
    new = {key["kid"] for key in json.loads(entries["jwks.json"])["keys"]}
    assert (len(new), new & old) == (2, set())
    assert set(facts_of(bed)["replace_keys"]["invalidated"]) == old


def test_no_token_of_before_is_accepted(bed: Bed, replaced: Before) -> None:
    refusals = (401, 403, 500)  # 3.0 answers 500 for a kid that it doesn't know
    assert call(replaced.token).status_code in refusals
    for key in replaced.forgers:
        forged = mint(key, replaced.claims, now=time.time(), lifetime_seconds=60)
        assert call(forged).status_code in refusals
    assert call(log_in(bed)).status_code == 200


def test_the_ui_was_away_no_longer_than_the_api_server_takes_to_restart(bed: Bed, replaced: Before) -> None:
    facts = facts_of(bed)["replace_keys"]
    measured = facts["availability"]["version"]
    assert measured["requests"] > 20
    (window,) = (window for window in facts["windows"] if window["name"] == "api-server")
    begun, ended = (datetime.datetime.fromisoformat(window[name]) for name in ("begun", "ended"))
    assert measured["away_seconds"] <= (ended - begun).total_seconds()
    print(f"the UI was away for {measured['away_seconds']} s of {(ended - begun).total_seconds():.1f} s")


def test_the_same_command_again_does_not_end_the_sessions_again(bed: Bed, replaced: Before) -> None:
    pods, versions = bed.pods(), bed.versions()
    again = bed.play(ROTATE, *CUT_OVER)
    assert again.returncode == 0, again.stdout[-4000:]
    assert unchanged(again.stdout)
    assert bed.pods() == pods
    assert bed.versions() == versions
