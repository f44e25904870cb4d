# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a Secret says that makes no sense in its state is refused, and told exactly."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import public_jwk
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import Server

pytestmark = pytest.mark.usefixtures("quick_keys")

STATE = "hopsworks.airflow/key-state"
STATES = ("steady", "published", "activated", "retired", "replaced")


def server_in(state):
    server = Server()
    server.keys()
    server.pass_time(86400)
    if state == "replaced":
        server.keys(state="replaced", rotation="r1")
    for step in ("published", "activated", "retired")[: STATES.index(state) if state != "replaced" else 0]:
        server.keys(state=step, rotation="r1")
        if step == "activated":
            server.keys(state=step, retire_after=610)
        server.pass_time(610 if state == "retired" else 60)
    assert server.info()["state"] == state
    return server


def jwks(server, change):
    """Replace the JWK set by what `change` makes of its list of keys."""
    keys = json.loads(server.entries["jwks.json"])["keys"]
    server.entries["jwks.json"] = json.dumps({"keys": change(keys)}).encode()


def stranger(bits=1024):
    return public_jwk(rsa.generate_private_key(65537, bits).public_key())


def entry(name, value):
    """A change that puts an entry in, or takes it out where the value is None."""

    def change(server):
        server.entries.pop(name, None)
        if value is not None:
            server.entries[name] = value(server) if callable(value) else value

    return change


def annotation(name, value):
    def change(server):
        server.annotations.pop(f"hopsworks.airflow/{name}", None)
        if value is not None:
            server.annotations[f"hopsworks.airflow/{name}"] = value

    return change


def new_private(_server):
    return pair.private_pem(pair.generate())


def wrong_size(_server):
    return pair.private_pem(rsa.generate_private_key(65537, 2048))


NEXT = "api-server-next-private.pem"
# In which states, what is changed, and what the refusal names.
REFUSED = {
    "unknown state": (STATES, annotation("key-state", "moving"), "'moving'"),
    "next key outside of published": (
        ("steady", "activated", "retired", "replaced"),
        entry(NEXT, new_private),
        f"but has {NEXT}",
    ),
    "no next key": (("published",), entry(NEXT, None), f"lacks {NEXT}"),
    "blank next key": (("published",), entry(NEXT, b"\n"), f"lacks {NEXT}"),
    "next key of the wrong size": (("published",), entry(NEXT, wrong_size), "2048 bits"),
    "next key unreadable": (("published",), entry(NEXT, b"CANARY"), "no private key"),
    "next key is the current one": (
        ("published",),
        entry(NEXT, lambda server: server.entries["api-server-private.pem"]),
        "the same key",
    ),
    "next key is another than the published one": (("published",), entry(NEXT, new_private), "none of the signers"),
    "mismatched pair": (
        STATES,
        entry("api-server-public.pem", lambda server: server.entries["scheduler-public.pem"]),
        "do not belong together",
    ),
    "kid of another key": (STATES, entry("scheduler.kid", lambda server: server.entries["api-server.kid"]), "thumb"),
    "no private half": (STATES, entry("scheduler-private.pem", None), "no scheduler-private.pem"),
    "no public half": (STATES[1:], entry("scheduler-public.pem", None), "lacks scheduler-public.pem"),
    "no kid": (STATES[1:], entry("scheduler.kid", None), "lacks scheduler.kid"),
    "no jwks": (STATES[1:], entry("jwks.json", None), "lacks jwks.json"),
    "no generation": (STATES[1:], entry("generation", None), "lacks generation"),
    "generation in words": (STATES, entry("generation", b"three"), "not a number"),
    "no time of the state": (STATES[1:], annotation("key-state-since", None), "no annotation hopsworks.airflow/key-st"),
    "no rotation": (STATES[1:], annotation("key-rotation", None), "no annotation hopsworks.airflow/key-rotation"),
    "rotation that is no id": (STATES, annotation("key-rotation", "r1; rm"), "'r1; rm'"),
    "time that is none": (STATES, annotation("key-state-since", "yesterday"), "'yesterday'"),
    "time without zone": (STATES, annotation("keys-since", "2026-10-01T00:00:00"), "'2026-10-01T00:00:00'"),
    "time of retirement that is none": (("activated",), annotation("keys-retire-after", "soon"), "'soon'"),
    "clock skew of the state": (STATES, annotation("key-state-since", "2026-11-01T00:00:00Z"), "the API server's"),
    "clock skew of the keys": (STATES, annotation("keys-since", "2026-11-01T00:00:00Z"), "API server's clock"),
    "foreign key": (
        ("steady", "published", "retired", "replaced"),
        lambda server: jwks(server, lambda keys: [*keys, stranger()]),
        "a key of none of the signers",
    ),
    "third generation": (
        ("activated",),
        lambda server: jwks(server, lambda keys: [*keys, stranger()]),
        "more than two generations",
    ),
    "too few previous keys": (("activated",), lambda server: jwks(server, lambda keys: keys[:-1]), "has 1 previous"),
    "previous key of the wrong size": (
        ("activated",),
        lambda server: jwks(server, lambda keys: [*keys[:-1], stranger(2048)]),
        "2048 bits",
    ),
    "current key not published": (STATES[1:], lambda server: jwks(server, lambda keys: keys[1:]), "jwks.json"),
    "next key not published": (("published",), lambda server: jwks(server, lambda keys: keys[:-1]), "lacks"),
    "key published twice": (
        STATES,
        lambda server: jwks(server, lambda keys: [*keys, {**keys[0], "use": "enc"}]),
        "twice",
    ),
    "key without its algorithm": (
        STATES[1:],
        lambda server: jwks(server, lambda keys: [{name: key[name] for name in key if name != "alg"} for key in keys]),
        "other members than",
    ),
    "impossible key": (
        ("activated",),
        lambda server: jwks(server, lambda keys: [*keys[:-1], {**keys[-1], "e": "Ag", "kid": None}]),
        "jwks.json",
    ),
}


