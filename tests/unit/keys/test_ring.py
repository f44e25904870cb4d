# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any state that a keys Secret can be in is either completed without touching a key, or refused."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import fingerprint, public_jwk
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.result import change_result
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.rotation import Request, take_step
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.states import Found, read_state

SIGNERS = ("api-server", "scheduler")


NOW = datetime.datetime(2026, 11, 22, 19, 30, tzinfo=datetime.UTC)


def complete(entries, *, generate=True, signers=SIGNERS):
    """The result of state `present`, and what is written for it."""
    found = Found("keys", entries, {}, NOW, NOW)
    before = read_state(found, signers)
    change = take_step(found, before, Request(), generate=generate)
    result = change_result(found, before, change, 0)
    return SimpleNamespace(write=change.write, signers=result["signers"], **result["diff"])


@pytest.fixture(scope="module")
def spare_key():
    return pair.generate()


@pytest.fixture(scope="module")
def whole():
    """The entries of a Secret made from nothing, beside somebody else's entry."""
    entries = {"tls.crt": b"somebody else's"}
    return {**entries, **complete(entries).write}


def test_from_nothing_everything_is_made_in_the_forms_that_airflow_reads(whole):
    assert set(whole) == {
        "tls.crt",
        "api-server-private.pem",
        "api-server-public.pem",
        "api-server.kid",
        "scheduler-private.pem",
        "scheduler-public.pem",
        "scheduler.kid",
        "jwks.json",
        "internal-shared-secret",
        "generation",
    }
    assert whole["generation"] == b"1"
    for signer in SIGNERS:
        assert whole[f"{signer}-private.pem"].startswith(b"-----BEGIN PRIVATE KEY-----")  # PKCS#8
        assert whole[f"{signer}-public.pem"].startswith(b"-----BEGIN PUBLIC KEY-----")  # SubjectPublicKeyInfo
        private = pair.read_private(whole[f"{signer}-private.pem"], "")
        assert private.key_size == 4096
        assert private.public_key().public_numbers().e == 65537
        signature = private.sign(b"token", padding.PKCS1v15(), SHA256())
        published = {key["kid"]: key for key in json.loads(whole["jwks.json"])["keys"]}
        jwk = published[whole[f"{signer}.kid"].decode()]
        assert jwk.keys() == {"kty", "use", "alg", "kid", "n", "e"}
        assert (jwk["kty"], jwk["use"], jwk["alg"]) == ("RSA", "sig", "RS256")
        verifier = rsa.RSAPublicNumbers(e=number(jwk["e"]), n=number(jwk["n"])).public_key()
        verifier.verify(signature, b"token", padding.PKCS1v15(), SHA256())
    assert len(base64.urlsafe_b64decode(whole["internal-shared-secret"] + b"==")) == 32


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def test_a_whole_one_is_left_alone(whole):
    again = complete(whole)
    assert again.write == {}
    assert again.before == again.after
    assert {signer["origin"] for signer in again.signers.values()} == {"kept"}


DERIVED = ["api-server-public.pem", "api-server.kid", "scheduler-public.pem", "scheduler.kid", "jwks.json"]


@pytest.mark.parametrize(
    "missing", [set(some) for size in range(1, 6) for some in itertools.combinations(DERIVED, size)], ids=sorted
)
@pytest.mark.parametrize("blank", [False, True])
def test_whatever_follows_from_the_private_keys_is_put_back_byte_by_byte(whole, missing, blank):
    left = {name: b" \n" if name in missing else value for name, value in whole.items() if blank or name not in missing}
    # Pods see kids and JWKS, but not the public halves: only the former make another generation.
    counted = {"generation": b"2"} if missing & {"api-server.kid", "scheduler.kid", "jwks.json"} else {}
    assert complete(left).write == {name: whole[name] for name in missing} | counted
    assert set(complete(left, generate=False).write) == missing | counted.keys()


def test_a_whole_one_of_before_there_was_a_generation_gets_one(whole):
    left = {name: value for name, value in whole.items() if name != "generation"}
    assert complete(left).write == {"generation": b"1"}


