# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""User impersonation (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation).

The Python client does not support it: it ignores `as` in a kubeconfig, and sends commands in pods and port-forwards
without the headers of other requests.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import unique_string

Headers = list[tuple[str, str]]
PREFIX = "impersonate-"
BREAK = re.compile(r"[\x00-\x1f\x7f]")


def headers_for(options: dict[str, Any], user: dict[str, Any]) -> Headers:
    """The impersonation headers of a request, from the options or else from the user's entry in the kubeconfig.

    Raises ValueError for an invalid entry.
    """
    name = options["impersonate_user"] or user.get("as")
    headers = [("Impersonate-User", str(name))] if name else []
    # Without a user, the API server rejects the other headers, and kubectl ignores them in a kubeconfig.
    rest = user if name else {}
    headers += [("Impersonate-Group", each) for each in _texts(options["impersonate_groups"] or rest.get("as-groups"))]
    headers += [("Impersonate-Uid", each) for each in _texts(rest.get("as-uid"))]
    extra = rest.get("as-user-extra") or {}
    if not isinstance(extra, dict):
        raise ValueError("as-user-extra is not a mapping")
    for key, values in extra.items():
        name_of_key = f"Impersonate-Extra-{urllib.parse.quote(str(key), safe='')}"
        headers += [(name_of_key, each) for each in _texts(values)]
    for header, value in headers:
        if BREAK.search(value):
            raise ValueError(f"{header} has a line break or another control character")
    return headers


def _texts(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item is not None]


def impersonate(client: Any, headers: Headers) -> None:
    """Adds these headers to all requests of a client; a name may occur several times."""
    for name, value in headers:
        # In UTF-8, as kubectl sends them; the library encodes each character as one byte.
        sent = value.encode().decode("latin-1")
        client.set_default_header(unique_string(name) if name in client.default_headers else name, sent)


def carried_by(client: Any) -> Headers:
    """The impersonation headers of a client, as texts."""
    return [
        (str(name), value.encode("latin-1").decode())
        for name, value in client.default_headers.items()
        if name.lower().startswith(PREFIX)
    ]
