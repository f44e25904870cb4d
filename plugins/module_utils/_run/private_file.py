# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tempfile
from pathlib import Path


def write_privately(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, as a whole or not at all; its folder, where missing, for him alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with mode 0600: it isn't readable for others for a moment either.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as new:
        new.write(content)
    Path(new.name).replace(path)
