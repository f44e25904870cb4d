# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Galaxy and Automation Hub do with the tarball when it is uploaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import matrix
import pytest


@pytest.fixture(scope="module")
def imported(tarball, tmp_path_factory):
    """The importer's own words, and the description that a server would keep."""
    here = tmp_path_factory.mktemp("importer")
    folder = matrix.CACHE / f"galaxy-importer-{matrix.digest(sys.executable, matrix.IMPORTER_PINS)}"
    matrix.virtual_environment(folder, sys.executable, matrix.IMPORTER_PINS)
    unset = ("ANSIBLE_", "GALAXY_", "PYTHON", "PYTEST_", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    answer = subprocess.run(
        [folder / "bin/python", "-m", "galaxy_importer.main", "--print-result", tarball],
        cwd=here,
        # The stage `lint` runs ansible-lint, with a stricter profile and without the importer's time limit.
        env=environment
        | {
            "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
            "HOME": str(here),
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said[-8000:]
    return said, json.loads(answer.stdout[answer.stdout.index("{") :])


def test_it_has_no_errors_and_no_warnings(imported):
    said, _kept = imported
    noted = [line for line in said.splitlines() if line.startswith(("ERROR", "WARNING"))]
    assert not noted


def test_each_module_has_a_page(imported):
    _said, kept = imported
    pages = {page["content_name"]: page for page in kept["docs_blob"]["contents"] if page["content_type"] == "module"}
    assert set(pages) == {path.stem for path in (matrix.CHECKOUT / "plugins/modules").glob("*.py")}
    for name, page in pages.items():
        options = {option["name"] for option in page["doc_strings"]["doc"]["options"]}
        assert options, name
        if name != "run_report":
            assert {"kubeconfig", "api_key", "namespace", "lock"} <= options, name


def test_each_role_has_a_page(imported):
    _said, kept = imported
    pages = {page["content_name"]: page for page in kept["docs_blob"]["contents"] if page["content_type"] == "role"}
    assert set(pages) == {path.name for path in (matrix.CHECKOUT / "roles").iterdir() if path.is_dir()}
    assert all(page["readme_html"] for page in pages.values())
