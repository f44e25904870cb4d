# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import json

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.measurement import read as read_measurement
from ansible_collections.hopsworks.airflow.plugins.module_utils._probe.samples import Sample, summarise, windows

START = 1_795_000_000.0


def read(file):
    return read_measurement(file).samples


def samples(text, *, begin=START, step=0.1, name="ui"):
    """One sample for each character: `.` is a success, `x` a failure, a blank nobody looking."""
    return [
        Sample(begin + index * step, name, 200, 0.01, good=True)
        if mark == "."
        else Sample(begin + index * step, name, 502, 0.01, "HTTP 502")
        for index, mark in enumerate(text)
        if mark != " "
    ]


@pytest.mark.parametrize(
    ("text", "away", "longest", "absences", "unobserved"),
    [
        ("..........", 0, 0, 0, 0),
        ("..xxx.....", 0.4, 0.4, 1, 0),  # from the success before to the success after
        ("..x....xx.", 0.5, 0.3, 2, 0),
        ("xxx.......", 0.3, 0.3, 1, 0),  # from the first sample
        (".......xxx", 0.3, 0.3, 1, 0),  # to the last
        ("xxx", 0.2, 0.2, 1, 0),
        ("x", 0, 0, 1, 0),
        # Interrupted: 30 s in which nobody looked.
        ("....." + " " * 300 + ".....", 0, 0, 0, 30.1),
        ("..xxx" + " " * 300 + "xx...", 30.6, 30.6, 1, 0),  # away before and after: away between
        ("..xxx" + " " * 300 + ".....", 0.3, 0.3, 1, 30.1),
        ("....." + " " * 300 + "xx...", 0.2, 0.2, 1, 30.1),
        # A server that has too much to do is left alone after a failure.
        ("..xxx" + " " * 90 + "x....", 9.5, 9.5, 1, 0),
        # A pause of the prober itself is no interruption.
        ("....." + " " * 15 + ".....", 0, 0, 0, 0),
    ],
)
def test_time_away(text, away, longest, absences, unobserved):
    result = summarise(samples(text))["ui"]
    assert result["away_seconds"] == pytest.approx(away, abs=0.02)
    assert result["longest_gap_seconds"] == pytest.approx(longest, abs=0.02)
    assert len(result["absences"]) == absences
    assert result["unobserved_seconds"] == pytest.approx(unobserved, abs=0.02)
    assert result["requests"] == len(text.replace(" ", ""))
    assert result["failures"] == text.count("x")


def test_a_slow_probe_is_not_taken_for_one_that_was_interrupted():
    assert summarise(samples("..x.......", step=10))["ui"]["unobserved_seconds"] == 0


def test_each_url_is_added_up_for_itself_whatever_the_order(tmp_path):
    mixed = samples("..xx..") + samples("......", name="api")
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(json.dumps(vars(sample)) + "\n" for sample in reversed(mixed)))
    result = summarise(read(file))
    assert result["ui"]["away_seconds"] == pytest.approx(0.3)
    assert result["api"]["away_seconds"] == 0
    assert result["ui"]["errors"] == {"HTTP 502": 2}


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    file = tmp_path / "samples.jsonl"
    lines = [json.dumps(vars(sample)) for sample in samples("...")]
    file.write_text(lines[0] + "\n" + lines[1] + "\n" + lines[2][:20])
    assert len(read(file)) == 2
    assert read(tmp_path / "absent") == []
    assert summarise([]) == {}


def test_each_window_counts_what_was_sent_in_it():
    seen = samples("....xx....") + samples("..........", name="rest")
    spans = [
        {"name": "api-server", "begun": iso(START + 0.35), "ended": iso(START + 0.75)},
        {"name": "scheduler", "begun": iso(START + 0.75), "ended": "2100-01-01T00:00:00+01:00"},
    ]
    first, second = windows(seen, spans)
    assert first["name"] == "api-server"
    assert first["names"]["ui"]["failures"] == 2
    assert first["names"]["ui"]["requests"] == first["names"]["rest"]["requests"] == 4
    assert first["names"]["rest"]["failures"] == second["names"]["ui"]["failures"] == 0
    assert second["names"]["ui"]["requests"] == 2


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-22T03:10:02"])
def test_a_window_without_a_moment_in_time_is_refused(moment):
    with pytest.raises(OperatorError, match="not a time"):
        windows([], [{"name": "api-server", "begun": moment, "ended": "2026-11-22T03:10:02Z"}])


def test_moments_of_failures_are_listed_as_far_as_a_picture_shows_them():
    result = summarise(samples("." + "x" * 300 + "."))["ui"]
    assert result["failures"] == 300
    assert len(result["failed_at"]) == 200
    assert result["failed_at"] == sorted(set(result["failed_at"]))


def iso(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
