# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
from typing import TYPE_CHECKING, Any

from .._common.documents import parse
from .clock import time_of

if TYPE_CHECKING:
    from .cluster import Cluster

# Unknown formats are ignored.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, OSError, OverflowError, binascii.Error)


def end_of_credentials(cluster: Cluster) -> tuple[str, datetime.datetime] | None:
    """The client's credential, in words, and when it expires; None if unknown, or if it is renewed (by an exec plugin,
    from a token file, for the account of a pod).
    """
    credentials, configuration = cluster.api.credentials, cluster.api.configuration
    if credentials is not None and credentials.renews:
        return None
    ends = []
    if configuration.cert_file:
        ends.append(("client certificate", _end_of_certificate(configuration.cert_file)))
    ends.append(("token", _end_of_token(str(configuration.api_key.get("authorization")))))
    # The API server uses the certificate if it gets both.
    return next(((what, end) for what, end in ends if end is not None), None)


def lasts_too_short(cluster: Cluster, seconds: float) -> tuple[str, str] | None:
    """The credential that expires within `seconds`, by the API server's clock, in words, and the remaining time."""
    found = end_of_credentials(cluster)
    if found is None:
        return None
    what, end = found
    now = time_of(cluster) or datetime.datetime.now(datetime.UTC)
    left = (end - now).total_seconds()
    if left >= seconds:
        return None
    return f"the {what} for the API server expires at {end:%Y-%m-%d %H:%M} UTC", f"in {max(0.0, left) / 60:.0f} minutes"


def _end_of_token(authorization: str) -> datetime.datetime | None:
    """RFC 7519. Tokens of service accounts and of most logins have this format."""
    with contextlib.suppress(*UNREADABLE):
        claims = authorization.split(" ")[1].split(".")[1]
        document: Any = parse(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return datetime.datetime.fromtimestamp(float(document["exp"]), datetime.UTC)
    return None


def _end_of_certificate(file: str) -> datetime.datetime | None:
    with contextlib.suppress(ImportError, *UNREADABLE):
        from cryptography import x509

        with open(file, "rb") as stream:
            found = x509.load_pem_x509_certificate(stream.read())
        # Older versions have no other name for it.
        end: datetime.datetime = getattr(found, "not_valid_after_utc", None) or found.not_valid_after
        return end if end.tzinfo else end.replace(tzinfo=datetime.UTC)
    return None
