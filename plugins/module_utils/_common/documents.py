# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes | bytearray) -> Any:
    """The JSON document that others wrote. Raises ValueError where it is none, or nested too deeply to be one of ours.

    Python's parser raises RecursionError for the latter, which is no ValueError.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