@pytest.mark.parametrize(
    ("case", "state"), [(case, state) for case, refused in REFUSED.items() for state in refused[0]]
)
def test_what_makes_no_sense_is_refused_and_told(case, state):
    _states, change, word = REFUSED[case]
    server = server_in(state)
    change(server)
    entries, annotations, requests = dict(server.entries), dict(server.annotations), len(server.requests)
    for wanted in (*STATES, "present"):
        with pytest.raises(OperatorError) as refused:
            server.keys(state=wanted, rotation="r2")
        message = str(refused.value)
        assert word in message
        assert "hopsworks-airflow-keys" in refused.value.found
        assert refused.value.expected
        assert refused.value.untouched
        assert refused.value.next_step
        assert "CANARY" not in message
        assert "PRIVATE" not in message
    assert (server.entries, server.annotations, len(server.requests)) == (entries, annotations, requests)
    told = server.info()
    assert (told["exists"], told["state"], told["signers"], told["due"]) == (True, None, None, None)
    assert word in told["problem"]


@pytest.mark.parametrize("state", STATES)
def test_a_time_a_few_seconds_ahead_is_no_skew(state):
    server = server_in(state)
    annotation("key-state-since", server.now.strftime("%Y-%m-%dT%H:%M:%SZ"))(server)
    server.pass_time(-10)
    assert server.info()["problem"] is None
    server.pass_time(-1)
    assert "11 s after the API server's clock" in server.info()["problem"]


def test_giving_a_rotation_up_as_the_refusal_says_leads_back_to_steady():
    server = server_in("published")
    kids = {name: signer["kid"] for name, signer in server.info()["signers"].items()}
    entry(NEXT, None)(server)
    assert STATE in server.info()["problem"]
    del server.annotations[STATE]
    for name in ("jwks.json", "scheduler-next-private.pem"):
        del server.entries[name]
    result = server.keys()
    assert result["state"] == "steady"
    assert {name: signer["kid"] for name, signer in result["signers"].items()} == kids
    assert len(json.loads(server.entries["jwks.json"])["keys"]) == 2
    assert server.keys(state="published", rotation="r2")["rotation"] == "r2"


@pytest.mark.parametrize(
    "signers",
    [
        ["a", "a"],
        ["api-server", "scheduler", "scheduler"],
        [],
        [""],
        ["A b"],
        ["a", "../b"],
        ["a", "a-next"],
        ["a-next", "a"],
    ],
)
@pytest.mark.parametrize("state", STATES)
def test_signers_that_are_not_told_apart_are_refused_in_every_state(state, signers):
    server = server_in(state)
    entries, requests = dict(server.entries), len(server.requests)
    for wanted in (*STATES, "present"):
        with pytest.raises(OperatorError, match="signer") as refused:
            server.keys(state=wanted, rotation="r2", signers=signers)
        assert "airflow_components" in refused.value.next_step
    assert "signer" in server.info(signers=signers)["problem"]
    assert (server.entries, len(server.requests)) == (entries, requests)


def test_there_is_a_way_out_of_a_rotation_begun_with_one_key_for_two():
    """As a version that let it happen left it: one signer, each of its keys in the JWKS twice."""
    server = Server()
    server.keys(signers=["api-server"])
    server.keys(signers=["api-server"], state="published", rotation="r1")
    jwks(server, lambda keys: [keys[0], keys[0], keys[1], keys[1]])
    kid = server.entries["api-server.kid"]
    problem = server.info()["problem"]
    assert "lacks scheduler-private.pem" in problem
    assert f"remove annotation {STATE}, entry jwks.json and every entry *-next-private.pem" in problem
    assert "upgrade.yml or install.yml creates one" in problem
    del server.annotations[STATE]
    del server.entries["jwks.json"]
    del server.entries["api-server-next-private.pem"]
    result = server.keys()
    assert result["state"] == "steady"
    assert server.entries["api-server.kid"] == kid
    assert len(json.loads(server.entries["jwks.json"])["keys"]) == 2
    server.keys(state="published", rotation="r2")
    assert server.keys(state="activated")["state"] == "activated"


def test_a_key_that_is_there_twice_is_gone_with_the_next_write():
    server = server_in("published")
    jwks(server, lambda keys: [*keys, *keys])
    server.keys(state="activated")
    kids = [key["kid"] for key in json.loads(server.entries["jwks.json"])["keys"]]
    assert len(kids) == len(set(kids)) == 4


def test_a_foreign_entry_and_a_foreign_annotation_go_through_every_state():
    server = Server({"tls.crt": b"theirs", "edge-next-private.pem": b"theirs"}, {"theirs": "a"})
    server.keys()
    shared = server.entries["internal-shared-secret"]
    server.keys(state="published", rotation="r1")
    server.keys(state="activated")
    server.keys(state="activated", retire_after=610)
    server.pass_time(610)
    server.keys(state="retired")
    server.keys(state="steady")
    server.keys(state="replaced", rotation="r2")
    server.keys(state="steady")
    assert (server.entries["tls.crt"], server.entries["edge-next-private.pem"]) == (b"theirs", b"theirs")
    assert server.annotations["theirs"] == "a"
    assert server.entries["internal-shared-secret"] == shared
