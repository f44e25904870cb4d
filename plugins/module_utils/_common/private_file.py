# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .failure import OperatorError

# More than a file system needs in addition to the content.
TRIED_BYTES = 1 << 16


def write_privately(path: Path, content: bytes) -> None:
    """Atomically write a file that only its owner can read. If its folder is missing, create it with access for the
    owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created with mode 0600, so others cannot read it at any moment.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as new:
        new.write(content)
    Path(new.name).replace(path)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Explains why a file of a run cannot be written."""
    try:
        yield
    except OSError as error:
        raise OperatorError(
            f"{path} can't be written on this machine ({error.strerror or error})",
            expected="a folder that this user can write to, with room for the files of a run",
            untouched="everything but this file",
            next_step=(
                f"check the owner and the free space of {path.parent}, or set airflow_run_directory to another folder; "
                "then run the same command again"
            ),
        ) from error


def try_to_write(path: Path, *, check_mode: bool) -> None:
    """Raises OperatorError if this file could not be written. Leaves no files or folders behind."""
    with writing(path):
        folder = path.parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
        if check_mode:
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
            return
        with tempfile.TemporaryFile(dir=folder) as tried:
            tried.write(bytes(TRIED_BYTES))
