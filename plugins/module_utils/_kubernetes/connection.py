# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import ssl
import urllib.parse
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_MAP, AUTH_ARG_SPEC

from .._common.failure import OperatorError
from .._http.address import problem_of
from .._http.policy import excepted, is_loopback
from .current_credentials import Credentials, Identity
from .current_credentials import problem_of as problem_of_credentials
from .impersonation import headers_for, impersonate
from .kubeconfig import Chosen, is_text, read
from .retrying_client import RetryingClient, RetryPolicy

with contextlib.suppress(ImportError):  # reported by the module's own requirement check
    import kubernetes.client
    import kubernetes.config
    import yaml
    from urllib3.util import make_headers

# Options for credentials; empty ones are ignored.
WHO = ("api_key", "client_cert", "client_key")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PLACE = "https://kubernetes.io/docs/tasks/access-application-cluster/configure-access-multiple-clusters/"


def connect(params: dict[str, Any], retry_policy: RetryPolicy) -> RetryingClient:
    """Creates a client from the options of `kubernetes.core.k8s_auth_options` and their environment variables
    (K8S_AUTH_*).

    Without any of them, it uses KUBECONFIG, or else the account of the pod that it runs in, or else kubectl's
    kubeconfig. Options take precedence over these for as long as the client lives. Options for credentials replace all
    credentials of a kubeconfig. Raises OperatorError with the reason if the client could not work, and never creates
    one that would send anonymous requests.
    """
    options = {option: _given(option, params) for option in AUTH_ARG_SPEC}
    begun_on = params.get("cluster") or {}
    options["context"] = options["context"] or begun_on.get("context")
    configuration = kubernetes.client.Configuration()
    # Retries are made by the client above, which has to know of each attempt.
    configuration.retries = False
    credentials, chosen = _load(options, configuration)
    by_password = options["username"] and options["password"]
    if by_password or any(options[name] for name in WHO):
        credentials = None
    identity = credentials.current() if credentials is not None else Identity()
    identity.configure(configuration)
    for name, option in AUTH_ARG_MAP.items():
        value = options.get(option)
        if value is None or option in ("kubeconfig", "context", "persist_config", "proxy", "no_proxy"):
            continue
        if option in WHO and not value:
            continue
        if option == "api_key":
            configuration.api_key = {"authorization": f"Bearer {value}".strip()}
        elif option == "password" and options["username"]:
            # The client has the user name and password, but does not send them.
            configuration.api_key = {"authorization": _basic(f"{options['username']}:{value}")}
        elif option == "proxy_headers":
            configuration.proxy_headers = _proxy_headers(value)
        else:
            setattr(configuration, name, value.rstrip("/") if option == "host" else value)
    if options["host"]:
        # As in kubectl: tls-server-name of the kubeconfig only applies to the server of the kubeconfig.
        configuration.tls_server_name = None
    if problem := problem_of(str(configuration.host)):
        raise _wrong(f"the address of the API server {problem}")
    if begun_on and configuration.host != begun_on["server"]:
        raise _another_server(begun_on["server"], configuration.host, chosen.context)
    _use_proxy(configuration, options, chosen.cluster)
    _check(configuration, credentials.trouble if credentials is not None else "")
    client = RetryingClient(configuration, retry_policy, credentials)
    client.context = chosen.context
    try:
        impersonate(client, headers_for(options, chosen.user))
    except ValueError as error:
        raise _wrong(f"the kubeconfig can't be used: {error}") from None
    return client


def _given(option: str, params: dict[str, Any]) -> Any:
    """An option's value: false and empty values count."""
    if params.get(option) is not None:
        return params[option]
    kind = AUTH_ARG_SPEC[option].get("type")
    if kind == "dict":
        parts = AUTH_ARG_SPEC[option]["options"]
        found = {part: os.environ.get(f"K8S_AUTH_{option}_{part}".upper()) for part in parts}
        return found if any(found.values()) else None
    names = [option, *AUTH_ARG_SPEC[option].get("aliases", [])]
    value = next(filter(None, (os.environ.get(f"K8S_AUTH_{name}".upper()) for name in names)), None)
    if value is None:
        return None
    if kind == "bool":
        return value.lower() not in ("0", "false", "no")
    return [item for item in value.split(",") if item] if kind == "list" else value


