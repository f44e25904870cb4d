# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which room of `plugins/` may import which. docs/development/architecture.md explains the order."""

from __future__ import annotations

import ast
import fnmatch
import os
import pathlib
import re
import subprocess
import sys

import pytest

PLUGINS = pathlib.Path(__file__).resolve().parents[3] / "plugins"
PREFIX = "ansible_collections.hopsworks.airflow.plugins."
OURS = re.compile(r"ansible_collections(\.hopsworks(\..*)?)?$")
# Each room, with the rooms that it may import. A room that is not named here may import none and not be imported.
COMMON = frozenset({"_common"})
HTTP = COMMON | {"_http"}
KUBERNETES = HTTP | {"_kubernetes"}
PODS = KUBERNETES | {"_pods"}
KEYS = KUBERNETES | {"_keys"}
DATABASE = PODS | {"_database"}
AIRFLOW = PODS | KEYS | {"_probe", "_airflow"}
ROLLOUT = AIRFLOW | {"_rollout"}
METADATA = DATABASE | KEYS | {"_metadata"}
MAY_IMPORT: dict[str, frozenset[str]] = {
    "_common": frozenset(),
    "_http": COMMON,
    "_kubernetes": HTTP,
    "_pods": KUBERNETES,
    "_keys": KUBERNETES,
    "_hopsfs": KUBERNETES,
    "_database": PODS,
    "_probe": HTTP,
    "_airflow": PODS | KEYS | {"_probe"},
    "_rollout": AIRFLOW,
    "_replacement": ROLLOUT,
    "_preflight": ROLLOUT,
    "_metadata": DATABASE | KEYS,
    "_metadata/swap": METADATA,
    "_metadata/dump": METADATA,
    "_metadata/new_schema": METADATA,
    "_dags": METADATA,
    "_run": KUBERNETES,
    "module": KUBERNETES | {"_run"},
    "plugin_utils": KUBERNETES | {"_run"},
    "action": KUBERNETES | {"_run", "plugin_utils"},
    "callback": COMMON,
}
# A module is an action, a filter a question of a role: these may import every room of module_utils, and no room imports
# them.
ROOMS = frozenset(room for room in MAY_IMPORT if room.startswith("_"))
DOORS = {"modules": ROOMS | {"module"}, "filter": ROOMS, "doc_fragments": frozenset[str]()}
# What is not in `plugins/`, and `plugins/` as a whole.
OUTSIDE = ("(outside of plugins)",)


def room_of(path: tuple[str, ...]) -> str:
    """The room of a module, or of a name in one, by its path below `plugins/`: the innermost one."""
    if path[0] != "module_utils" or len(path) == 1:
        return path[0]
    inner = "/".join(path[1:3])
    return inner if inner in MAY_IMPORT else path[1]


