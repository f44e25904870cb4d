# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an execution environment installs, what the documentation asks for and what is tested are one and the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[2]
EXECUTION_ENVIRONMENT = yaml.safe_load((CHECKOUT / "meta/execution-environment.yml").read_text(encoding="utf-8"))
GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))


# A documentation string of a plugin or a documentation fragment.
BLOCK = re.compile(r'^(?: {4})?[A-Z_]+ = r?"""(\n.*?)"""', re.MULTILINE | re.DOTALL)


def requirements(path):
    """Name in lower case: version specifiers."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line.partition(";")[0]) for line in lines if line]
    return {requirement.name.lower(): requirement.specifier for requirement in found}


PYTHON = requirements(CHECKOUT / EXECUTION_ENVIRONMENT["dependencies"]["python"])


def mentions(text, name):
    """The version specifiers that follow a package's name in a text."""
    pattern = rf"(?<![\w.-])`?{re.escape(name)}`?\s*((?:[<>=!~]=?\s*\d[\d.]*,?\s*)+)"
    return [SpecifierSet(match.replace(" ", "").rstrip(",.")) for match in re.findall(pattern, text, re.IGNORECASE)]


def test_execution_environment_has_what_ansible_builder_reads():
    assert set(EXECUTION_ENVIRONMENT) == {"version", "dependencies"}
    assert set(EXECUTION_ENVIRONMENT["dependencies"]) <= {"python", "system", "exclude"}
    for kind in ("python", "system"):
        path = EXECUTION_ENVIRONMENT["dependencies"].get(kind)
        assert path is None or (CHECKOUT / path).is_file()


@pytest.mark.parametrize("name", sorted(PYTHON))
def test_readme_asks_for_the_same_versions(name):
    found = mentions((CHECKOUT / "README.md").read_text(encoding="utf-8"), name)
    assert found, f"README.md says nothing about {name}{PYTHON[name]}"
    assert set(found) == {PYTHON[name]}


@pytest.mark.parametrize("name", sorted(GALAXY["dependencies"]))
def test_readme_asks_for_the_same_collections(name):
    found = mentions((CHECKOUT / "README.md").read_text(encoding="utf-8"), name)
    assert found, f"README.md says nothing about {name}{GALAXY['dependencies'][name]}"
    assert set(found) == {SpecifierSet(GALAXY["dependencies"][name])}


def test_documented_requirements_are_those_of_the_execution_environment():
    asked_for = set()
    for path in sorted((CHECKOUT / "plugins").glob("*/*.py")):
        for block in BLOCK.findall(path.read_text(encoding="utf-8")):
            if "\nrequirements:" not in block:
                continue
            for line in yaml.safe_load(block)["requirements"]:
                try:
                    requirement = Requirement(line)
                except InvalidRequirement:
                    continue  # a sentence
                name = requirement.name.lower()
                assert name in PYTHON, f"{path.name} asks for {requirement}"
                assert requirement.specifier == PYTHON[name], f"{path.name} asks for {requirement}"
                asked_for.add(name)
    assert asked_for == set(PYTHON)


@pytest.mark.parametrize("name", sorted(PYTHON))
def test_what_is_tested_is_within_the_ranges(name):
    pinned = requirements(CHECKOUT / "requirements.txt")[name]
    (pin,) = pinned
    assert Version(pin.version) in PYTHON[name]
