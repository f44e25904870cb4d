# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as its users get it: built into a tarball, installed from that, far from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Installed:
    """A collections path that holds this collection alone; kubernetes.core comes from the package `ansible`."""

    collections: Path
    elsewhere: Path

    @property
    def root(self) -> Path:
        return self.collections / "ansible_collections/hopsworks/airflow"

    def run(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's tools in a folder without any configuration. Raises nothing on failure."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": f"{self.collections}{os.pathsep}{sysconfig.get_path('purelib')}",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        }
        return subprocess.run(
            command, cwd=self.elsewhere, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def output(self, *command: str, timeout: float = 120) -> str:
        """The same, for what must succeed: its standard output."""
        answer = self.run(*command, timeout=timeout)
        assert answer.returncode == 0, (
            f"{' '.join(command)} ended with {answer.returncode}:\n{answer.stderr or answer.stdout}"
        )
        return answer.stdout

    def documentation(self, kind: str) -> dict[str, dict]:
        """What ansible-doc shows of every plugin of one kind (`module`, `role`, `callback`), by full name."""
        listing = json.loads(self.output("ansible-doc", "--type", kind, "--list", "--json", "hopsworks.airflow"))
        return json.loads(self.output("ansible-doc", "--type", kind, "--json", *listing)) if listing else {}


@pytest.fixture(scope="session")
def tarball(tmp_path_factory):
    """Built in the checkout as it stands, with everything in it that is not to be packaged."""
    folder = tmp_path_factory.mktemp("tarball")
    subprocess.run(
        [TOOLS / "ansible-galaxy", "collection", "build", "--output-path", folder],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("hopsworks-airflow-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def installed(tarball, tmp_path_factory):
    """The tarball installed with its dependencies checked, and Galaxy not asked."""
    here = Installed(tmp_path_factory.mktemp("collections"), tmp_path_factory.mktemp("elsewhere"))
    here.output(
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--collections-path",
        str(here.collections),
        str(tarball),
    )
    return here


@pytest.fixture(scope="session")
def inventory(installed):
    """The smallest inventory that a user starts from."""
    path = installed.elsewhere / "inventory.yml"
    path.write_text(
        "airflow:\n"
        "  hosts:\n"
        "    example:\n"
        "      ansible_connection: local\n"
        '      ansible_python_interpreter: "{{ ansible_playbook_python }}"\n',
        encoding="utf-8",
    )
    return path
