# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.progress import Progress
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.database import MySql
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import Tls
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.deployment import NAMESPACE, quiet


def home_of(module: ModuleType) -> ModuleType:
    """Where the function is that a module performs."""
    return sys.modules[module.ACTION._act.__module__]


def call_of(database: MySql, monkeypatch: pytest.MonkeyPatch, module: ModuleType, **params: object) -> Call:
    """What an action gets; it finds this session where it would connect to the server of a deployment."""

    @contextlib.contextmanager
    def connected(_cluster: object, _address: object, _wait: object = None) -> Iterator[MySql]:
        yield database

    warnings: list[str] = []
    check_mode = bool(params.pop("check_mode", False))
    name = params.pop("live")
    monkeypatch.setattr(home_of(module), "connected", connected)
    monkeypatch.setattr(
        home_of(module), "read_address", lambda *_given: SimpleNamespace(name=name, user="airflow", tls=Tls())
    )
    defaults = {option: entry.get("default") for option, entry in module.ACTION.argument_spec.items()}
    cluster = SimpleNamespace(namespace=params.pop("namespace", NAMESPACE))
    return Call({**defaults, **params}, check_mode, cast(Cluster, cluster), cast(Progress, quiet), warnings.append)
