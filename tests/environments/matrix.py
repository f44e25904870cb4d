# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environments that README.md promises, made as virtual environments outside the checkout, and kept there.

`python tests/environments/matrix.py` writes the files in `pins/` again, after a change of the matrix.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
UV = str(Path(sys.executable).with_name("uv"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hopsworks-airflow-environments"
# What runs the unit tests there.
TOOLS = ("hypothesis", "jsonschema", "pytest")


@dataclass(frozen=True)
class Environment:
    """What a controller has. `collections`: the release of the package `ansible` that kubernetes.core is taken from."""

    name: str
    pythons: tuple[str, ...]  # the first that this machine has is taken
    packages: tuple[str, ...]
    collections: str
    whole: bool = False  # every playbook, not only those that are quick

    @property
    def pins(self) -> Path:
        return HERE / "pins" / f"{self.name}.txt"


# Ends of every range, and each ansible-core between: `oldest` is what the requirements name, 2.16 and 2.18 are those of
# Ansible Automation Platform, 2.21 is the newest of all. 2.19 is .venv, where the stage `unit` runs the unit tests.
# `oldest`, 2.18 and 2.21 run every playbook; the versions between them leave out what takes longest. Which unit tests
# each runs: test_ranges.py.
ENVIRONMENTS = (
    Environment(
        "oldest",
        ("3.11", "3.12"),
        ("ansible-core==2.16.0", "kubernetes==29.0.0", "PyMySQL==1.0.1", "cryptography==40.0.0", "requests==2.32.3"),
        "11.0.0",
        whole=True,
    ),
    Environment("2.16", ("3.12", "3.11"), ("ansible-core==2.16.*", "kubernetes==35.*"), "11.0.0"),
    Environment("2.17", ("3.12", "3.11"), ("ansible-core==2.17.*", "kubernetes==31.*"), "12.3.0"),
    Environment("2.18", ("3.13", "3.12", "3.11"), ("ansible-core==2.18.*", "kubernetes==33.*"), "12.3.0", whole=True),
    Environment("2.20", ("3.12", "3.13", "3.14"), ("ansible-core==2.20.*", "kubernetes==32.*"), "14.5.0"),
    Environment("2.21", ("3.13", "3.12", "3.14"), ("ansible-core==2.21.*", "kubernetes==35.*"), "14.5.0", whole=True),
)
# What Galaxy and Automation Hub do with a collection that is uploaded.
IMPORTER = ("galaxy-importer==0.4.44", "ansible-core==2.19.*")
IMPORTER_PINS = HERE / "pins/galaxy-importer.txt"
# Put before an environment's own; with it came another generator of clients.
REFUSED_CLIENTS = ("36.0.0", "37.0.2")


@dataclass(frozen=True)
class Made:
    """An environment on this machine: its interpreter, and a folder with kubernetes.core."""

    name: str
    python: Path
    collections: Path
    packages: Path | None = None  # ahead of its own

    def run(
        self, *command: str, cwd: Path, timeout: float = 600, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its tools without any configuration of this machine. Raises nothing on failure."""
        unset = ("ANSIBLE_", "K8S_AUTH_", "PYTHON", "PYTEST_", "VIRTUAL_ENV", "KUBE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        environment["PATH"] = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        # Outside the checkout; a command starts in half the time when Ansible isn't compiled again.
        environment["PYTHONPYCACHEPREFIX"] = str(CACHE / "bytecode")
        tool = str(self.python.with_name(command[0]))
        return subprocess.run(
            [tool, *command[1:]],
            cwd=cwd,
            env={**environment, **(variables or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def playbook(
        self, *arguments: str, cwd: Path, collections: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `ansible-playbook` with the collections in that folder, and kubernetes.core."""
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": f"{collections}{os.pathsep}{self.collections}",
            "ANSIBLE_HOME": str(cwd / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "HOME": str(cwd),
            **({"PYTHONPATH": str(self.packages)} if self.packages else {}),
            **variables,
        }
        return self.run("ansible-playbook", *arguments, cwd=cwd, variables=settings)


@functools.cache
def interpreter(version: str) -> Path | None:
    """A Python of this version, from PATH or from pyenv. One of PATH may be a name that leads nowhere."""
    found = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")]
    look = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for candidate in (one for one in found if one):
        answer = subprocess.run([candidate, "-c", look], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return Path(candidate)
    return None


def make(environment: Environment) -> Made | None:
    """The environment as its pins say, or None where no interpreter is there for it."""
    version = next((version for version in environment.pythons if interpreter(version)), None)
    if version is None:
        return None
    python = str(interpreter(version))
    folder = CACHE / f"{environment.name}-{digest(python, environment.pins)}"
    virtual_environment(folder, python, environment.pins)
    collections = kubernetes_core(environment.collections)
    return Made(environment.name, folder / "bin/python", collections)


def digest(python: str, pins: Path) -> str:
    return hashlib.sha256(f"{python} {pins.read_text(encoding='utf-8')}".encode()).hexdigest()[:16]


@contextlib.contextmanager
def to_be_made(folder: Path) -> Iterator[bool]:
    """Whether a folder of the cache has to be filled in this block; whole afterwards, and by one process at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lacking = not (folder / "complete").exists()
        if lacking:
            shutil.rmtree(folder, ignore_errors=True)
        yield lacking
        (folder / "complete").touch()


def virtual_environment(folder: Path, python: str, pins: Path) -> None:
    """Make one with exactly these packages, unless it is there as a whole."""
    with to_be_made(folder) as lacking:
        if lacking:
            _uv("venv", "--python", python, str(folder))
            _uv("pip", "sync", "--python", str(folder / "bin/python"), str(pins))


def with_client(environment: Made, version: str) -> Made:
    """The same with another release of the client library ahead of its own."""
    folder = CACHE / f"kubernetes-{version}"
    with to_be_made(folder) as lacking:
        if lacking:
            python = str(environment.python)
            _uv("pip", "install", "--python", python, "--target", str(folder), f"kubernetes=={version}")
    return Made(f"kubernetes {version}", environment.python, environment.collections, folder)


def of_this_interpreter() -> Made:
    return Made("2.19", Path(sys.executable), Path(sysconfig.get_path("purelib")))


def kubernetes_core(release: str) -> Path:
    """A folder with the kubernetes.core of that release of `ansible`. Its other half a gigabyte isn't unpacked."""
    folder = CACHE / f"collections-{release}"
    with to_be_made(folder) as lacking:
        if lacking:
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            limits = ["--only-binary", ":all:", "--python-version", "3.13", "--dest", str(folder)]
            subprocess.run([*download, *limits, f"ansible=={release}"], check=True)
            (wheel,) = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                inside = "ansible_collections/kubernetes/core/"
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith(inside)])
            wheel.unlink()
    return folder


def _uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments, "--quiet"], check=True)


def ranges() -> list[str]:
    """What README.md tells to install."""
    return (CHECKOUT / "meta/ee-requirements.txt").read_text(encoding="utf-8").split()


def pin(packages: Iterable[str], pythons: Iterable[str], pins: Path) -> None:
    """Write the newest versions that these allow."""
    wanted = pins.with_suffix(".in")
    wanted.write_text("\n".join(packages) + "\n", encoding="utf-8")
    oldest = min(pythons, key=lambda version: int(version.partition(".")[2]))
    fixed = ("--universal", "--no-annotate", "--no-header", "--python-version", oldest)
    _uv("pip", "compile", *fixed, str(wanted), "--output-file", str(pins), "--upgrade")
    wanted.unlink()


def pinned(file: Path) -> dict[str, str]:
    """The exact version of each package, by its name in lower case."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower(): version for name, version in found}


if __name__ == "__main__":
    for each in ENVIRONMENTS:
        pin((*each.packages, *ranges(), *TOOLS), each.pythons, each.pins)
    pin(IMPORTER, ("3.11",), IMPORTER_PINS)
