# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sentence is written in one file, whatever shows it, and the summary and the page of a run say the same."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.plugins.filter.core import FilterModule
from ansible.plugins.filter.mathstuff import FilterModule as MathFilters
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

from ansible_collections.hopsworks.airflow.tests.unit.roles.conftest import CHECKOUT
from ansible_collections.hopsworks.airflow.tests.unit.roles.facts import JINJA, load, texts

ROLES = CHECKOUT / "roles"
TEMPLATES = [path for path in ROLES.glob("*/templates/*.j2") if path.parent.parent.name in ("report", "status")]
VARIABLES = sorted(ROLES.glob("*/vars/**/*.yml"))
BEGUN, ENDED = "2026-11-22T03:00:00.0+0000", "2026-11-22T03:10:00.0+0000"
UI = {
    "requests": 800,
    "failures": 80,
    "away_seconds": 11.5,
    "unobserved_seconds": 2.5,
    "longest_gap_seconds": 0.4,
    "not_measured": None,
    "absences": [],
    "reconnects": 1,
    "reconnected_at": [BEGUN],
    "failed_at": [BEGUN],
    "begun": BEGUN,
    "ended": ENDED,
    "latency_seconds": {"longest": 0.9, "median": 0.1, "p99": 0.2},
}
SIGNERS = {"scheduler": {"kid": "kid1", "next": "kid2", "previous": "kid0", "fingerprint": "ab:cd"}}
ROTATED = {"availability": {"rest": UI}, "windows": [], "unmeasured": ["a minute"], "signers": SIGNERS}
CANARY = {"dag_id": "demo", "why": None, "state": "success", "seconds": 4.4, "run_id": "manual__1"}
VERIFIED = {"version": "3.0.6", "dags": 7, "canary": CANARY, "import_errors": [{"file": "a.py", "error": "no b"}]}
LEFT = {"resumed": ["one"], "broken": ["old_a", "old_b"], "unknown": ["late"], "gone": ["deleted"]}
UPGRADE: dict[str, Any] = {
    "snapshot": {"path": "/copies/r1", "files": 251, "bytes": 1490000, "manifest_sha256": "beef"},
    "backup": {"path": "/runs/r1/dump.sql.gz", "bytes": 48213, "tables": 45, "sha256": "cafe"},
    "keys": {"kids": {"scheduler": "kid1"}},
    "cut_over": {"set_aside": "airflow_before_r1", "availability": {"ui": UI}, "unmeasured": ["another minute"]},
    "verify": VERIFIED,
    "resume": LEFT,
}
SAMPLES = {
    "upgrade": UPGRADE,
    "skipped": {**UPGRADE, "verify": {**VERIFIED, "canary": {"dag_id": "demo", "why": "it is paused"}}},
    "one of each": {**UPGRADE, "resume": {**LEFT, "broken": ["old_a"]}},
    "rotate": {"publish": ROTATED, "activate": {**ROTATED, "retire_after": "2026-12-22"}, "resume": LEFT},
    "cut-over": {"replace_keys": {**ROTATED, "invalidated": ["kid0"]}},
    "nothing": {},
}


