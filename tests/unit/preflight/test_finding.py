# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight.finding import Finding, failure


def finding(name, *, ok=False, level="error"):
    return Finding(
        name, ok=ok, found=f"{name} found", expected=f"{name} expected", next_step=f"fix {name}", level=level
    )


def test_all_failures_are_told_together():
    error = failure([finding("a"), finding("b", ok=True), finding("c"), finding("d", level="warning")])
    assert error.found == "a found; c found"
    assert error.expected == "a expected; c expected"
    assert error.next_step == "fix a; fix c"
    assert error.untouched == "everything"


def test_warnings_do_not_end_a_run():
    assert failure([finding("a", ok=True), finding("b", level="warning")]) is None
