# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes README.md of each role out of its argument_specs, as Galaxy wants one. With `--check` it only compares."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
# What Ansible's markup says, as Markdown: C(code), V(value), O(option), E(variable), M(module) and the like.
MARKUP = re.compile(r"\b([BCEIMOPRUV]|RV)\(((?:[^()\\]|\\.)*)\)")


def text(description: str | list[str]) -> str:
    lines = [description] if isinstance(description, str) else description
    return MARKUP.sub(lambda found: f"`{found[2].rpartition('#module:')[2]}`", " ".join(lines))


def cell(value: str) -> str:
    return value.replace("|", "\\|")


def rows(options: dict[str, Any], above: str = "") -> Iterator[str]:
    """A line of the table for each option, and one for each part of a dictionary."""
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        if option.get("required"):
            default = "required"
        elif "default" in option:
            default = f"`{json.dumps(option['default'])}`"
        else:
            default = ""
        if choices := option.get("choices"):
            kind += ": " + ", ".join(f"`{choice}`" for choice in choices)
        described = text(option["description"])
        yield f"| `{above}{name}` | {cell(kind)} | {cell(default)} | {cell(described)} |"
        yield from rows(option.get("options", {}), f"{above}{name}.")


def is_fact(role: Path, option: str) -> bool:
    return role.name != "deployment" and option.startswith(("airflow_", "plan_configured"))


def page(role: Path) -> str:
    specifications = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    lines = [f"# hopsworks.airflow.{role.name}", ""]
    if "main" not in specifications:
        about = yaml.safe_load((role / "meta/main.yml").read_text(encoding="utf-8"))
        lines += [f"{about['galaxy_info']['description']}. Each is a file of tasks.", ""]
    for name, specification in specifications.items():
        if name != "main":
            lines += [f"## tasks_from: {name}", ""]
        # What other roles set belongs into no table of settings. The description of a deployment has the same prefix.
        facts = [option for option in specification.get("options", {}) if is_fact(role, option)]
        reads = f" Reads {', '.join(f'`{fact}`' for fact in facts)}." if facts else ""
        described = text(specification.get("description", [])) + reads
        lines += [f"{specification['short_description']}.", "", described, ""]
        if options := {key: value for key, value in specification.get("options", {}).items() if key not in facts}:
            lines += ["| variable | type | default | |", "| --- | --- | --- | --- |", *rows(options), ""]
    lines += ["Made from `meta/argument_specs.yml` by `tests/packaging/role_readmes.py`."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    check = parser.parse_args().check
    different = []
    for role in sorted(path.parents[1] for path in ROOT.glob("roles/*/meta/argument_specs.yml")):
        readme, wanted = role / "README.md", page(role)
        if readme.exists() and readme.read_text(encoding="utf-8") == wanted:
            continue
        different.append(str(readme.relative_to(ROOT)))
        if not check:
            readme.write_text(wanted, encoding="utf-8")
    if check and different:
        print(f"not as meta/argument_specs.yml says: {', '.join(different)}")
        print("`make format` writes them again")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