def targets(path: tuple[str, ...], text: str) -> set[tuple[str, ...]]:
    """What a file imports of this collection, as paths below `plugins/`; the file is at `path` there."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            up = len(path) - node.level
            base = (*path[: max(up, 0)], *(node.module.split(".") if node.module else ()))
            found |= {(*base, alias.name) if up >= 0 else OUTSIDE for alias in node.names}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = {f"{module}{alias.name}" for alias in node.names}
            found |= {tuple(name.removeprefix(PREFIX).split(".")) for name in names if name.startswith(PREFIX)}
            found |= {OUTSIDE for name in names if OURS.match(name) and not name.startswith(PREFIX)}
    return found


def forbidden(path: tuple[str, ...], text: str) -> set[str]:
    """The rooms that a file imports and may not."""
    room = room_of(path)
    allowed = DOORS[room] if room in DOORS else MAY_IMPORT.get(room, frozenset())
    return {room_of(target) for target in targets(path, text)} - {room} - allowed


FILES = sorted(file.relative_to(PLUGINS).with_suffix("").parts for file in PLUGINS.rglob("*.py"))


def text_of(path: tuple[str, ...]) -> str:
    return PLUGINS.joinpath(*path).with_suffix(".py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids="/".join)
def test_a_file_imports_only_what_its_room_may(path):
    assert forbidden(path, text_of(path)) == set()


def test_no_room_is_imported_by_one_that_it_imports():
    """Nor by way of others: what a room may import may import less."""
    for room, allowed in MAY_IMPORT.items():
        for other in allowed:
            assert room not in MAY_IMPORT[other], f"{room} and {other} import each other"
            assert MAY_IMPORT[other] <= allowed, f"{room} may import {other}, but not all that {other} imports"


@pytest.mark.parametrize(
    "text",
    [
        "from .._run.action import Action",
        "from .._run import action",
        "from ..._run.action import Action",
        f"from {PREFIX}module_utils._run.action import Action",
        f"import {PREFIX}module_utils._run.action",
        "def act():\n    from .._run import lock",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .._run.action import Action",
    ],
)
def test_an_import_that_is_forbidden_is_seen(text):
    depth = (
        ("module_utils", "_keys", "states") if "..._run" not in text else ("module_utils", "_keys", "ring", "states")
    )
    assert forbidden(depth, text) == {"_run"}


@pytest.mark.parametrize(
    "text",
    [
        "from ....plugins.module_utils._run import lock",
        "from .... import plugins",
        "from ....tests.unit import api_server",
        "import ansible_collections.hopsworks.airflow.plugins",
        "import ansible_collections.hopsworks.airflow",
        "from ansible_collections.hopsworks import airflow",
        "from ansible_collections.hopsworks.airflow.tests.unit import api_server",
    ],
)
def test_an_import_from_outside_is_seen(text):
    assert forbidden(("module_utils", "_keys", "states"), text) == {OUTSIDE[0]}


@pytest.mark.parametrize("text", ["from ... import module_utils", f"import {PREFIX}module_utils"])
def test_an_import_of_all_rooms_is_seen(text):
    assert forbidden(("module_utils", "_keys", "states"), text) == {"module_utils"}


@pytest.mark.parametrize("room", ["modules", "action", "plugin_utils", "callback", "filter"])
def test_a_module_and_a_filter_import_module_utils_alone(room):
    text = f"from ..{room} import x"
    assert forbidden(("filter" if room == "modules" else "modules", "x"), text) == {room}


def test_every_folder_is_a_room_or_an_engine():
    """A new one has no rights until it is named here."""
    inside = PLUGINS / "module_utils"
    folders = {path.parent.relative_to(inside).as_posix() for path in inside.rglob("*.py")} - {"."}
    assert folders - MAY_IMPORT.keys() == {f"_database/{engine}" for engine in ENGINES}
    assert {path[0] for path in FILES} - {"module_utils"} == {*DOORS, "action", "callback", "plugin_utils"}


def test_nothing_is_imported_by_a_name_in_a_text():
    """The rule would not see it."""
    ways = {"import_module", "__import__", "exec", "eval"}
    found = {
        "/".join(path)
        for path in FILES
        for node in ast.walk(ast.parse(text_of(path)))
        if (isinstance(node, ast.Name) and node.id in ways) or (isinstance(node, ast.Attribute) and node.attr in ways)
    }
    assert found == {"plugin_utils/of_module"}


def test_an_import_of_a_module_is_seen():
    assert forbidden(("module_utils", "_run", "action"), "from ...modules import quiesce") == {"modules"}


def test_rooms_in_a_room_do_not_know_each_other():
    text = "from ..swap.reset import Reset\nfrom .. import conditions\nfrom .file import whole"
    assert forbidden(("module_utils", "_metadata", "dump", "dumping"), text) == {"_metadata/swap"}


ENGINES = {path.name for path in (PLUGINS / "module_utils/_database").iterdir() if path.is_dir()} - {"__pycache__"}


def test_an_engine_is_known_by_one_file_alone():
    """All others work with a database through the Protocols in `_database/engine.py`."""
    folder = ("module_utils", "_database")
    knowing = {
        "/".join(path)
        for path in FILES
        for engine in ENGINES
        if path[:3] != (*folder, engine)
        and any(target[:3] == (*folder, engine) for target in targets(path, text_of(path)))
    }
    assert knowing == {"module_utils/_database/engines"}


# What only an engine's folder says, or writes. A redacted command line may be anybody's.
ENGINES_OWN = re.compile(
    r"mysql|mariadb|rondb|\bndb|innodb|postgres|information_schema|pg_catalog|processlist|utf8mb4"
    r"|\b(?:IFNULL|UTC_TIMESTAMP|TIMESTAMPDIFF|FORCE INDEX|RENAME TABLE|DROP DATABASE|CREATE DATABASE|LOCK TABLES)\b"
    r"|\bINTERVAL %s|DROP FOREIGN KEY",
    re.IGNORECASE,
)
EXCEPTIONS = {"module_utils/_database/engines", "module_utils/_common/redaction"}


@pytest.mark.parametrize("path", [path for path in FILES if path[0] == "module_utils"], ids="/".join)
def test_the_dialect_of_an_engine_is_in_its_folder(path):
    if (path[1] == "_database" and path[2] in ENGINES) or "/".join(path) in EXCEPTIONS:
        return
    found = [match[0] for match in ENGINES_OWN.finditer(text_of(path))]
    assert found == []


def test_no_folder_of_tests_is_passed_over(pytestconfig):
    """By default pytest looks into no folder that is called `build` or `dist`, and says nothing of it."""
    passed_over = pytestconfig.getini("norecursedirs")
    folders = {path.parent for path in pathlib.Path(__file__).parents[1].rglob("test_*.py")}
    assert not [folder for folder in folders for pattern in passed_over if fnmatch.fnmatch(folder.name, pattern)]


@pytest.mark.parametrize("path", sorted((PLUGINS / "filter").glob("*.py")), ids=lambda path: path.stem)
def test_a_filter_does_not_load_the_clients_of_kubernetes_and_database(path):
    """Ansible loads all filters again in every worker that uses one, and each client takes a part of a second."""
    code = f"import sys, importlib; importlib.import_module('{PREFIX}filter.{path.stem}'); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert {"kubernetes", "requests", "pymysql"}.isdisjoint(loaded.stdout.split())