def written(path: Path) -> list[str]:
    """What a file writes itself: each text between expressions, and each text in one."""
    found: list[str] = []
    for text in [path.read_text(encoding="utf-8")] if path.suffix == ".j2" else texts(load(path)):
        tree = JINJA.parse(re.sub(r"<style>.*?</style>|<[^>{}]*>", " | ", text, flags=re.DOTALL))
        found += [node.data for node in tree.find_all(nodes.TemplateData)]
        found += [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return found


def sentences(path: Path, length: int) -> set[str]:
    """All runs of so many words in them. Markup, numbers and other signs end a run."""
    found = set()
    for text in written(path):
        for part in re.split(r"[^\w' ,;-]+", " ".join(text.split())):
            words = re.findall(r"[A-Za-z']+", part)
            found |= {" ".join(words[at : at + length]) for at in range(len(words) - length + 1)}
    return found


@pytest.mark.parametrize(
    ("paths", "length"), [(TEMPLATES, 4), ([*TEMPLATES, *VARIABLES], 6)], ids=["templates", "templates and plans"]
)
def test_no_sentence_is_written_in_two_files(paths, length):
    files = defaultdict(set)
    for path in paths:
        for sentence in sentences(path, length):
            files[sentence].add(str(path.relative_to(ROLES)))
    assert {sentence: sorted(names) for sentence, names in files.items() if len(names) > 1} == {}
    assert len(files) > 100


def rendered(name: str, facts: dict[str, Any], status: str) -> str:
    variables = load(ROLES / "report/vars/main.yml")
    environment = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(ROLES / "report/templates"),
        trim_blocks=True,
        undefined=jinja2.ChainableUndefined,
        # Ansible escapes nothing by itself, so the template must.
        autoescape=False,
    )
    # Jinja's own take precedence: those of Ansible know another kind of undefined.
    environment.filters = {**FilterModule().filters(), **MathFilters().filters(), **environment.filters}
    times = {"begun": BEGUN, "ended": ENDED}
    phases = [{"name": phase, "status": "done", "attempt": 1, "facts": {}, **times} for phase in facts]
    run = {"playbook": "upgrade", "status": status, "id": "r1", "phases": phases, **times}
    measured = [phase for phase in ("publish", "activate", "retire", "replace_keys") if phase in facts]
    return environment.get_template(name).render(
        report_run={**run, "attempts": [{"number": 1, "by": "me", **times}]},
        report_facts=facts,
        report_outage=facts.get("cut_over", {}).get("availability", {}).get("ui", {}),
        report_titles=variables["report_titles"],
        report_measured=measured,
        report_keys=facts[measured[-1]] if measured else {},
        airflow_name="<demo>",
        airflow_namespace="hopsworks",
        airflow_public_url="https://h.example.com/airflow",
        airflow_login_user="admin",
        airflow_runtime_secret="airflow-runtime",
        airflow_run_files="/runs/r1",
    )


def words_of(text: str) -> str:
    """Without markup, spaces and the colons of the summary."""
    text = re.sub(r"<style>.*?</style>|</?[a-z!][^>]*>", "", text, flags=re.DOTALL)
    return re.sub(r"[\s:]", "", html.unescape(text))


# What the page shows as a table, a box or a picture, and where the page is.
OTHERWISE = re.compile(r"The UI was down|During (?!.*, not measured)|Airflow 3\.0\.6 answers|Report:")
# What the page shows as columns.
COLUMNS = re.compile(r"^ {2}\w+ +[\d.]+ s {2}|^(Old tables|Dump|DAG files|Log in): +|^scheduler +")


@pytest.mark.parametrize("status", ["done", "failed"])
@pytest.mark.parametrize("facts", SAMPLES.values(), ids=SAMPLES)
def test_the_page_says_all_that_the_summary_says(facts, status):
    summary, page = (rendered(name, facts, status) for name in ("summary.txt.j2", "report.html.j2"))
    first, *lines = summary.splitlines()
    lines = [first.partition("  (run")[0], *(COLUMNS.sub("", line) for line in lines if not OTHERWISE.match(line))]
    assert [line for line in lines if words_of(line.replace("<demo>", "&lt;demo>")) not in words_of(page)] == []
    assert "<demo>" not in page


def test_what_the_page_has_in_its_own_way_is_in_the_summary():
    summary = rendered("summary.txt.j2", UPGRADE, "done")
    assert "The UI was down for 11.5 s (measured through the proxy, 800 requests, 80 failed). 2.5 s were not" in summary
    assert "Airflow 3.0.6 answers; 7 DAGs known so far; demo ran to success in 4.4 s.\n" in summary
    assert "1 DAG file can't be imported by the new Airflow (unchanged; their owners have to fix them):\n" in summary
    assert "2 DAGs stay paused because the new Airflow can't import their files (once the owners have fixed" in summary
    assert "go-template='{{index .data \"passwords.json\" | base64decode}}'\n" in summary
    assert "deleted" not in summary
