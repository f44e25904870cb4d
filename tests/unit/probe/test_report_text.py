# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from ansible.plugins.filter.core import FilterModule
from ansible.plugins.filter.mathstuff import FilterModule as MathFilters

from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.samples import Sample, summarise

TEMPLATES = Path(__file__).parents[3] / "roles" / "report" / "templates"
START = 1_795_000_000.0
RUN = {
    "playbook": "upgrade",
    "status": "done",
    "id": "1",
    "attempts": [{"by": "me", "begun": "2026-11-22T03:00:00.0+0000", "ended": "2026-11-22T03:10:00.0+0000"}],
    "phases": [],
    "begun": "2026-11-22T03:00:00.0+0000",
    "ended": "2026-11-22T03:10:00.0+0000",
}


@pytest.fixture(params=["summary.txt.j2", "report.html.j2"])
def written(request):
    environment = jinja2.Environment(  # noqa: S701 - Ansible escapes nothing by itself, so the template must
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, undefined=jinja2.ChainableUndefined
    )
    environment.filters.update({**FilterModule().filters(), **MathFilters().filters()})

    def render(run=None, **facts):
        outage = facts.get("cut_over", {}).get("availability", {}).get("ui", {})
        return environment.get_template(request.param).render(
            report_run=run or RUN,
            report_facts={"keys": {"kids": {}}, **facts},
            report_outage=outage,
            report_titles={},
            report_measured=[name for name in ("publish", "activate") if name in facts],
            report_keys={"signers": {}},
            airflow_name="sandbox",
        )

    return render


def seen(name="ui", *, ended=None, not_measured=None):
    samples = [Sample(START + i / 10, name, 200, 0.01, good=not 10 <= i < 20) for i in range(100)]
    found = summarise(samples, ended=ended)
    found[name]["not_measured"] = not_measured
    return found


def test_an_outage_that_was_measured(written):
    text = written(cut_over={"availability": seen(), "unmeasured": []})
    assert "1.1 s" in text
    assert "not measured" not in text
    assert "Not measured" not in text


def test_an_outage_that_nobody_can_know_is_no_number(written):
    blind = "answered with 401 before the change, possibly by a check in front of Airflow"
    text = written(cut_over={"availability": seen(not_measured=blind), "unmeasured": [f"ui {blind}"]})
    assert blind in text
    assert "1.1 s" not in text


def test_time_in_which_nobody_looked_is_said(written):
    problem = "ui was not measured in the last 60 s"
    text = written(cut_over={"availability": seen(ended=START + 70), "unmeasured": [problem]})
    assert problem in text
    assert "60" in text
    assert "not measured" in text


def test_a_measurement_that_saw_nothing_is_not_zero_failures(written):
    problem = "nothing was measured: no probe has started"
    text = written(activate={"availability": {}, "windows": [], "unmeasured": [problem]})
    assert problem in text
    assert "0 failed" not in text


def test_a_rotation_that_was_measured(written):
    text = written(activate={"availability": seen("rest"), "windows": [], "unmeasured": []})
    assert "100" in text
    assert "Not measured" not in text
    assert "nothing was measured" not in text


def test_attempts_have_the_numbers_that_they_had(written):
    times = {"begun": RUN["begun"], "ended": RUN["ended"]}
    attempts = [{"number": number, "by": f"job {number}", **times} for number in (1, 41, 42)]
    phases = [{"name": "publish", "status": "done", "attempt": 42, **times}]
    text = written({**RUN, "attempts": attempts, "phases": phases})
    assert "42 attempts" in text or "attempt 41</h2>" in text
    before, _mark, last = text.partition("attempt 42</h2>")
    assert not last or ("publish" in last and "publish" not in before.partition("<h2>")[2])


def test_a_record_of_before_has_no_numbers(written):
    times = {"begun": RUN["begun"], "ended": RUN["ended"]}
    text = written({**RUN, "attempts": [{"by": "me", **times}] * 2})
    assert "2 attempts" in text or "attempt 2</h2>" in text
