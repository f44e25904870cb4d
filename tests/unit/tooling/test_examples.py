# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventories and playbooks of examples/, without a cluster. tests/environments runs them to their end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
GUIDE = ROOT / "docs/docsite/rst/guide_start.rst"
INVENTORIES = sorted((EXAMPLES / "inventories").glob("*.yml"))
PLAYBOOKS = sorted((EXAMPLES / "playbooks").glob("*.yml"))
# What only runbooks use: it stops, moves or replaces a deployment.
OF_RUNBOOKS = {"deployment_objects", "metadata_migrate", "metadata_swap", "run_report", "workloads"}
OURS = "hopsworks.airflow."


def ansible(*command, **environment):
    tools = Path(sys.executable).parent
    answer = subprocess.run(
        [tools / command[0], *command[1:]],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def documented():
    """Options of each module, by its full name, with those of its fragments."""
    names = [f"{OURS}{path.stem}" for path in sorted((ROOT / "plugins/modules").glob("*.py"))]
    found = json.loads(ansible("ansible-doc", "--type", "module", "--json", *names))
    return {name: module["doc"]["options"] for name, module in found.items()}


def calls(tasks, defaults=()):
    """Module, options, and those that module_defaults add, of each task; what is in blocks, too."""
    for task in tasks:
        added = {**dict(defaults), **(task.get("module_defaults") or {})}
        for part in ("block", "rescue", "always"):
            yield from calls(task.get(part, []), added.items())
        for name, options in task.items():
            if name.startswith(OURS):
                yield name, options or {}, added


def all_calls(path):
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        yield from calls(play.get("tasks", []), (play.get("module_defaults") or {}).items())


def wrong(given, options, where):
    """What the documentation doesn't know: names, and texts that are no choice. Templates can be anything."""
    for name, value in given.items():
        if name not in options:
            yield f"{where}: {name}"
            continue
        option = options[name]
        literal = not (isinstance(value, str) and "{{" in value)
        if literal and option.get("choices") and value not in option["choices"]:
            yield f"{where}: {name}={value}"
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and option.get("suboptions"):
                yield from wrong(inner, option["suboptions"], f"{where}: {name}")
                yield from missing(inner, option["suboptions"], f"{where}: {name}")


def missing(given, options, where):
    for name, option in options.items():
        if option.get("required") and name not in given:
            yield f"{where}: without {name}"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_the_options_are_documented(path, documented):
    found = list(all_calls(path))
    assert found or "import_playbook" in path.read_text(encoding="utf-8")
    for name, options, defaults in found:
        given = {**(defaults.get(name) or {}), **options}
        # The connection, and the namespace, come with the group.
        common = {"namespace": ""} if any(group.startswith("group/hopsworks.") for group in defaults) else {}
        troubles = [*wrong(given, documented[name], name), *missing({**common, **given}, documented[name], name)]
        assert not troubles, path.name


def test_options_that_are_not_documented_are_found(documented):
    options = documented[f"{OURS}workloads_info"]
    assert list(wrong({"name": "x"}, options, "here")) == ["here: name"]
    assert list(missing({"namespace": "x"}, options, "here")) == ["here: without names"]
    locked = {"lock": {"name": "x"}}
    assert list(wrong(locked, options, "here")) == ["here: lock: without holder"]
    states = documented[f"{OURS}quiesce"]
    assert list(wrong({"state": "stopped"}, states, "here")) == ["here: state=stopped"]
    assert not list(wrong({"state": "{{ wanted }}"}, states, "here"))


def test_each_module_for_users_has_an_example():
    used = {name for path in PLAYBOOKS for name, _options, _defaults in all_calls(path)}
    all_modules = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
    assert all_modules - {name.removeprefix(OURS) for name in used} == OF_RUNBOOKS


def test_the_syntax_is_right():
    inventory = str(EXAMPLES / "inventories/full.yml")
    printed = ansible("ansible-playbook", "--syntax-check", "--inventory", inventory, *map(str, PLAYBOOKS))
    assert printed.count("playbook: ") == len(PLAYBOOKS)


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.stem)
def test_the_variables_are_those_of_the_role(path):
    specification = yaml.safe_load((ROOT / "roles/deployment/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = specification["argument_specs"]["main"]["options"]
    hosts = json.loads(ansible("ansible-inventory", "--inventory", str(path), "--list"))
    for host in hosts["airflow"]["hosts"]:
        variables = hosts["_meta"]["hostvars"][host]
        assert {name for name in variables if name.startswith("airflow_")} <= options.keys()
        assert options.keys() & variables.keys() >= {name for name, option in options.items() if option.get("required")}


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.stem)
def test_a_deployment_can_be_rendered_from_it(path, tmp_path):
    """The role validates the description as every playbook does, argument_specs first, and renders its objects."""
    playbook = tmp_path / "render.yml"
    role = {
        "name": "Describe",
        "ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True},
    }
    names = "{{ airflow_workloads | map(attribute='metadata') | map(attribute='name') | join(' ') }}"
    shown = {"name": "Show", "ansible.builtin.debug": {"msg": f"rendered {names}"}}
    playbook.write_text(yaml.safe_dump([{"hosts": "airflow", "gather_facts": False, "tasks": [role, shown]}]))
    printed = ansible("ansible-playbook", "--inventory", str(path), str(playbook), OPENSHIFT_TOKEN="a-token")
    assert re.findall(r"rendered \S*webserver \S*scheduler \S*dag-processor", printed)
    assert "a-token" not in printed


def test_the_smallest_inventory_is_that_of_the_readme_and_of_the_site():
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("```yaml\n", 1)[1].split("```", 1)[0]
    on_the_site = GUIDE.read_text(encoding="utf-8").split(".. code-block:: yaml\n", 1)[1].split("\n.. code-block", 1)[0]
    smallest = (EXAMPLES / "inventories/minimal.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(shown) == yaml.safe_load(on_the_site) == yaml.safe_load(smallest)


def test_the_guide_of_the_site_links_to_pages_that_exist():
    links = re.findall(r"/blob/main/([\w./-]+)>", GUIDE.read_text(encoding="utf-8"))
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_example_is_listed():
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in [*INVENTORIES, *PLAYBOOKS]:
        assert f"({path.relative_to(EXAMPLES)})" in page