@pytest.mark.parametrize("text", [b"one", b"-1", b"1.5", b"1" * 40])
def test_a_generation_that_is_no_number_is_refused(whole, text):
    with pytest.raises(OperatorError, match="not a number"):
        complete({**whole, "generation": text})


def test_keys_made_by_the_vendor_are_adopted(whole):
    """Four PEM files and the shared secret: what the chart's Job leaves (domain: PEM only, no JWKS, no kid)."""
    vendor = {name: value for name, value in whole.items() if name.endswith(".pem") or name == "internal-shared-secret"}
    result = complete(vendor)
    assert set(result.write) == {"api-server.kid", "scheduler.kid", "jwks.json", "generation"}
    assert {signer["origin"] for signer in result.signers.values()} == {"adopted"}


def test_pkcs1_and_stray_blanks_are_understood(spare_key):
    pem = spare_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    result = complete({"api-server-private.pem": b"\n" + pem + b"\n\n"}, signers=["api-server"])
    assert "api-server-private.pem" not in result.write
    assert result.signers["api-server"]["fingerprint"] == fingerprint(spare_key.public_key())


def test_check_mode_makes_no_key_and_names_the_same_entries(whole, monkeypatch):
    monkeypatch.setattr(pair, "generate", lambda: pytest.fail("check mode must not generate"))
    predicted = complete({}, generate=False)
    assert set(predicted.write) == set(whole) - {"tls.crt"}
    assert {value for name, value in predicted.write.items() if name != "generation"} == {b""}
    assert {(s["origin"], s["kid"], s["fingerprint"]) for s in predicted.signers.values()} == {("created", None, None)}


def test_one_more_signer_leaves_the_others_and_extends_the_jwks(whole):
    result = complete(whole, signers=[*SIGNERS, "edge"])
    assert set(result.write) == {"edge-private.pem", "edge-public.pem", "edge.kid", "jwks.json", "generation"}
    assert {key["kid"] for key in json.loads(result.write["jwks.json"])["keys"]} == {
        signer["kid"] for signer in result.signers.values()
    }
    assert [result.signers[name]["origin"] for name in SIGNERS] == ["kept", "kept"]
    predicted = complete(whole, signers=[*SIGNERS, "edge"], generate=False)
    assert set(predicted.write) == set(result.write)


def test_a_jwks_in_another_layout_is_left_alone(whole):
    keys = list(reversed(json.loads(whole["jwks.json"])["keys"]))
    assert complete({**whole, "jwks.json": json.dumps({"keys": keys}).encode()}).write == {}


@pytest.mark.parametrize("member", ["alg", "use", "kid"])
def test_a_jwks_that_lacks_a_member_is_completed(whole, member):
    keys = [{k: v for k, v in key.items() if k != member} for key in json.loads(whole["jwks.json"])["keys"]]
    result = complete({**whole, "jwks.json": json.dumps({"keys": keys}).encode()})
    assert result.write == {"jwks.json": whole["jwks.json"], "generation": b"2"}
    assert {signer["origin"] for signer in result.signers.values()} == {"adopted"}


