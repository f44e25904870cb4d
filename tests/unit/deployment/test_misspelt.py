# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A variable that is almost an option is refused, and one of the user's own is not."""

from __future__ import annotations

import time

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._rollout.description import OPTION, refuse_misspelt
from ansible_collections.hopsworks.airflow.tests.unit.deployment.rendering import ROOT, rendered
from ansible_collections.hopsworks.airflow.tests.unit.roles.facts import FACTS

SPECIFICATION = (ROOT / "roles/deployment/meta/argument_specs.yml").read_text(encoding="utf-8")
OPTIONS = yaml.safe_load(SPECIFICATION)["argument_specs"]["main"]["options"]


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("airflow_rotaton_mode", "airflow_rotation_mode"),
        ("airflow_rotationmode", "airflow_rotation_mode"),
        ("airflow_imge", "airflow_image"),
        ("airflow_images", "airflow_image"),
        ("airflow_dags_folder", "airflow_dag_folders"),
        ("airflow_databse_hst", "airflow_database_host"),
        ("airflow_confrim", "airflow_confirm"),
        ("airflow_comfirm", "airflow_confirm"),
        ("airflow_imagx", "airflow_image"),
        ("airflow_nam", "airflow_name"),
        ("airflow_never", "airflow_image_pull_policy"),
        # Named after a choice.
        ("airflow_drop", "airflow_reset_method"),
        ("airflow_cutover", "airflow_rotation_mode"),
        # Equal, but for what Ansible tells apart.
        ("AIRFLOW_NAME", "airflow_name"),
        ("airflow_Confirm", "airflow_confirm"),
        ("airflow__confirm", "airflow_confirm"),
        ("airflow_confirm_", "airflow_confirm"),
    ],
)
def test_a_near_miss_names_the_option(variable, option):
    with pytest.raises(OperatorError) as refused:
        refuse_misspelt(["airflow_name", variable, "airflow_team"], SPECIFICATION)
    assert refused.value.found == f"{variable} is not an option; the nearest one is {option}"
    assert refused.value.untouched == "everything"


@pytest.mark.parametrize(
    "variable",
    ["airflow_", "airflow_home", "airflow_version", "airflow_team", "airflow_database_password", "airflow_admin_users"],
)
def test_a_variable_of_the_users_own_is_left_alone(variable):
    refuse_misspelt([variable], SPECIFICATION)


def test_no_variable_of_the_collection_is_a_near_miss():
    own = {
        name
        for path in ROOT.glob("roles/*/vars/**/*.yml")
        for name in yaml.safe_load(path.read_text(encoding="utf-8"))
        if name.startswith("airflow_")
    } | {fact for fact in FACTS if fact.startswith("airflow_")}
    begun = time.monotonic()
    refuse_misspelt([*own, *OPTIONS], SPECIFICATION)
    assert time.monotonic() - begun < 1
    assert len(own) > 30


def test_all_options_and_choices_are_known():
    found = OPTION.findall(SPECIFICATION)
    assert {f"airflow_{option}" for option, _choices in found if option} == OPTIONS.keys() - {"deployment_render"}
    choices = [option["choices"] for option in OPTIONS.values() if "choices" in option]
    assert [each.split(", ") for _option, each in found if each] == choices


def test_it_is_refused_wherever_it_is_set(tmp_path):
    right = {"airflow_team": "data"}
    found = rendered(tmp_path, {"wrong": {**right, "airflow_rotaton_mode": "cutover"}, "right": right})
    assert "airflow_rotaton_mode is not an option; the nearest one is airflow_rotation_mode" in found["wrong"]
    assert "Untouched: everything" in found["wrong"]
    assert isinstance(found["right"], dict)
