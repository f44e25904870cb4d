# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the API server: the same options as in kubernetes.core, documented here.

    Galaxy renders a collection's documentation without any other collection. With a fragment of kubernetes.core, no
    module would have a page.
    """

    DOCUMENTATION = r"""
options:
  host:
    description: URL of the API server. Defaults to E(K8S_AUTH_HOST).
    type: str
  api_key:
    description: Token of a service account or a user. Defaults to E(K8S_AUTH_API_KEY).
    type: str
  kubeconfig:
    description:
      - Path of a kubeconfig, several paths separated by V(:), or its content as a dictionary. Defaults to
        E(K8S_AUTH_KUBECONFIG).
      - If no option says how to reach the API server, C(~/.kube/config) is read, or a pod's own service account.
    type: raw
  context:
    description: Context of the kubeconfig. Defaults to E(K8S_AUTH_CONTEXT), then to the kubeconfig's current one.
    type: str
  username:
    description: User name, for API servers with HTTP Basic authentication. Defaults to E(K8S_AUTH_USERNAME).
    type: str
  password:
    description: Password that belongs to O(username). Defaults to E(K8S_AUTH_PASSWORD).
    type: str
  client_cert:
    description: Path of a client certificate. Defaults to E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description: Path of the key that belongs to O(client_cert). Defaults to E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path of the certificates to verify the API server's certificate with, as a complete chain. Defaults to
        E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description: Whether to verify the API server's certificate. Defaults to E(K8S_AUTH_VERIFY_SSL).
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of an HTTP proxy for requests to the API server. Defaults to E(K8S_AUTH_PROXY), then C(proxy-url) of the
        cluster in the kubeconfig, then E(HTTPS_PROXY) with E(NO_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, domains and networks that are reached without O(proxy), separated by commas. Defaults to
        E(K8S_AUTH_NO_PROXY).
    type: str
  proxy_headers:
    description: Headers for the proxy.
    type: dict
    suboptions:
      proxy_basic_auth:
        description: User name and password for the proxy, separated by a colon. Defaults to
          E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
      basic_auth:
        description: User name and password for the API server, separated by a colon. Defaults to
          E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH).
        type: str
      user_agent:
        description: Name of the client. Defaults to E(K8S_AUTH_PROXY_HEADERS_USER_AGENT).
        type: str
  persist_config:
    description:
      - Whether to write refreshed tokens back to the kubeconfig. Current clients do not support this. Defaults to
        E(K8S_AUTH_PERSIST_CONFIG).
    type: bool
  impersonate_user:
    description: User to act as. Defaults to E(K8S_AUTH_IMPERSONATE_USER), then to C(as) in the kubeconfig.
    type: str
  impersonate_groups:
    description:
      - Groups to act as a member of. Defaults to E(K8S_AUTH_IMPERSONATE_GROUPS), separated by commas, then to
        C(as-groups) in the kubeconfig.
    type: list
    elements: str
"""
