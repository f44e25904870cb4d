# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def own_temporary_files(folder: str) -> Iterator[None]:
    """Removes the temporary files of an action after it ends, such as certificates from a kubeconfig.

    A forked or killed process ends without cleaning up, so the process that waits for the action removes the files.
    `folder` is one that Ansible itself removes, in case this process is killed as well.
    """
    with tempfile.TemporaryDirectory(prefix="airflow-action-", dir=folder) as own:
        before, tempfile.tempdir = tempfile.tempdir, own
        try:
            yield
        finally:
            tempfile.tempdir = before
