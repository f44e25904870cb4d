# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib

import pytest


@pytest.fixture
def server(api_server):
    return api_server


@pytest.fixture
def no_children():
    """Whether this process has no children but those that tests before have left, zombies too."""

    def children():
        return set(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split())

    of_others = children()
    return lambda: not children() - of_others
