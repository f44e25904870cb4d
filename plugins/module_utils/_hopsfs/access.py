# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from .._common.failure import OperatorError
from .._kubernetes.network import Network
from .client import WebHdfs
from .connection import open_session, tls_context

if TYPE_CHECKING:
    from .._common.progress import Progress
    from .._kubernetes.cluster import Cluster

# The options of the documentation fragment `hopsworks.airflow.hopsfs`.
ARGUMENTS: Final[dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "tls_secret": {"type": "str", "required": True, "no_log": False},
    "snapshot_root": {"type": "str", "default": "/airflow-snapshots"},
    "workers": {"type": "int", "default": 8},
}


@contextlib.contextmanager
def opened(cluster: Cluster, options: Mapping[str, Any], progress: Progress) -> Iterator[WebHdfs]:
    """HopsFS according to the options `url`, `tls_secret` and `workers`. Raises OperatorError if they are invalid."""
    if not 1 <= options["workers"] <= 64:
        raise OperatorError(
            f"workers is {options['workers']}",
            expected="1 to 64",
            untouched="everything; nothing was sent to HopsFS",
            next_step="correct the option workers",
        )
    name = options["tls_secret"]
    entries = cluster.secret_entries(name)
    if entries is None:
        raise OperatorError(
            f"there is no Secret {name} in namespace {cluster.namespace}",
            expected="a Secret with tls.crt, tls.key and ca.crt",
            untouched="everything; nothing was sent to HopsFS",
            next_step="create it, or correct the option tls_secret",
        )
    context = tls_context(entries, name)
    with Network(cluster) as network, contextlib.closing(open_session(network, context, options["workers"])) as session:
        yield WebHdfs(options["url"], session, progress)
