# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

from ansible_collections.hopsworks.airflow.plugins.doc_fragments import kubernetes

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))


def described(options):
    """Type, aliases and parts of each option, from documentation or from an argument_spec."""
    return {
        name: (
            option.get("type", "str"),
            option.get("aliases", []),
            option.get("elements"),
            described(option.get("suboptions") or option.get("options") or {}),
        )
        for name, option in options.items()
    }


def test_the_options_of_kubernetes_core_are_described_as_they_are():
    documented = yaml.safe_load(kubernetes.ModuleDocFragment.DOCUMENTATION)["options"]
    assert described(documented) == described(AUTH_ARG_SPEC)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_documentation_needs_no_other_collection(path):
    """Galaxy renders it with this collection alone."""
    text = path.read_text(encoding="utf-8").partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
    fragments = yaml.safe_load(text).get("extends_documentation_fragment", [])
    assert all(re.match(r"hopsworks\.airflow\.\w", fragment) for fragment in fragments)
