# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in the tarball, and what its users can do with it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))
MODULES = {f"hopsworks.airflow.{path.stem}" for path in (CHECKOUT / "plugins/modules").glob("*.py")}
ROLES = {f"hopsworks.airflow.{path.name}" for path in (CHECKOUT / "roles").iterdir() if path.is_dir()}


@pytest.fixture(scope="module")
def members(tarball):
    with tarfile.open(tarball) as archive:
        return archive.getmembers()


def test_nothing_else_is_packaged(members):
    """Neither the workplace nor what only a checkout can use: tests, test cluster, tools' settings."""
    packaged = {"FILES.json", "MANIFEST.json", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    packaged |= {"awx", "changelogs", "docs", "examples", "meta", "playbooks", "plugins", "roles"}
    assert {member.name.split("/")[0] for member in members} == packaged
    assert not [member.name for member in members if "__pycache__" in member.name]


def test_awx_has_all_that_its_playbooks_refer_to(members):
    """They run from an installed collection, too."""
    names = {member.name for member in members}
    wanted = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "awx").rglob("*") if path.is_file()}
    assert {name for name in wanted if "/." not in name and "__pycache__" not in name} <= names


def test_all_pages_and_examples_are_packaged(members):
    """Pages link to each other, and to the examples."""
    names = {member.name for member in members}
    for folder in ("docs", "examples"):
        wanted = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).rglob("*") if path.is_file()}
        assert wanted <= names


def test_nothing_points_out_of_it(members):
    assert not [member.name for member in members if member.issym() or member.islnk()]


def test_what_users_read_and_run_is_packaged(members):
    names = {member.name for member in members}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "meta/runtime.yml", "meta/execution-environment.yml"} <= names
    assert {f"playbooks/{name}.yml" for name in PLAYBOOKS} <= names
    assert "plugins/module_utils/module.py" in names


def test_it_stays_small(tarball):
    assert tarball.stat().st_size < 1_000_000


@pytest.mark.parametrize("name", PLAYBOOKS)
@pytest.mark.parametrize("look", ["--syntax-check", "--list-tasks"])
def test_every_playbook_is_found_by_its_full_name(installed, inventory, name, look):
    answer = installed.run("ansible-playbook", f"hopsworks.airflow.{name}", look, "--inventory", str(inventory))
    assert answer.returncode == 0, answer.stderr
    assert f"playbook: {installed.root}/playbooks/{name}.yml" in answer.stdout
    assert "[WARNING]" not in answer.stderr


def test_every_role_is_found_by_its_full_name(installed, inventory):
    """The playbooks choose their phases while they run, so a syntax check of them doesn't read the roles."""
    playbook = installed.elsewhere / "roles.yml"
    tasks = [
        {"ansible.builtin.import_role": {"name": name, "tasks_from": point}, "name": f"Import {point} of {name}"}
        for name, found in sorted(installed.documentation("role").items())
        for point in found["entry_points"]
    ]
    playbook.write_text(yaml.safe_dump([{"name": "All", "hosts": "airflow", "tasks": tasks}]), encoding="utf-8")
    listing = installed.output("ansible-playbook", str(playbook), "--list-tasks", "--inventory", str(inventory))
    assert listing.count("TAGS:") > len(tasks) > len(ROLES)


def test_every_module_is_documented(installed):
    documentation = installed.documentation("module")
    assert set(documentation) == MODULES
    for name, found in documentation.items():
        assert found["examples"], name
        assert found["return"], name
        assert not list(undescribed_options(name, found["doc"]["options"]))
        assert not list(undescribed_returns(name, found["return"]))


def test_every_role_is_documented(installed):
    documentation = installed.documentation("role")
    assert set(documentation) == ROLES
    for name, found in documentation.items():
        for point, specification in found["entry_points"].items():
            assert specification["short_description"], f"{name} {point}"
            assert not list(undescribed_options(f"{name} {point}", specification.get("options", {})))


def undescribed_options(where, options):
    """Paths of options that lack a type or a description."""
    for name, option in options.items():
        if not option.get("description") or not option.get("type"):
            yield f"{where}: {name}"
        yield from undescribed_options(f"{where}: {name}", option.get("options") or option.get("suboptions") or {})


def undescribed_returns(where, values):
    """Paths of return values that lack a type, a description, or (outermost) the time and a sample."""
    for name, value in values.items():
        if not all(value.get(key) for key in ("description", "type", "returned")):
            yield f"{where}: {name}"
        if "sample" not in value and "contains" in value:
            yield from undescribed_returns(f"{where}: {name}", value["contains"])
        elif "sample" not in value:
            yield f"{where}: {name}"
