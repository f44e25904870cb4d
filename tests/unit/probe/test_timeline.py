# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import jinja2
import pytest
from ansible.plugins.filter.core import FilterModule

from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.samples import Sample, summarise, windows

TEMPLATES = Path(__file__).parents[3] / "roles" / "report" / "templates"
START = 1_795_000_000.0
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def draw():
    # As Ansible's template module sets Jinja up.
    environment = jinja2.Environment(  # noqa: S701 - Ansible escapes nothing by itself, so the template must
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(FilterModule().filters())
    template = environment.from_string("{% from 'availability.svg.j2' import timeline %}{{ timeline(names, spans) }}")

    def drawn(names, spans=()):
        return template.render(names=names, spans=spans).strip()

    return drawn


def samples(name, text):
    return [
        Sample(START + i / 10, name, 200 if mark == "." else 502, 0.01, good=mark == ".") for i, mark in enumerate(text)
    ]


def parsed(picture):
    return ElementTree.fromstring(picture)  # noqa: S314 - of our own making


def classes(picture, tag):
    return [element.get("class") for element in parsed(picture).iter(SVG + tag)]


def test_a_tick_for_each_failure_and_a_span_for_each_rollout(draw):
    seen = samples("version", "." * 50 + "xxx" + "." * 47) + samples("<rest>", "." * 100)
    spans = windows(
        seen,
        [
            {"name": "airflow-webserver & more", "begun": "2026-11-18T11:06:44Z", "ended": "2026-11-18T11:06:45.5Z"},
            {"name": "airflow-scheduler", "begun": "2026-11-18T11:06:46+00:00", "ended": "2100-01-01T00:00:00Z"},
        ],
    )
    picture = draw(summarise(seen), spans)
    assert classes(picture, "line").count("av-failed") == 3
    assert classes(picture, "line").count("av-good") == 2
    assert classes(picture, "rect").count("av-window") == 2
    assert classes(picture, "rect").count("av-away") == 1
    shaded = [element for element in parsed(picture).iter(SVG + "rect") if element.get("class") == "av-window"]
    failed = [
        float(element.get("x1"))
        for element in parsed(picture).iter(SVG + "line")
        if element.get("class") == "av-failed"
    ]
    begin = float(shaded[0].get("x"))
    assert all(begin <= x <= begin + float(shaded[0].get("width")) for x in failed)
    texts = [element.text for element in parsed(picture).iter(SVG + "text")]
    assert {"version", "<rest>", "airflow-webserver & more", "100 requests, 3 failed", "0 s"} <= set(texts)


def test_everything_is_within_the_picture(draw):
    seen = samples("version", "x" * 20)
    span = {"name": "before and after", "begun": "2000-01-01T00:00:00Z", "ended": "2100-01-01T00:00:00Z"}
    outside = {"name": "of another day", "begun": "2000-01-01T00:00:00Z", "ended": "2001-01-01T00:00:00Z"}
    root = parsed(draw(summarise(seen), [span, outside]))
    assert [element.get("class") for element in root.iter(SVG + "rect")].count("av-window") == 1
    _x, _y, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)):
            assert 0 <= float(element.get(name, 0)) <= most


def test_a_connection_made_anew_is_a_ring(draw):
    seen = [Sample(START + i, "keep_alive", 200, 0.01, good=True, reconnected=i == 3) for i in range(6)]
    picture = draw(summarise(seen))
    assert classes(picture, "circle") == ["av-again"]
    assert "6 requests, 0 failed, 1 reopened" in picture


def test_a_long_measurement_has_few_marks_of_time(draw):
    seen = [Sample(START + i * 60, "version", 200, 0.01, good=True) for i in range(600)]
    assert classes(draw(summarise(seen)), "line").count("av-axis") < 15


def test_one_sample_is_enough_and_none_draws_nothing(draw):
    assert classes(draw(summarise(samples("version", "."))), "line")
    assert draw({}) == ""
