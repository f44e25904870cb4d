# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def install_mariadb() -> None:
    """Make sure that the server and its tools are there, or say what to install: these tests are never skipped."""
    if all(path_of(name) for name in ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")):
        return
    install(["mariadb-server-core", "mariadb-client"])


def install(packages: list[str]) -> None:
    """Install Debian's packages, as root, or say which ones are missing."""
    if os.geteuid() != 0 or path_of("apt-get") is None:
        raise AssertionError(f"install {' and '.join(packages)} (as Debian 12 has them) to run these tests")
    # Workers of one test run may come here at the same time.
    wait = ["-o", "DPkg::Lock::Timeout=300", "-qq"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", *wait, "update"], check=False, env=environment)
    subprocess.run(
        ["apt-get", *wait, "install", "--no-install-recommends", "-y", *packages], check=True, env=environment
    )


def plugins(folder: Path) -> Path:
    """Where the server's plugins are. Debian has them in another package, whose installation would start a server."""
    installed = Path("/usr/lib/mysql/plugin")
    if (installed / "auth_ed25519.so").exists():
        return installed
    if path_of("apt-get") is None:
        raise AssertionError("install mariadb-server (as Debian 12 has it) to run these tests")
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    subprocess.run([*apt, "update"], check=False)
    subprocess.run([*apt, "download", "mariadb-server"], cwd=folder, check=True)
    (package,) = folder.glob("mariadb-server_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    return folder / installed.relative_to("/")


def path_of(name: str) -> str | None:
    # mariadbd stands in /usr/sbin, which is not on every PATH.
    return shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin")


def tool(name: str) -> str:
    found = path_of(name)
    if found is None:
        raise AssertionError(f"{name} is missing")
    return found