def small():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def as_private(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def as_public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def bad(whole, spare_key):
    """Entries to put over those of a whole Secret (None: take it out), and what the refusal must name."""
    keys = json.loads(whole["jwks.json"])["keys"]

    def jwks(*more, first=None):
        return {"jwks.json": json.dumps({"keys": [{**keys[0], **(first or {})}, keys[1], *more]}).encode()}

    encrypted = as_private(spare_key, BestAvailableEncryption(b"CANARY"))
    return {
        "mismatched pair": ({"api-server-public.pem": as_public(spare_key)}, "do not belong together"),
        "halves swapped between signers": (
            {
                "api-server-public.pem": whole["scheduler-public.pem"],
                "scheduler-public.pem": whole["api-server-public.pem"],
            },
            "do not belong together",
        ),
        "2048 bits": ({"api-server-private.pem": as_private(small())}, "2048 bits"),
        "2048 bits public": ({"scheduler-public.pem": as_public(small())}, "2048 bits"),
        "elliptic curve": (
            {"api-server-private.pem": as_private(ec.generate_private_key(ec.SECP256R1()))},
            "of another type (",
        ),
        "edwards curve": ({"scheduler-private.pem": as_private(ed25519.Ed25519PrivateKey.generate())}, "Ed25519"),
        "encrypted": ({"api-server-private.pem": encrypted}, "passphrase"),
        "garbage": ({"api-server-private.pem": b"CANARY"}, "no private key"),
        "cut short": ({"api-server-private.pem": whole["api-server-private.pem"][:900]}, "no private key"),
        "public as private": ({"api-server-private.pem": whole["api-server-public.pem"]}, "public key instead"),
        "private as public": ({"api-server-public.pem": whole["api-server-private.pem"]}, "private key instead"),
        "garbage public": ({"scheduler-public.pem": b"-----BEGIN PUBLIC KEY-----\nCANARY"}, "no public key"),
        "no private half": ({"api-server-private.pem": None}, "no api-server-private.pem"),
        "only a kid left": ({"api-server-private.pem": None, "api-server-public.pem": None}, "api-server.kid but no"),
        "one key for both": (
            {f"scheduler{end}": whole[f"api-server{end}"] for end in ("-private.pem", "-public.pem", ".kid")},
            "same key",
        ),
        "another kid": ({"scheduler.kid": b"2024-01"}, "'2024-01'"),
        "jwks is not json": ({"jwks.json": b"{"}, "RFC 7517"),
        "jwks is a list": ({"jwks.json": b"[]"}, "RFC 7517"),
        "jwks of strings": ({"jwks.json": b'{"keys": ["a"]}'}, "RFC 7517"),
        "jwks with a secret": (jwks(first={"d": "CANARY"}), "not a public RSA key"),
        "jwks with an octet key": (
            {"jwks.json": b'{"keys": [{"kty": "oct", "n": "", "e": "", "k": "Q0FOQVJZ"}]}'},
            "public RSA",
        ),
        "jwks with a stranger": (jwks(public_jwk(spare_key.public_key())), "none of the signers"),
        "jwks under another kid": (jwks(first={"kid": "2024-01"}), "under another kid"),
    }


CASES = [
    "mismatched pair", "halves swapped between signers", "2048 bits", "2048 bits public", "elliptic curve",
    "edwards curve", "encrypted", "garbage", "cut short", "public as private", "private as public", "garbage public",
    "no private half", "only a kid left", "one key for both", "another kid", "jwks is not json", "jwks is a list",
    "jwks of strings", "jwks with a secret", "jwks with an octet key", "jwks with a stranger", "jwks under another kid",
]  # fmt: skip


def test_every_bad_state_is_tried(bad):
    assert set(bad) == set(CASES)


@pytest.mark.parametrize("generate", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_understood_is_refused_with_reason_and_without_bytes(whole, bad, case, generate):
    change, word = bad[case]
    entries = {name: value for name, value in {**whole, **change}.items() if value is not None}
    with pytest.raises(OperatorError) as refusal:
        complete(entries, generate=generate)
    message = str(refusal.value)
    assert word in refusal.value.found
    assert "untouched" in message.lower()
    assert refusal.value.next_step
    for name, value in entries.items():
        if name.endswith("-private.pem") or name == "internal-shared-secret":
            lines = [line for line in value.decode().splitlines() if "-----" not in line]
            assert not any(line in message for line in lines)
    assert "CANARY" not in message


def test_the_diff_shows_fingerprints_and_no_secret(whole):
    vendor = {name: value for name, value in whole.items() if name.endswith("-private.pem")}
    result = complete(vendor)
    text = json.dumps([result.before, result.after])
    assert fingerprint(pair.read_private(whole["api-server-private.pem"], "").public_key()) in text
    assert "PRIVATE KEY" not in text
    assert result.write["internal-shared-secret"].decode() not in text
    assert set(result.before) == set(vendor)
