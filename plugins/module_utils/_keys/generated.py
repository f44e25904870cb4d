# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._kubernetes.managed_secret import check_managers
from .._kubernetes.secret import StoredSecret, copied_value
from . import in_pod
from .fernet import keys_of

if TYPE_CHECKING:
    from .._kubernetes.call import Call

# SHA-256 of values that many deployments use because they were published as a default or an example.
PUBLISHED = {
    "e0bfb701592614dd14e92d23039fe84ec9951167b183ff9c7d446aaa29429450": (
        "the default of [webserver] secret_key in Airflow 1.10"
    ),
    "ef07cceb7be20b013d6502b8bbc816b4b7267e047128ae64592034b2c36a1c3d": (
        "the default webserverSecretKey of the community's Helm chart (airflow-helm/charts)"
    ),
    "b2f118c40ef943640d2d20929e4ed51cb40d731041d3c819b90f5160a8b45de5": (
        "the default fernetKey of the community's Helm chart (airflow-helm/charts)"
    ),
    "81886cc4d79074f6e946934d4e9e9d6a2ef320041045a0bd3c36ab6939df37e8": (
        "the fernet key in the examples of the image puckel/docker-airflow"
    ),
    "1bb83b20d631c65e84017c7db87953129c92384e0eada4cc3b2c374235f8ac34": (
        "the default fernet_key of the Airflow cookbooks for Chef"
    ),
}

Generator = Callable[[str], bytes]


def token(_user: str) -> bytes:
    """32 random bytes, base64url without padding."""
    return secrets.token_urlsafe(32).encode()


def fernet(_user: str) -> bytes:
    """A Fernet key: 32 random bytes, base64url with padding (https://github.com/fernet/spec)."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32))


def simple_auth_password_file(user: str) -> bytes:
    """What Airflow's SimpleAuthManager reads: a JSON object of user names and passwords."""
    return json.dumps({user: secrets.token_urlsafe(18)}).encode()


# The generator of each kind, and the formats of an entry.
FORMS = {"token": "text", "fernet": "fernet", "simple_auth_password_file": "simple_auth_password_file"}
GENERATORS: dict[str, Generator] = {
    "token": token,
    "fernet": fernet,
    "simple_auth_password_file": simple_auth_password_file,
}


def problem_of(form: str, value: bytes, user: str) -> str:
    """Why pods could not work with an entry, without showing any of it; "" if they could.

    `form` is text, fernet or simple_auth_password_file.
    """
    try:
        if form == "simple_auth_password_file":
            if user not in in_pod.users_of(value):
                return f"has no password for the user {user}"
        elif form == "fernet":
            keys_of(in_pod.text_of(value).encode())
        else:
            in_pod.text_of(value)
    except ValueError as problem:
        return str(problem)
    return ""


def fingerprint(value: bytes) -> str:
    """Enough of a SHA-256 to distinguish two values, too little to reveal one."""
    return "SHA256:" + hashlib.sha256(value).hexdigest()[:16]


def published_as(value: bytes) -> str | None:
    """Where a value was published, or None."""
    return PUBLISHED.get(hashlib.sha256(value.strip()).hexdigest())


def refuse_unfit(secret: str, entry: dict[str, Any], value: bytes, origin: str) -> None:
    """Raises OperatorError for a value that pods could not work with."""
    form = entry["format"] or FORMS.get(entry["kind"] or "", "text")
    problem = problem_of(form, value, entry["user"])
    if not problem:
        return
    source = entry["from_secret"] or entry["from_config_map"] or {}
    where = f"entry {source['key']} of {source['name']}" if origin == "copied" else f"entry {entry['name']} of {secret}"
    raise OperatorError(
        f"{where} {problem}",
        expected=f"a value that pods can use as {entry['name']} ({form})",
        untouched=f"Secret {secret}, and every pod that uses it",
        next_step="use the entry that holds the value itself (airflow_fernet_key_from), or correct it"
        if origin == "copied"
        else "correct it; or, if nothing depends on its value, remove the entry: then it is generated or copied again",
    )


def act(call: Call) -> dict[str, Any]:
    """Adds the missing entries of a Secret, generated or copied, and checks those that it has."""
    secret = StoredSecret(call.cluster, call.params["secret"])
    missing: dict[str, bytes] = {}
    states: dict[str, dict[str, str | None]] = {}
    for entry in call.params["entries"]:
        name = entry["name"]
        value, origin = secret.entries.get(name, b""), "kept"
        if not value.strip():
            if entry["kind"]:
                origin, value = "generated", b"" if call.check_mode else GENERATORS[entry["kind"]](entry["user"])
            else:
                origin, value = "copied", copied_value(call.cluster, entry["from_secret"], entry["from_config_map"])
            missing[name] = value
        if value:
            refuse_unfit(secret.name, entry, value, origin)
        states[name] = {"origin": origin, "fingerprint": fingerprint(value) if value else None}
        if published := published_as(value):
            call.warn(
                f"Entry {name} of Secret {secret.name} is publicly known: it is {published}. It is not changed "
                f"({origin}); replace it as soon as possible."
            )
    if missing:
        check_managers(secret.name, secret.metadata, call.params["managed_by_others"], call.warn)
    if (untold := secret.write(missing, dry_run=call.check_mode)) is not None:
        call.warn(untold)
    header = f"Secret {secret.name}"
    before = {name: state["fingerprint"] for name, state in states.items() if name not in missing}
    after = {name: state["fingerprint"] or "(created when not in check mode)" for name, state in states.items()}
    return {
        "changed": bool(missing),
        "entries": states,
        "diff": {"before_header": header, "after_header": header, "before": before, "after": after},
    }
