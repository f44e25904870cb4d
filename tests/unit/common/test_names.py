# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of a deployment's objects: valid for Kubernetes, and the same for no two deployments."""

from __future__ import annotations

import re

import pytest

from ansible_collections.hopsworks.airflow.plugins.filter.record_name import FilterModule
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.names import record_name, short_name

AWKWARD = [
    "airflow",
    "Airflow",
    "AIRFLOW",
    "airflow-prod",
    "airflow_prod",
    "airflow.prod",
    "airflow--prod",
    "-airflow-prod-",
    "airflow.prod.example.com",
    "a" * 40,
    "a" * 41,
    "a" * 200,
    "a" * 200 + "b",
    "luftströmung",
    "流",
    "1",
    "x y",
    "_",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_valid_in_kubernetes(name):
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", record_name(name))
    assert len(record_name(name)) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", short_name(name))


def test_no_two_are_the_same():
    assert len({record_name(name) for name in AWKWARD}) == len(AWKWARD)


@pytest.mark.parametrize("name", [*AWKWARD, "Prod"])
def test_the_short_name_of_one_is_that_of_no_other(name):
    assert short_name(short_name(name)) != short_name(name) or short_name(name) == name


def test_a_plain_name_stays_readable():
    assert record_name("airflow-prod") == "airflow-runbook-airflow-prod"
    assert re.fullmatch("airflow-runbook-airflow-prod-[0-9a-f]{8}", record_name("airflow_prod"))


def test_roles_derive_it_in_the_same_way():
    assert FilterModule().filters()["record_name"]("Airflow") == record_name("Airflow")


class Vaulted:
    """A value that was encrypted by itself, before ansible-core 2.19: no text until it is asked for one."""

    def __str__(self):
        return "Airflow"


@pytest.mark.parametrize(("name", "text"), [(2024, "2024"), (Vaulted(), "Airflow")])
def test_roles_may_have_names_that_are_no_texts(name, text):
    assert FilterModule().filters()["record_name"](name) == record_name(text)