def _load(options: dict[str, Any], configuration: Any) -> tuple[Credentials | None, Chosen]:
    """Add what a kubeconfig or the pod knows about the server, unless the options are sufficient.

    Returns the credentials and the kubeconfig's entries.
    """
    enough = (("username", "password"), ("api_key",), ("client_cert", "client_key"))
    if options["host"] and any(all(options[name] for name in names) for names in enough):
        return None, Chosen()
    _forget_files()
    given = options["kubeconfig"]
    # As in kubectl: if a kubeconfig is set in a pod (for example in a pipeline job), no other cluster is meant, and
    # least of all that of the pod. An empty kubeconfig is ignored.
    paths = _paths(None) if os.environ.get("KUBECONFIG") else []
    named = any(os.path.isfile(path) and os.path.getsize(path) for path in paths)
    if not (given or options["context"] or named):
        with contextlib.suppress(kubernetes.config.ConfigException):
            kubernetes.config.load_incluster_config(configuration, try_refresh_token=False)
            return Credentials(_load_account, file=True), Chosen()
    if isinstance(given, str) and is_text(given):
        raise _wrong("the kubeconfig is given as text: it must be the name of a file or a mapping")
    where = "given as a mapping" if isinstance(given, dict) else _place(given)
    try:
        loader, chosen = read(given, options["context"] or None, persist=bool(options["persist_config"]))
        credentials = Credentials(
            loader.load_and_set,
            file=bool(chosen.user.get("tokenFile")),
            plugin=bool(chosen.user.get("exec") or chosen.user.get("auth-provider")),
            ends=lambda: getattr(loader, "expiry", None),
        )
        _set_server(loader, configuration)
        return credentials, chosen
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise _wrong(f"the kubeconfig ({where}) is not valid YAML{line}: {getattr(error, 'problem', None)}") from None
    except kubernetes.config.ConfigException as error:
        if isinstance(given, dict) or any(pathlib.Path(path).exists() for path in _paths(given)):
            raise _wrong(f"the kubeconfig ({where}) can't be used: {error}") from None
        raise _wrong(f"there is no kubeconfig ({where}), and the action does not run in a pod") from None
    except OSError as error:
        raise _wrong(f"the kubeconfig ({where}) can't be read: {error.strerror}: {error.filename}") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _wrong(f"the kubeconfig ({where}) is invalid: {type(error).__name__} while it was read") from None


def _load_account(found: Any) -> None:
    kubernetes.config.load_incluster_config(found, try_refresh_token=False)


def _set_server(loader: Any, configuration: Any) -> None:
    """What the client's loader has read about the cluster; it cannot return only that."""
    for name in ("host", "ssl_ca_cert", "verify_ssl", "tls_server_name"):
        if hasattr(loader, name):
            setattr(configuration, name, getattr(loader, name))


def _forget_files() -> None:
    """The client writes certificates of a kubeconfig to files, and reuses them for the same content.

    Each action has its own folder for these, which is removed with it, and a task with a loop performs several actions
    in one process.
    """
    files: dict[str, str] = kubernetes.config.kube_config._temp_files
    for content in [content for content, file in files.items() if not os.path.exists(file)]:
        del files[content]


def _paths(given: str | None) -> list[str]:
    found = given or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [os.path.expanduser(path) for path in found.split(os.pathsep) if path]


def _place(given: str | None) -> str:
    return " and ".join(_paths(given))


