# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fact that one entry point of a role sets and another one reads is declared by both, in their argument_specs."""

from __future__ import annotations

import re

import pytest

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT
from ansible_collections.hopsworks.airflow.tests.unit.roles.facts import FACTS, RUNBOOKS, load, names_in

PLACES = [
    pytest.param(book, place, id=f"{book.name}-{place.name}") for book in RUNBOOKS for place in book.places.values()
]
# What a place reads only if something else is true. It may be absent where it is not read.
CONDITIONAL = {("rotate/plan", "airflow_configured")}


@pytest.mark.parametrize(("book", "place"), PLACES)
def test_facts_of_others_are_options(book, place):
    declared = {name: need for name, need in place.declared.items() if name in FACTS}
    needed = {name: need and (place.name, name) not in CONDITIONAL for name, need in book.needed(place).items()}
    assert declared == needed


@pytest.mark.parametrize(("book", "place"), PLACES)
def test_facts_for_others_are_said(book, place):
    # A place may serve several runbooks.
    needed = {fact for each in RUNBOOKS if place.name in each.places for fact in each.given(each.places[place.name])}
    assert place.gives == needed


@pytest.mark.parametrize("book", RUNBOOKS, ids=lambda book: book.name)
def test_each_phase_finds_what_it_needs(book):
    assert book.missing == []
    assert len(book.places) > len(book.phases) + 3, "the frame, its looks and the phases"


def test_every_fact_that_is_set_is_read():
    text = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("roles", "playbooks")
        for path in (CHECKOUT / folder).rglob("*")
        if path.suffix in (".yml", ".j2") and "meta" not in path.parts
    )
    assert [fact for fact in FACTS if not re.search(rf"(?<!register: )\b{fact}\b(?!:)", text)] == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ one.a + (two.b | default(three)) }}", {"one": True, "two": False, "three": True}),
        ("{{ one if one is defined else 0 }}", {"one": False}),
        ("{{ one.a | default(0) + one.b }}", {"one": True}),
        ("{% for each in one %}{{ each }}{% endfor %}", {"one": True, "each": True}),
    ],
)
def test_how_a_name_is_read_is_seen(text, names):
    assert names_in(text) == names


@pytest.mark.parametrize("entry", ["snapshot", "cut_over"])
def test_a_phase_without_its_facts_says_so_before_it_acts(stage, entry):
    """In the middle of a cut-over, an undefined variable would be a failure with the UI down."""
    include = {"name": "hopsworks.airflow.upgrade", "tasks_from": entry}
    deployment = {"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment", "public": True}}
    played = stage.play([deployment, {"ansible.builtin.include_role": include}], airflow_run="r1")
    assert played.code != 0
    specification = load(CHECKOUT / "roles/upgrade/meta/argument_specs.yml")["argument_specs"][entry]
    lacking = [name for name in specification["options"] if name in FACTS - {"airflow_run"}]
    assert f"missing required arguments: {', '.join(sorted(lacking))}" in played.output
    assert played.asked == []
