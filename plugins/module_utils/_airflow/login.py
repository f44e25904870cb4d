# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._keys import in_pod

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

# Options of modules that log in; each documents them.
LOGIN_OPTIONS: dict[str, Any] = {
    "user": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": False},
    "key": {"type": "str", "default": "passwords.json", "no_log": False},
}


def password_of(cluster: Cluster, login: dict[str, str]) -> str:
    """The password of `login` {user, secret, key}, from a password file of the SimpleAuthManager in a Secret.

    Raises OperatorError if it is missing.
    """
    entries = cluster.secret_entries(login["secret"]) or {}
    try:
        return in_pod.users_of(entries[login["key"]])[login["user"]]
    except (KeyError, ValueError) as error:
        raise OperatorError(
            f"Secret {login['secret']} has no password for {login['user']} in its entry {login['key']}",
            expected="a JSON object of users to passwords, which are texts",
            untouched="everything",
            next_step="set airflow_login_user to a user of that file, or add the user to it",
        ) from error
