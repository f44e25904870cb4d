# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def own_temporary_files(folder: str) -> Iterator[None]:
    """Temporary files of an action are gone after it: certificates out of a kubeconfig, and whatever else.

    A process that is forked, or killed, ends without the clean-up of a program's end, so whoever waits for the action
    removes them. `folder` is one that Ansible itself removes, for where this process is killed as well.
    """
    with tempfile.TemporaryDirectory(prefix="airflow-action-", dir=folder) as own:
        before, tempfile.tempdir = tempfile.tempdir, own
        try:
            yield
        finally:
            tempfile.tempdir = before
