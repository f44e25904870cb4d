# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of examples/, each to its end, with actions that answer with documented samples."""

from __future__ import annotations

import json

import matrix
import pytest

EXAMPLES = matrix.CHECKOUT / "examples"
PLAYBOOKS = sorted((EXAMPLES / "playbooks").glob("*.yml"))


@pytest.mark.environments("2.19", "oldest", "2.21")
@pytest.mark.parametrize("look", [[], ["--check"]], ids=["run", "rehearsed"])
def test_the_examples_run_to_their_end(environment, replayed, tmp_path, look):
    """One after the other, by one command: to start Ansible takes longer than most of them."""
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"stage": "installed"}), encoding="utf-8")
    answer = environment.playbook(
        *map(str, PLAYBOOKS),
        "--inventory",
        str(EXAMPLES / "inventories/minimal.yml"),
        "-e",
        f"airflow_run_directory={tmp_path}",
        *look,
        cwd=tmp_path,
        collections=replayed,
        HOPSWORKS_AIRFLOW_REPLAY=str(state),
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("PLAY RECAP") == len(PLAYBOOKS)
    assert "[WARNING]" not in answer.stderr, answer.stderr
    assert "[DEPRECATION WARNING]" not in answer.stderr