def _use_proxy(configuration: Any, options: dict[str, Any], cluster: dict[str, Any]) -> None:
    """The proxy of the options, or else of the kubeconfig or the environment, as in kubectl.

    `proxy-url` of a kubeconfig's cluster, which the client does not know, applies to all addresses; in the environment,
    HTTPS_PROXY applies to https, with NO_PROXY. Some versions of the client read these and lose NO_PROXY
    (https://github.com/kubernetes-client/python/issues/2460), others do not read them, and for exec they use other
    rules. So the decision is made here. This machine itself is never reached through a proxy.
    """
    address = urllib.parse.urlsplit(configuration.host)
    proxy, direct, of = options["proxy"], options["no_proxy"], "the options"
    if proxy is None and cluster.get("proxy-url"):
        proxy, direct, of = str(cluster["proxy-url"]), direct or "", "the kubeconfig (proxy-url)"
    if proxy is None:
        proxy, of = _environment(f"{address.scheme}_proxy"), "the environment"
    if direct is None:
        direct = _environment("no_proxy")
    host = address.hostname or ""
    if not proxy or is_loopback(host) or excepted(configuration.host, direct or ""):
        # Without a proxy here, exec would use that of the environment.
        configuration.proxy, configuration.no_proxy = proxy or _environment(f"{address.scheme}_proxy"), host
        return
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if problem := problem_of(proxy, user=True):
        raise _wrong(f"the address of the proxy in {of} {problem}")
    configuration.proxy, configuration.no_proxy = proxy, ",".join(LOOPBACK)
    parts = urllib.parse.urlsplit(proxy)
    if parts.username and not configuration.proxy_headers:
        given = ":".join(urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        configuration.proxy_headers = _proxy_headers({"proxy_basic_auth": given})


def _basic(user_and_password: str) -> str:
    """In UTF-8, as in other clients: the library only supports Latin-1."""
    return f"Basic {base64.b64encode(user_and_password.encode()).decode()}"


def _proxy_headers(given: dict[str, Any]) -> dict[str, str]:
    """Sets the header from the option of that name."""
    plain = {key: item for key, item in given.items() if item is not None}
    coded = {
        name: _basic(plain.pop(key))
        for key, name in (("basic_auth", "authorization"), ("proxy_basic_auth", "proxy-authorization"))
        if key in plain
    }
    return {**make_headers(**plain), **coded}


def _environment(name: str) -> str | None:
    return os.environ.get(name) or os.environ.get(name.upper())


def _check(configuration: Any, trouble: str) -> None:
    if problem := problem_of_credentials(configuration.api_key.get("authorization")):
        raise _wrong(problem)
    _check_files(configuration)
    address = urllib.parse.urlsplit(configuration.host)
    somebody = configuration.api_key.get("authorization") or configuration.cert_file
    # A proxy on this machine (`kubectl proxy`) adds the credentials.
    if somebody or (address.scheme == "http" and is_loopback(address.hostname or "")):
        return
    why = f": {trouble}" if trouble else ""
    raise _wrong(f"there are no credentials for the API server {configuration.host}{why}")


def _check_files(configuration: Any) -> None:
    """The client would only read them at its first request, and report an aborted connection."""
    what = ""
    try:
        if configuration.ssl_ca_cert:
            what = f"certificate authority {configuration.ssl_ca_cert}"
            ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            what = f"client certificate {configuration.cert_file} with key {configuration.key_file}"
            # Without the system's authorities, which take longer to read than everything else.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(configuration.cert_file, configuration.key_file)
    except OSError as error:
        raise _wrong(f"the {what} can't be used: {error.strerror or error}") from None


def _wrong(found: str) -> OperatorError:
    return OperatorError(
        found,
        expected="a kubeconfig, or the options of kubernetes.core.k8s_auth_options, that name an API server and "
        "credentials for it",
        untouched="everything; no request was sent",
        next_step=f"correct it until `kubectl get namespaces` works with it ({PLACE}), and run the same command again",
    )


def _another_server(begun_on: str, host: str, context: str | None) -> OperatorError:
    of = f" (context {context} of the kubeconfig)" if context else ""
    return OperatorError(
        f"this run started on the API server {begun_on}, but the connection settings now lead to {host}{of}",
        expected="one API server for the whole run",
        untouched="everything that this action would have changed; no request was sent",
        next_step=(
            f"select {begun_on} again, by the kubeconfig or by airflow_context and airflow_kubernetes_auth, and run "
            "the same command again: it continues where this one stopped"
        ),
    )
