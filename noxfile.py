# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of antsibull-nox.toml, run with the pinned tools and the collections of .venv, and without Galaxy."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import antsibull_nox
import nox

HERE = Path(__file__).parent

# Each session installs only what it needs, at the version of requirements.txt, out of uv's cache. The variable is uv's
# own: ansible-test has pins of its own for pip.
os.environ["UV_CONSTRAINT"] = str(HERE / "requirements.txt")
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"

# kubernetes.core is taken from the package `ansible` of the environment whose nox runs this; Galaxy is never asked.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = sysconfig.get_path("purelib")

antsibull_nox.load_antsibull_nox_toml()

# The configuration file knows ansible-test in containers only.
antsibull_nox.add_ansible_test_session(
    name="sanity",
    description="Run ansible-test sanity on this machine's Python.",
    ansible_test_params=[
        "sanity",
        "--color",
        "no",
        "--local",
        "--requirements",
        # Not packaged, and not code for Ansible: ruff and mypy check the test cluster.
        "--exclude",
        "sandbox/",
        # One version: with `default`, ansible-test would want every Python that a managed node may have.
        "--python",
        f"{sys.version_info.major}.{sys.version_info.minor}",
    ],
    default=True,
    ansible_core_version="2.19",
    ansible_core_source="pypi",
)


@nox.session(python=False)
def changelog(session: nox.Session) -> None:
    """Check the changelog fragments."""
    session.run("antsibull-changelog", "lint", external=True)


@nox.session(name="role-readmes", python=False)
def role_readmes(session: nox.Session) -> None:
    """Check that README.md of each role says what its argument_specs say."""
    session.run("python", "tests/packaging/role_readmes.py", "--check", external=True)
