# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.secret_texts import secret_texts


def test_entries_that_are_no_text_are_passed_over():
    assert "CANARY-9" in secret_texts({"keystore": b"\xfe\xed\xfe\xed", "x": b"CANARY-9"})


def test_a_document_that_nests_deeply_is_read():
    assert "CANARY-9" in secret_texts({"x": ("[" * 500 + '"CANARY-9"' + "]" * 500).encode()})


def lines_of(number):
    return [hashlib.sha256(f"{number}-{line}".encode()).hexdigest() for line in range(300)]


def test_certificates_are_no_secrets():
    bundle = "".join(
        f"-----BEGIN CERTIFICATE-----\n{chr(10).join(lines_of(n))}\n-----END CERTIFICATE-----\n" for n in (1, 2)
    )
    assert secret_texts({"ca.crt": bundle.encode()}) == set()
    assert "CANARY-9" in secret_texts({"both": f"{bundle}\nCANARY-9".encode()})
