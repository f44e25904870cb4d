# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follows the facts of a host (`set_fact`, `register`) through the files of a runbook, as they are written.

A place is an entry point of a role, `role/file`. Its own files are those that it includes as tasks; what it includes as
a role is another place. Variables of roles are evaluated where they are used, so what they read counts there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "hopsworks.airflow."
CONDITIONS = ("when", "until", "failed_when", "changed_when")
BLOCKS = ("block", "rescue", "always")
GIVES = re.compile(r"\bGives (.*?)\.(?: |$)")
JINJA = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"], autoescape=False)  # noqa: S701 - it is only parsed

# Names, and whether their absence would be an error.
Names = dict[str, bool]


@functools.cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def merge(into: Names, names: Names, *, needed: bool = True) -> None:
    for name, need in names.items():
        into[name] = into.get(name, False) or (need and needed)


def names_in(text: str) -> Names:
    """The variables that a template reads, and whether it can't do without them."""
    found: Names = {}

    def guarded(node: nodes.Node) -> bool:
        return isinstance(node, nodes.Filter) and node.name in ("default", "d")

    def walk(node: nodes.Node, needed: bool) -> None:
        if isinstance(node, nodes.Name) and node.ctx == "load":
            merge(found, {node.name: needed})
        for child in node.iter_child_nodes():
            walk(child, needed and not (guarded(node) and child is getattr(node, "node", None)))

    tree = JINJA.parse(text)
    walk(tree, True)
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined") and (names := list(test.find_all(nodes.Name))):
            found[names[0].name] = False
    return found


def condition(text: str) -> str:
    return f"{{{{ {text} }}}}"


def tasks_of(role: str, file: str) -> list[dict[str, Any]]:
    return list(load(ROOT / f"roles/{role}/tasks/{file}.yml"))


@dataclass
class Place:
    """What an entry point says of facts, and what its tasks do with them."""

    name: str
    needs: Names = field(default_factory=dict)
    sets: set[str] = field(default_factory=set)
    # From which of the places that it includes, by fact.
    gets: dict[str, set[str]] = field(default_factory=dict)
    # When it began first and last, counted in places.
    first: int = 0
    last: int = 0

    @property
    def specification(self) -> dict[str, Any]:
        role, file = self.name.split("/")
        found: dict[str, Any] = load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"].get(file, {})
        return found

    @property
    def declared(self) -> Names:
        options = self.specification.get("options", {})
        return {name: bool(option.get("required")) for name, option in options.items()}

    @property
    def gives(self) -> set[str]:
        text = " ".join(texts(self.specification.get("description", "")))
        return {name for found in GIVES.findall(text) for name in re.findall(r"C\((\w+)\)", found)}


