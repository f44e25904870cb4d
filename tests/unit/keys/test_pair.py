# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import math

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers, generate_private_key

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import pair

BITS = 1024


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pair, "KEY_BITS", BITS)


@pytest.fixture(scope="module")
def numbers():
    return generate_private_key(public_exponent=65537, key_size=BITS).private_numbers()


def pem(numbers, **other):
    """The key of these numbers in PEM form (PKCS#1, RFC 8017 A.1.2), some of them replaced."""
    public = other.get("public_numbers", numbers.public_numbers)
    parts = [other.get(name, getattr(numbers, name)) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")]
    integers = [number.to_bytes(number.bit_length() // 8 + 1, "big") for number in (0, public.n, public.e, *parts)]
    content = b"".join(tagged(0x02, integer) for integer in integers)
    text = base64.encodebytes(tagged(0x30, content))
    return b"-----BEGIN RSA PRIVATE KEY-----\n" + text + b"-----END RSA PRIVATE KEY-----\n"


def tagged(tag, content):
    """DER: a tag, the length in two bytes where one doesn't do, the content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 + width]) + size.to_bytes(width, "big") + content


def of_factors(p, q):
    """A key as if both factors were prime."""
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    public = RSAPublicNumbers(e=65537, n=p * q)
    parts = {"p": p, "q": q, "d": d, "dmp1": d % (p - 1), "dmq1": d % (q - 1), "iqmp": pow(q, -1, p)}
    return RSAPrivateNumbers(**parts, public_numbers=public)


def test_a_key_is_read_as_it_is(numbers):
    assert pair.read_private(pem(numbers), "here").private_numbers() == numbers


@pytest.mark.parametrize("part", ["p", "q", "d", "dmp1", "dmq1", "iqmp"])
@pytest.mark.parametrize("change", [2, -2, 1])
def test_a_number_that_is_another_is_refused(numbers, part, change):
    with pytest.raises(OperatorError, match="do not belong together") as refused:
        pair.read_private(pem(numbers, **{part: getattr(numbers, part) + change}), "entry k of Secret s")
    assert refused.value.found.startswith("entry k of Secret s holds")


def test_the_numbers_of_two_keys_are_refused(numbers):
    other = generate_private_key(public_exponent=65537, key_size=BITS).private_numbers()
    with pytest.raises(OperatorError, match="do not belong together"):
        pair.read_private(pem(numbers, public_numbers=other.public_numbers), "here")


def test_factors_that_are_not_prime_are_refused(numbers):
    """All relations between the numbers hold; only what it signs doesn't."""
    # Both as long as the other factor, and divisible by three.
    top = 3 << (numbers.q.bit_length() - 2)
    candidates = range(top + 3 - top % 6, top + 6000, 6)
    composite = next(p for p in candidates if math.gcd(65537, math.lcm(p - 1, numbers.q - 1)) == 1)
    with pytest.raises(OperatorError, match="do not belong together"):
        pair.read_private(pem(of_factors(composite, numbers.q)), "here")
