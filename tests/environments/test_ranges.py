# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unit tests with each ansible-core, each kubernetes client, and the oldest of the other libraries."""

from __future__ import annotations

import re

import matrix
import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

OLDEST = matrix.ENVIRONMENTS[0]
REQUIREMENTS = matrix.CHECKOUT / "requirements.txt"
RUNTIME = yaml.safe_load((matrix.CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))

UNIT = matrix.CHECKOUT / "tests/unit"
# Once, in the stage `unit`, as are tests of the checkout: those that search for a counterexample in rules that know
# neither Ansible nor a library.
ONCE = (
    "--deselect=tests/unit/keys/test_rotation_walk.py",
    "--deselect=tests/unit/hopsfs/test_properties.py",
)
# Roles play for seconds each. With every version they are run by the playbooks of test_playbooks.py; their tests, with
# one more than in the stage `unit`, the oldest, but for those that play the whole frame again and again.
ROLES = "tests/unit/roles"
FRAME = (
    "--ignore=tests/unit/roles/test_cut_over.py",
    "--ignore=tests/unit/roles/test_frame.py",
    "--ignore=tests/unit/roles/test_stage_changes.py",
)
# They ask a real MariaDB: with the newest PyMySQL in the stage `unit`, with the oldest here, but for those that are
# about what is decided and not about what the library brings.
DATABASE = (
    *(
        f"tests/unit/database/mysql/test_{name}.py"
        for name in (
            "data_nodes",
            "explanation",
            "fitness",
            "privileges",
            "rolled_back",
            "session",
            "session_settings",
            "silent_server",
            "tls",
        )
    ),
    "tests/unit/database/test_server_wait.py",
    "tests/unit/metadata/test_awkward_names.py",
    "tests/unit/metadata/dump",
    "tests/unit/metadata/swap/test_reset.py",
)
# They wait for what takes its time, and know of Ansible and the libraries no more than those beside them.
PATIENT = (
    "--ignore=tests/unit/action/test_lock_lost.py",
    "--ignore=tests/unit/probe/test_availability.py",
    "--ignore=tests/unit/run/test_keeper.py",
)
# For the ends of the range: what makes the objects of dozens of deployments, by the templates of the roles, and what
# runs `ansible-playbook` a dozen times.
AT_ENDS = (
    "--ignore=tests/unit/action/test_output.py",
    "--ignore=tests/unit/deployment/test_database_tls.py",
    "--ignore=tests/unit/deployment/test_description.py",
    "--ignore=tests/unit/deployment/test_settings.py",
)


# Not 2.19, with which the stage `unit` runs all of them, and 2.16 once.
@pytest.mark.environments("oldest", "2.17", "2.18", "2.20", "2.21")
def test_unit_tests(environment, tmp_path):
    apart = {"dags", "database", "metadata", "roles", "tooling"}
    folders = [path.parent for path in UNIT.glob("*/test_*.py") if path.parent.name not in apart]
    chosen = sorted(set(map(str, folders)))
    if environment.name == "oldest":
        chosen += [ROLES, *DATABASE]
    left_out = [*ONCE, *(FRAME if environment.name == "oldest" else PATIENT)]
    if environment.name not in {matrix.ENVIRONMENTS[0].name, matrix.ENVIRONMENTS[-1].name}:
        left_out += AT_ENDS
    options = ("-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'unit'}", "-o", "faulthandler_timeout=600")
    answer = environment.run(
        "python",
        "-m",
        "pytest",
        *chosen,
        *options,
        *left_out,
        cwd=matrix.CHECKOUT,
        timeout=1200,
        variables={"PYTHONPATH": str(environment.collections)},
    )
    assert answer.returncode == 0, answer.stdout[-20000:] + answer.stderr[-20000:]
    assert re.search(r"^\d{3,} passed", answer.stdout.splitlines()[-1])


def test_the_oldest_of_each_range_is_run(ranges):
    pinned = matrix.pinned(OLDEST.pins)
    for name, specifier in ranges.items():
        (least,) = [each.version for each in specifier if each.operator == ">="]
        assert Version(pinned[name]) == Version(least), name


@pytest.mark.parametrize("chosen", matrix.ENVIRONMENTS, ids=lambda each: each.name)
def test_what_is_run_is_in_the_ranges(chosen, ranges):
    pinned = matrix.pinned(chosen.pins)
    for name, specifier in ranges.items():
        assert Version(pinned[name]) in specifier, name


def test_every_client_of_the_range_is_run(ranges):
    run = {Version(matrix.pinned(each.pins)["kubernetes"]).major for each in matrix.ENVIRONMENTS}
    run.add(Version(matrix.pinned(REQUIREMENTS)["kubernetes"]).major)
    allowed = {major for major in range(25, 60) if f"{major}.0.0" in ranges["kubernetes"]}
    assert {min(allowed), max(allowed)} <= run
    assert min(Version(version).major for version in matrix.REFUSED_CLIENTS) == max(allowed) + 1


def test_every_promised_ansible_core_is_run():
    (units,) = [mark.args for mark in test_unit_tests.pytestmark if mark.name == "environments"]
    left_out = {environment.name for environment in matrix.ENVIRONMENTS} - set(units)
    assert {Version(name).minor for name in left_out} <= {Version(matrix.pinned(OLDEST.pins)["ansible-core"]).minor}
    promised = SpecifierSet(RUNTIME["requires_ansible"])
    assert matrix.pinned(OLDEST.pins)["ansible-core"] in promised
    minors = {Version(matrix.pinned(each.pins)["ansible-core"]).minor for each in matrix.ENVIRONMENTS}
    minors.add(Version(matrix.pinned(REQUIREMENTS)["ansible-core"]).minor)
    (least,) = [Version(each.version).minor for each in promised]
    assert minors == set(range(least, max(minors) + 1))
