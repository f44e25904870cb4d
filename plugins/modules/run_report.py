#!/usr/bin/python

# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Keeps the report of a run where only its owner can read it
description:
  - Writes the page, as a whole or not at all, with mode 0600. Its folder, where missing, is made with mode 0700.
  - Asks nothing of the cluster, so that there is a report when that does not answer.
version_added: 0.1.0
author: hopsworks.airflow contributors (@hopsworks)
extends_documentation_fragment: [hopsworks.airflow.attributes]
options:
  path:
    description: Where the page is kept.
    type: path
    required: true
  page:
    description: The page.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Keep the report of a run
  hopsworks.airflow.run_report:
    path: /var/lib/airflow-runs/20261122t030000/report.html
    page: "<!DOCTYPE html><title>What ran</title>"
"""

RETURN = r"""
path:
  description: Where the page is.
  returned: always
  type: str
  sample: /var/lib/airflow-runs/20261122t030000/report.html
"""

import stat
from pathlib import Path
from typing import Any

from ansible_collections.hopsworks.airflow.plugins.module_utils._run.action import LocalAction
from ansible_collections.hopsworks.airflow.plugins.module_utils._run.private_file import write_privately
from ansible_collections.hopsworks.airflow.plugins.module_utils.module import run_as_module

MODE = 0o600


def act(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    path, page = Path(params["path"]), params["page"].encode()
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


ACTION = LocalAction(act, {"path": {"type": "path", "required": True}, "page": {"type": "str", "required": True}})


def main() -> None:
    run_as_module(ACTION)


if __name__ == "__main__":
    main()
