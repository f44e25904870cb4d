# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import math
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .._common.failure import OperatorError

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

KEY_BITS = 4096
PUBLIC_EXPONENT = 65537


def generate() -> RSAPrivateKey:
    """A new RSA-4096 key. Takes about a second."""
    return rsa.generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=KEY_BITS)


def generate_several(count: int) -> list[RSAPrivateKey]:
    """Several new keys in parallel: the search for primes releases the interpreter lock."""
    with ThreadPoolExecutor(max(1, count)) as pool:
        return [made.result() for made in [pool.submit(generate) for _index in range(count)]]


def private_pem(key: RSAPrivateKey) -> bytes:
    """PKCS#8, not encrypted: the form that Airflow reads."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: RSAPublicKey) -> bytes:
    """SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def read_private(pem: bytes, where: str) -> RSAPrivateKey:
    """The key in a PEM entry. `where` names the entry in the OperatorError raised for anything but RSA-4096.

    The error shows no part of the entry.
    """
    key: object = None
    problem = "no private key in PEM format"
    try:
        # Its own validation is replaced by `_belongs_together`.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        problem = "a private key that is encrypted with a passphrase"
    except UnsupportedAlgorithm:
        problem = "a private key of an unsupported type"
    except ValueError:
        if b"PUBLIC KEY" in pem:
            problem = "a public key instead of the private one"
    if key is None:
        raise _not_understood(where, problem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _not_understood(where, f"a private key of another type ({type(key).__name__})")
    _check_size(key.key_size, where)
    if not _belongs_together(key):
        raise _not_understood(where, "a private key whose numbers do not belong together")
    return key


def _belongs_together(key: RSAPrivateKey) -> bool:
    """Whether its numbers belong to one key (RFC 8017, 3.2), and its public half verifies its signatures.

    Libraries also test whether the two factors are prime. That takes a third of a second per read, and a rotation reads
    its keys a dozen times. With factors that are not prime, signatures do not verify anyway.
    """
    numbers = key.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    modulus, exponent = numbers.public_numbers.n, numbers.public_numbers.e
    # In this order, so that nothing, least of all OpenSSL, computes with unchecked numbers.
    if min(p, q) < 3 or p * q != modulus or not modulus % 2:
        return False
    if exponent * d % math.lcm(p - 1, q - 1) != 1 or numbers.iqmp * q % p != 1:
        return False
    if (numbers.dmp1, numbers.dmq1) != (d % (p - 1), d % (q - 1)):
        return False
    message = secrets.token_bytes(32)
    try:
        signature = key.sign(message, PKCS1v15(), SHA256())
        key.public_key().verify(signature, message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def read_public(pem: bytes, where: str) -> RSAPublicKey:
    """The same for a public key."""
    if b"PRIVATE KEY" in pem:
        raise _not_understood(where, "a private key instead of the public one, which every component can read")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _not_understood(where, "no public key in PEM format") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise _not_understood(where, f"a public key of another type ({type(key).__name__})")
    _check_size(key.key_size, where)
    return key


def _check_size(bits: int, where: str) -> None:
    if bits != KEY_BITS:
        raise _not_understood(where, f"an RSA key of {bits} bits")


def _not_understood(where: str, found: str) -> OperatorError:
    return OperatorError(
        f"{where} holds {found}",
        expected=f"an RSA key of {KEY_BITS} bits in PEM format, not encrypted",
        untouched="the whole Secret, and every pod that uses it",
        next_step=(
            "put the correct key there; or, if no running pod signs or verifies with it, remove the entries of this "
            "signer from the Secret and run the same command again: it creates a new pair"
        ),
    )
