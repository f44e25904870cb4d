# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._common.failure import OperatorError
from .._kubernetes.network import Network
from .engines import ENGINE
from .failures import AwayError
from .server_wait import NO_WAIT, ServerWait

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster
    from .address import Address
    from .engine import Database


@contextlib.contextmanager
def connected(cluster: Cluster, address: Address, wait: ServerWait = NO_WAIT) -> Iterator[Database]:
    """A session of the server, through a tunnel if its name does not lead to it from here."""
    where = f"{address.host}:{address.port} as {address.user}"
    with Network(cluster) as network:

        def find() -> tuple[str, int]:
            try:
                return network.address(address.host, address.port)
            except OperatorError as error:  # it has no ready pod, for example
                raise AwayError(
                    error.found, expected=error.expected, untouched=error.untouched, next_step=error.next_step
                ) from None

        host, port = wait.wait_for(find)
        with ENGINE.session(host, port, address, where, wait) as database:
            yield database
