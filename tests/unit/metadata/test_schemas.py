# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.catalogue import Catalogue
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.schemas import refuse_rehearsal, schemas_of


@pytest.mark.parametrize("run", ["", "2026-11-22", "Run", "x" * 33, "a;b", "_a", "a`b", "a%"])
def test_a_run_that_can_be_no_part_of_a_name_is_refused(run):
    with pytest.raises(OperatorError, match="run"):
        schemas_of("airflow", None, run)


@pytest.mark.parametrize("workspace", ["airflow", "airflow_before_x", "airflow_undone_x"])
def test_a_workspace_that_is_something_else_already_is_refused(workspace):
    with pytest.raises(OperatorError, match="workspace"):
        schemas_of("airflow", workspace)


@pytest.mark.parametrize(("live", "workspace"), [("airflow?2", None), ("airflow", "airflow?2_beside")])
def test_a_name_that_airflow_would_take_for_another_is_refused(live, workspace):
    """SQLAlchemy finds the schema `airflow` in all of these, and a migration would go there."""
    with pytest.raises(OperatorError, match=r"before the \?"):
        schemas_of(live, workspace)


def test_names_that_would_be_too_long_are_refused():
    with pytest.raises(OperatorError, match="longer than"):
        schemas_of("a" * 40, None, "20261122t030000000")


def test_names():
    names = schemas_of("airflow", None, "20261122t030000")

    assert names.workspace == "airflow_beside"
    assert names.aside("20261122t030000") == "airflow_before_20261122t030000"
    assert names.undone("20261122t030000") == "airflow_undone_20261122t030000"


@pytest.mark.parametrize(
    ("rehearsal", "what"),
    [
        ("airflow", "the live schema"),
        ("airflow_beside", "the workspace"),
        ("airflow_before_x", "reserved for schemas that are set aside"),
        ("airflow_undone_x", "reserved for schemas that are set aside"),
    ],
)
def test_a_rehearsal_in_a_schema_of_another_use_is_refused(rehearsal, what):
    names = schemas_of("airflow", None)
    refuse_rehearsal(names, "airflow_rehearsal")
    with pytest.raises(OperatorError, match=what):
        refuse_rehearsal(names, rehearsal)


@pytest.mark.parametrize(
    ("folds", "name", "there", "kept"),
    [
        (0, "Airflow", ["airflow"], "Airflow"),
        (1, "Airflow", ["airflow"], "airflow"),
        (2, "Airflow", ["mysql", "airFlow"], "airFlow"),
        (2, "airflow", ["Airflow"], "Airflow"),
        (2, "Airflow", ["mysql"], "Airflow"),
    ],
)
def test_a_name_is_as_the_server_answers_with_it(folds, name, there, kept):
    def rows(statement, values=()):
        return [(schema,) for schema in there] if "SCHEMATA" in statement else [(folds, values[0].lower())]

    assert Catalogue.folded(SimpleNamespace(rows=rows), name) == kept
