#!/usr/bin/env python3
# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the test cluster's certificate authority, the certificates of its servers and those of its HDFS users.

`certificates.py FOLDER NAME=HOST...` leaves ca.crt and, for each server and for the HDFS users hdfs and airflow, a
certificate and a private key in PEM (NAME, hdfs, airflow: .crt and .key). A folder that already holds them, valid for
30 more days, is left alone. Prints "made" or "kept".
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=397)
LEFT_AT_LEAST = timedelta(days=30)
USERS = ("hdfs", "airflow")


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def write(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def write_pair(folder: Path, stem: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write(folder / f"{stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write(folder / f"{stem}.key", private)


def builder(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def make(folder: Path, servers: dict[str, str]) -> None:
    authority_name = "Bed certificate authority"
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    certificate_signing = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    authority = (
        builder(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificate_signing, critical=True)
        .add_extension(authority_identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    for stem, subject, purpose in [
        *((stem, host, ExtendedKeyUsageOID.SERVER_AUTH) for stem, host in servers.items()),
        *((user, user, ExtendedKeyUsageOID.CLIENT_AUTH) for user in USERS),
    ]:
        key = ec.generate_private_key(ec.SECP256R1())
        request = (
            builder(subject, authority_name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_identifier), critical=False
            )
        )
        if stem in servers:
            names = dict.fromkeys([subject, subject.partition(".")[0]])
            alternative_names = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
            request = request.add_extension(alternative_names, critical=False)
        write_pair(folder, stem, request.sign(authority_key, hashes.SHA256()), key)
    # Last, since its presence says that the rest is complete. The authority's key isn't kept: nothing else gets signed.
    write(folder / "ca.crt", authority.public_bytes(serialization.Encoding.PEM))


def is_valid(folder: Path, servers: dict[str, str]) -> bool:
    if not all((folder / f"{stem}.key").exists() for stem in servers):
        return False
    try:
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    except FileNotFoundError:
        return False
    return authority.not_valid_after_utc - datetime.now(UTC) > LEFT_AT_LEAST


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("servers", nargs="+", metavar="NAME=HOST")
    arguments = parser.parse_args()
    servers = dict(each.split("=", 1) for each in arguments.servers)
    if is_valid(arguments.folder, servers):
        print("kept")
        return 0
    arguments.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make(arguments.folder, servers)
    print("made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
