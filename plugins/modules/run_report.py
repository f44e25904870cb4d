#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Writes the report of a run to a file that only its owner can read
description:
  - Writes the page atomically with mode 0600. If its folder is missing, it is created with mode 0700.
  - Does not use the cluster, so that there is a report even if the cluster does not answer.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment: [hopsworks.airflow.attributes]
options:
  path:
    description: Path of the page.
    type: path
    required: true
  page:
    description: Content of the page. Required with O(state=written).
    type: str
  state:
    description:
      - V(written) writes the page. V(possible) writes a file of the size of a page next to O(path), or in the nearest
        existing parent folder, removes it again, and fails if that is not possible. In check mode it only checks the
        permissions.
    type: str
    choices: [written, possible]
    default: written
"""

EXAMPLES = r"""
- name: Write the report of a run
  hopsworks.airflow.run_report:
    path: /var/lib/airflow-runs/20261122t030000/report.html
    page: "<!DOCTYPE html><title>What ran</title>"

- name: Check before a run that its files can be written
  hopsworks.airflow.run_report:
    path: /var/lib/airflow-runs/report.html
    state: possible
"""

RETURN = r"""
path:
  description: Path of the page.
  returned: always
  type: str
  sample: /var/lib/airflow-runs/20261122t030000/report.html
"""

import stat
from pathlib import Path
from typing import Any

from ..module_utils._common.private_file import try_to_write, write_privately, writing
from ..module_utils._run.action import LocalAction
from ..module_utils.module import run_as_module

MODE = 0o600


def act(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    path = Path(params["path"])
    if params["state"] == "possible":
        try_to_write(path, check_mode=check_mode)
        return {"path": str(path)}
    with writing(path):
        return write(path, params["page"].encode(), check_mode=check_mode)


def write(path: Path, page: bytes, *, check_mode: bool) -> dict[str, Any]:
    before = path.read_bytes() if path.exists() else None
    private = before is not None and stat.S_IMODE(path.stat().st_mode) == MODE
    if before == page and private:
        return {"path": str(path)}
    if not check_mode:
        write_privately(path, page)
    shown = {"before": described(before, private=private), "after": described(page, private=True)}
    return {"changed": True, "path": str(path), "diff": shown}


def described(page: bytes | None, *, private: bool) -> dict[str, Any]:
    return {} if page is None else {"bytes": len(page), "private": private}


ACTION = LocalAction(
    act,
    {
        "path": {"type": "path", "required": True},
        "page": {"type": "str"},
        "state": {"type": "str", "choices": ["written", "possible"], "default": "written"},
    },
    required_if=[("state", "written", ["page"])],
)


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