class Runbook:
    """A playbook, its phases and all roles that they include."""

    def __init__(self, name: str, role: str, phases: list[str]) -> None:
        self.name, self.role, self.phases = name, role, phases
        self.places: dict[str, Place] = {}
        # The places that have set a fact for the one that includes them, with the name of the fact.
        self.returned: set[tuple[str, str]] = set()
        # What a place needs and nothing before it has given.
        self.missing: list[str] = []
        self.count = 0
        self.variables = self._variables()
        known: set[str] = set()
        for play in load(ROOT / f"playbooks/{name}.yml"):
            for task in play.get("tasks", []):
                self._task("", task, Place("playbook/" + name), known)

    def _variables(self) -> dict[str, Names]:
        """What each variable of the roles and of the playbook reads."""
        found: dict[str, Names] = {}
        files = [*ROOT.glob("roles/*/vars/**/*.yml"), *ROOT.glob("roles/*/defaults/*.yml")]
        given = [load(path) for path in files]
        for play in load(ROOT / f"playbooks/{self.name}.yml"):
            given += [task.get("vars", {}) for task in play.get("tasks", [])]
        for values in given:
            for name, value in values.items():
                for text in texts(value):
                    merge(found.setdefault(name, {}), names_in(text))
        return found

    def _expanded(self, names: Names) -> Names:
        found: Names = {}
        todo = list(names.items())
        while todo:
            name, needed = todo.pop()
            if found.get(name, False) or (name in found and not needed):
                continue
            merge(found, {name: needed})
            todo += [(inner, needed and need) for inner, need in self.variables.get(name, {}).items()]
        return found

    def _reads(self, role: str, task: dict[str, Any]) -> Names:
        found: Names = {}
        for key, value in task.items():
            for text in [] if key in BLOCKS else texts(value):
                merge(found, names_in(condition(text) if key in CONDITIONS else text))
                for template in re.findall(r"'([\w.]+\.j2)'", text):
                    merge(found, self._template(role, template))
        for text in texts(task.get("when", [])):
            # A condition on it guards the whole task.
            for name, needed in names_in(condition(text)).items():
                if not needed:
                    found[name] = False
        return self._expanded(found)

    def _template(self, role: str, name: str) -> Names:
        text = (ROOT / f"roles/{role}/templates/{name}").read_text(encoding="utf-8")
        text = re.sub("{#.*?#}", "", text, flags=re.DOTALL)
        found = names_in(text)
        for inner in re.findall(r"(?:from|import) '([\w.]+)'", text):
            merge(found, self._template(role, inner))
        return found

    def _task(self, role: str, task: dict[str, Any], place: Place, known: set[str]) -> None:
        for name, needed in self._reads(role, task).items():
            if name in place.gets:
                self.returned |= {(giver, name) for giver in place.gets[name]}
            elif name not in place.sets:
                merge(place.needs, {name: needed})
        for part in BLOCKS:
            for inner in task.get(part, []):
                self._task(role, inner, place, known)
        for key in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks"):
            if key in task:
                file = task[key]["file"] if isinstance(task[key], dict) else task[key]
                for inner in tasks_of(role, file.removesuffix(".yml")):
                    self._task(role, inner, place, known)
        if included := task.get("ansible.builtin.include_role"):
            self._include(included, place, known)
        given = {*task.get("ansible.builtin.set_fact", {}), *([task["register"]] if "register" in task else [])}
        place.sets |= given
        known |= given

    def _include(self, included: dict[str, str], place: Place, known: set[str]) -> None:
        role = included["name"].removeprefix(PREFIX).replace("{{ run_role }}", self.role)
        file = included.get("tasks_from", "main")
        for each in self.phases if file == "{{ run_phase }}" else [file]:
            name = f"{role}/{each}"
            before = dict(self.places[name].needs) if name in self.places else {}
            inner = self.places.setdefault(name, Place(name))
            inner.sets, inner.gets = set(), {}
            self.count += 1
            inner.first, inner.last = inner.first or self.count, self.count
            self.missing += [
                f"{name} lacks {fact}" for fact, needed in inner.declared.items() if needed and self._unset(fact, known)
            ]
            for task in tasks_of(role, each):
                self._task(role, task, inner, known)
            merge(inner.needs, before)
            for fact in inner.gives:
                place.gets.setdefault(fact, set()).add(name)

    def _unset(self, fact: str, known: set[str]) -> bool:
        return fact in FACTS and fact not in known

    def needed(self, place: Place) -> Names:
        """The facts that a place has from before it begins."""
        others = set().union(*(each.sets for each in self.places.values() if each is not place))
        return {name: need for name, need in place.needs.items() if name in others and name in FACTS}

    def given(self, place: Place) -> set[str]:
        """The facts of a place that others read, those that begin later or that included it."""
        read: set[str] = set()
        for each in self.places.values():
            if each is not place and each.last > place.first:
                read |= self.needed(each).keys()
        return place.sets & (read | {fact for giver, fact in self.returned if giver == place.name})


def facts_of(tasks: list[dict[str, Any]]) -> Iterator[str]:
    for task in tasks:
        for part in BLOCKS:
            yield from facts_of(task.get(part, []))
        yield from task.get("ansible.builtin.set_fact", {})
        if "register" in task:
            yield task["register"]


# All facts that any role sets.
FACTS = {fact for path in ROOT.glob("roles/*/tasks/*.yml") for fact in facts_of(load(path))}
UPGRADE = ["snapshot", "backup", "keys", "images", "schema", "cut_over", "verify"]
RUNBOOKS = [
    Runbook("upgrade", "upgrade", UPGRADE),
    Runbook("rotate", "rotate", ["publish", "activate", "retire", "replace_keys"]),
]
