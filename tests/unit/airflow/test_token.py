# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._airflow.token import (
    claims_of,
    mint,
    signing_key,
    task_claims,
    with_unknown_kid,
    with_wrong_signature,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys.jwk import public_jwk

NOW = 1_795_000_000.7


def header_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))


def test_a_token_says_who_signed_it_and_when_it_ends(keys):
    token = mint(keys[0], task_claims("0190f1c8-0000-7000-8000-000000000000"), now=NOW, lifetime_seconds=60)
    claims = claims_of(token)
    assert header_of(token) == {"alg": "RS256", "kid": "kid-0", "typ": "JWT"}
    assert claims.pop("jti") != claims_of(mint(keys[0], {}, now=NOW, lifetime_seconds=60))["jti"]
    assert claims == {
        "sub": "0190f1c8-0000-7000-8000-000000000000",
        "aud": "urn:airflow.apache.org:task",
        "iat": 1_795_000_000,
        "nbf": 1_795_000_000,
        "exp": 1_795_000_060,
    }


def test_an_issuer_is_named_only_where_there_is_one():
    assert "iss" not in task_claims("x", issuer=None)
    assert task_claims("x", issuer="hopsworks")["iss"] == "hopsworks"


def test_forged_tokens_differ_from_a_good_one_in_one_thing(airflow, keys):
    good = mint(keys[0], {"sub": "x", "aud": "a"}, now=NOW * 2, lifetime_seconds=60)
    header, payload, signature = good.split(".")
    unknown, wrong = with_unknown_kid(good), with_wrong_signature(good)
    assert unknown.split(".")[1:] == [payload, signature]
    assert header_of(unknown)["kid"] not in airflow.trusted
    assert wrong.split(".")[:2] == [header, payload]
    assert len(wrong) == len(good)
    assert wrong != good


@pytest.mark.parametrize("text", ["", "none", "a.b", "a.W10.c", "é.é.é"])
def test_what_is_no_token_has_no_claims(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the words are those of whoever fails to read it
        claims_of(text)


def test_a_key_shows_nothing_of_itself(keys):
    assert "private" not in repr(keys[0]).lower()


def test_keys_of_a_secret(monkeypatch, keys):
    monkeypatch.setattr(pair, "KEY_BITS", 2048)
    pem = pair.private_pem(keys[0].private)
    entries = {"scheduler-private.pem": pem, "scheduler.kid": b"kid-0\n", "scheduler-next-private.pem": pem}
    assert signing_key(entries, "scheduler", "keys").kid == "kid-0"
    # The next generation has no entry for its kid, nor has a Secret of the vendor's Job.
    assert signing_key(entries, "scheduler-next", "keys").kid == public_jwk(keys[0].private.public_key())["kid"]
    with pytest.raises(OperatorError, match=r"no entry api-server-private\.pem"):
        signing_key(entries, "api-server", "keys")
