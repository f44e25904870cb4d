# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a connection to the database is encrypted: one description, which each client gets in its own words."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.private_file import write_privately
from .._http.policy import certificates_in

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

DISABLE, PREFER, REQUIRE, VERIFY_IDENTITY = "disable", "prefer", "require", "verify_identity"
MODES = [DISABLE, PREFER, REQUIRE, VERIFY_IDENTITY]
# Entries of the option, and their files in a pod.
FILES = {"ca": "ca.crt", "certificate": "tls.crt", "private_key": "tls.key"}
TLS_FOLDER = "/run/hopsworks.airflow/database-tls"

# An entry of a Secret, as an option.
ENTRY_ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "no_log": False,
    "options": {
        "name": {"type": "str", "required": True},
        "key": {"type": "str", "required": True, "no_log": False},
    },
}
TLS_ARGUMENT: dict[str, Any] = {
    "type": "dict",
    "default": {},
    "options": {"mode": {"type": "str", "choices": MODES, "default": PREFER}, **dict.fromkeys(FILES, ENTRY_ARGUMENT)},
}


@dataclass(frozen=True)
class Tls:
    """`sources` names the Secret's entry of each file; `contents` has the files themselves."""

    mode: str = PREFER
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)

    def context(self, host: str) -> ssl.SSLContext | None:
        """For a connection of this process to `host`; None without encryption."""
        if self.mode == DISABLE:
            return None
        context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        context.server_name = host
        if self.mode == VERIFY_IDENTITY:
            try:
                context.load_verify_locations(cadata=certificates_in(self.contents["ca"]))
            except (ssl.SSLError, ValueError) as error:
                raise self._unusable("ca", f"no certificates in PEM form ({type(error).__name__})") from None
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if "certificate" in self.contents:
            self._present(context)
        return context

    def _present(self, context: ssl.SSLContext) -> None:
        # The library reads them from files only.
        with tempfile.TemporaryDirectory(prefix="hopsworks-airflow-") as folder:
            paths = {name: Path(folder) / FILES[name] for name in ("certificate", "private_key")}
            for name, path in paths.items():
                write_privately(path, self.contents[name])
            try:
                # An empty password, so that the library does not ask for one on the terminal.
                context.load_cert_chain(paths["certificate"], paths["private_key"], password="")
            except (ssl.SSLError, ValueError, OSError):
                raise self._unusable(
                    "certificate", "no certificate whose private key is database.tls.private_key"
                ) from None

    def _unusable(self, name: str, why: str) -> OperatorError:
        source = self.sources[name]
        return OperatorError(
            f"entry {source['key']} of Secret {source['name']} (database.tls.{name}) holds {why}",
            expected="PEM files that belong together; the private key without a password",
            untouched="everything; the database was not contacted",
            next_step="correct database.tls or the Secret, then run the same command again",
        )

    def used(self) -> tuple[str, ...]:
        """The files that a client gets. In the modes that verify nothing, a CA would make drivers verify."""
        if self.mode == DISABLE:
            return ()
        return tuple(name for name in FILES if name in self.sources and (name != "ca" or self.mode == VERIFY_IDENTITY))

    def volume(self, name: str) -> dict[str, Any] | None:
        """A volume of a pod with the files, or None if there are none."""
        if not self.used():
            return None
        sources = [
            {
                "secret": {
                    "name": self.sources[file]["name"],
                    "items": [{"key": self.sources[file]["key"], "path": FILES[file]}],
                }
            }
            for file in self.used()
        ]
        # Readable by any UID that the pod gets; no other user is in it.
        return {"name": name, "projected": {"defaultMode": 0o444, "sources": sources}}


class _Context(ssl.SSLContext):
    """Verifies the server's own name, even if the connection goes through a tunnel to 127.0.0.1."""

    server_name: str

    def wrap_socket(self, sock: Any, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *arguments, **{**options, "server_hostname": self.server_name})


def read_tls(cluster: Cluster, options: dict[str, Any] | None) -> Tls:
    """The option `database.tls`, with its files. Raises OperatorError if one is missing."""
    options = options or {}
    mode = options.get("mode") or PREFER
    sources = {name: dict(options[name]) for name in FILES if options.get(name)}
    lacking = []
    if mode == VERIFY_IDENTITY and "ca" not in sources:
        lacking.append("`ca`, which mode verify_identity verifies with")
    lacking += [
        f"`{name}`, which belongs to `{other}`"
        for name, other in (("certificate", "private_key"), ("private_key", "certificate"))
        if other in sources and name not in sources
    ]
    if lacking:
        raise OperatorError(
            f"database.tls has no {' and no '.join(lacking)}",
            expected="a CA for verify_identity; certificate and private key together or none of them",
            untouched="everything; the database was not contacted",
            next_step="complete database.tls, then run the same command again",
        )
    contents = {
        name: read_entry(cluster, source, f"database.tls.{name}", f"the file that database.tls.{name} names")
        for name, source in sources.items()
    }
    return Tls(mode, sources, contents)


def read_entry(cluster: Cluster, source: Mapping[str, str], option: str, expected: str) -> bytes:
    """The entry of a Secret that `option` names. Raises OperatorError if it does not exist."""
    entries = cluster.secret_entries(source["name"])
    if entries is None or source["key"] not in entries:
        found = "there is no such Secret" if entries is None else f"its entries are {', '.join(sorted(entries))}"
        raise OperatorError(
            f"no entry {source['key']} in Secret {source['name']} of namespace {cluster.namespace}: {found}",
            expected=expected,
            untouched="everything; the database was not contacted",
            next_step=f"correct {option}, or create the entry, then run the same command again",
        )
    return entries[source["key"]]


def explained_tls(error: BaseException, host: str) -> tuple[str, str] | None:
    """The cause and the next step, in words, if a connection failed because of its encryption."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or error.reason or ""
        # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
        if error.verify_code in (62, 64):
            return (
                f"the server's certificate is not for the name {host} ({reason})",
                (
                    "set database.host to a name that the certificate has, or give the server one for this name"
                    " (as a subject alternative name)"
                ),
            )
        return (
            f"the server's certificate is not one that database.tls.ca vouches for ({reason})",
            "set database.tls.ca to the certificate of the CA that signed the server's",
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"the server ended the TLS handshake ({error.reason or type(error).__name__})",
            (
                "see the server's error log; it may require a client certificate (database.tls.certificate) or"
                " support no TLS version of this machine"
            ),
        )
    return None
