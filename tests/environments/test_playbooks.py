# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""README's inventory and the playbooks, with each ansible-core.

No cluster is here. What differs between versions of Ansible is in the playbooks, roles and templates, and in how an
action gets its options; so actions either reach an API server that refuses, or answer with documented samples.
"""

from __future__ import annotations

import json

import matrix
import pytest
import yaml

# What takes long is left out with the versions between these.
WHOLE = pytest.mark.environments(*[each.name for each in matrix.ENVIRONMENTS if each.whole])
ACCESS = {"api_key": "canary-token", "validate_certs": True}


@pytest.fixture
def replay(environment, replayed, inventory, tmp_path):
    """Runs a playbook whose actions answer with samples; returns what was printed and what was called."""
    state = tmp_path / "state.json"
    variables = {"airflow_confirm": "production", "airflow_kubernetes_auth": ACCESS}

    def run(name, *arguments, **world):
        state.write_text(json.dumps(world), encoding="utf-8")
        answer = environment.playbook(
            f"hopsworks.airflow.{name}",
            "--inventory",
            inventory(**variables),
            *arguments,
            cwd=tmp_path,
            collections=replayed,
            HOPSWORKS_AIRFLOW_REPLAY=str(state),
        )
        assert (answer.returncode != 0) == ("fails" in world), answer.stdout + answer.stderr
        assert "[DEPRECATION WARNING]" not in answer.stderr
        assert "[WARNING]" not in answer.stderr, answer.stderr
        return answer.stdout, json.loads(state.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("name", ["rotate", "status", "upgrade"])
def test_an_action_reaches_the_api_server_of_the_description(
    environment, checkout, inventory, api_server, tmp_path, name
):
    described = inventory(
        airflow_kubernetes_auth={**ACCESS, "host": api_server.address},
        airflow_namespace="canary",
        airflow_public_url=api_server.address,
    )
    answer = environment.playbook(
        f"hopsworks.airflow.{name}", "--inventory", described, "--check", cwd=tmp_path, collections=checkout
    )
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Found: " in answer.stdout
    assert "Next: " in answer.stdout
    assert "undefined" not in answer.stdout + answer.stderr
    assert "canary-token" not in answer.stdout + answer.stderr
    assert {token for _asked, token in api_server.requests} == {"Bearer canary-token"}
    assert any("canary" in asked for asked, _token in api_server.requests)


def test_defaults_of_a_users_own_play_stay(environment, checkout, inventory, api_server, tmp_path):
    """The role of a runbook in another play, whose `module_defaults` say where the cluster is."""
    playbook = tmp_path / "own.yml"
    given = {"host": api_server.address, "api_key": "{{ lookup('ansible.builtin.env', 'OWN_TOKEN') }}"}
    phases = {"run_playbook": "rotate", "run_phases": []}
    task = {"ansible.builtin.include_role": {"name": "hopsworks.airflow.run"}, "vars": phases}
    defaults = {"group/hopsworks.airflow.airflow": given}
    play = {"hosts": "airflow", "gather_facts": False, "module_defaults": defaults, "tasks": [task]}
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    answer = environment.playbook(
        str(playbook), "--inventory", inventory(), cwd=tmp_path, collections=checkout, OWN_TOKEN="canary-token"
    )
    assert "canary: it allows nothing" in answer.stdout, answer.stdout + answer.stderr
    assert {token for _asked, token in api_server.requests} == {"Bearer canary-token"}


@pytest.mark.parametrize("client", matrix.REFUSED_CLIENTS)
def test_a_client_of_another_kind_is_refused_in_words(checkout, inventory, api_server, tmp_path, client, newest):
    described = inventory(airflow_kubernetes_auth={**ACCESS, "host": api_server.address})
    answer = matrix.with_client(newest, client).playbook(
        "hopsworks.airflow.rotate", "--inventory", described, "--check", cwd=tmp_path, collections=checkout
    )
    assert answer.returncode == 2
    assert f"Found: the Python package kubernetes {client}" in answer.stdout, answer.stdout + answer.stderr
    assert not api_server.requests


def test_the_plan_of_an_upgrade(replay):
    printed, state = replay("upgrade", "--check")
    assert "copies 42 files" in printed
    assert "stops airflow-dag-processor, airflow-scheduler, airflow-webserver" in printed
    assert not [call for call in state["calls"] if call[0] == "run_lock"]


def test_an_upgrade_runs_through_its_phases(replay, tmp_path):
    printed, state = replay("upgrade")
    assert "Upgrade of production: finished" in printed
    assert list(state["facts"]) == ["snapshot", "backup", "keys", "images", "schema", "cut_over", "verify", "resume"]
    (report,) = (tmp_path / "runs").glob("*/report.html")
    page = report.read_text(encoding="utf-8")
    assert "airflow_before_20261122t030000" in page
    assert "47.08 KB" in page
    assert state["facts"]["backup"]["bytes"] == 48213
    assert state["facts"]["snapshot"]["files"] == 42
    assert state["facts"]["verify"]["dags"] == 7
    held = {holder for name, _check, _namespace, holder in state["calls"] if name in ("metadata_swap", "workloads")}
    assert len(held - {None}) == 1
    assert {namespace for name, _check, namespace, _holder in state["calls"] if name != "run_report"} == {"hopsworks"}


@WHOLE
def test_a_failing_cut_over_is_put_back_and_told(replay):
    printed, state = replay("upgrade", fails="metadata_swap")
    assert "upgrade.yml stopped in phase cut_over (Replace the old tables with the new ones)." in printed
    assert "Found: a canary" in printed
    assert "All are in their place." in printed
    assert "The old workloads run again" in printed
    assert state["run"]["status"] == "failed"
    assert state["calls"][-1][0] == "run_lock"


@WHOLE
def test_nothing_is_done_where_nothing_is_due(replay):
    """A condition that became the text `False` would be true."""
    printed, state = replay("upgrade", stage="installed", settled=True)
    assert "Nothing to do: production is as upgrade.yml leaves it." in printed
    assert not [call for call in state["calls"] if call[0] == "run_lock"]


@WHOLE
def test_an_installation_runs_through_its_phases(replay):
    printed, state = replay("install", stage="empty")
    assert "Installation of production: finished" in printed
    assert list(state["facts"]) == ["keys", "images", "schema", "cut_over", "verify", "resume"]


@WHOLE
def test_a_rotation_goes_through_all_of_its_states(replay):
    printed, state = replay("rotate", "-e", "airflow_rotation_wait=true", stage="installed")
    assert list(state["facts"]) == ["publish", "activate", "retire", "resume"]
    assert state["keys"] == "steady"
    assert "Rotation of production: finished" in printed


@WHOLE
def test_a_cut_over_of_the_keys(replay):
    printed, state = replay("rotate", "-e", "airflow_rotation_mode=cutover", stage="installed")
    assert list(state["facts"]) == ["replace_keys", "resume"]
    assert "No longer accepted" in printed


@WHOLE
def test_status_and_preflight(replay):
    printed, _state = replay("status")
    assert "airflow-webserver      1/1 ready" in printed
    replay("preflight")


OTHERS = {"dbservers": {"hosts": {"db1": {"ansible_connection": "ssh"}}}}
NOBODY = "Found: none of the selected hosts is in the inventory group airflow"
TAGS = "Found: --tags"


@pytest.mark.parametrize(
    ("arguments", "groups", "found"),
    [
        ([], OTHERS, NOBODY),
        ([], {"airflow": {"hosts": {}}}, NOBODY),
        (["--limit", "dbservers"], {**OTHERS, "airflow": {"hosts": {"one": {}}}}, NOBODY),
        (["--limit", "dbservers", "--tags", "x"], {**OTHERS, "airflow": {"hosts": {"one": {}}}}, NOBODY),
        (["--limit", "one", "--tags", "x"], {**OTHERS, "airflow": {"hosts": {"one": {}}}}, f"{TAGS} x"),
        (["--tags", "always"], {"airflow": {"hosts": {"one": {}}}}, f"{TAGS} always"),
        (["--skip-tags", "untagged"], {"airflow": {"hosts": {"one": {}}}}, f"{TAGS} all --skip-tags untagged"),
    ],
)
def test_what_selects_nothing_is_refused(end, checkout, tmp_path, arguments, groups, found):
    """With Ansible alone, this ends as a success; that each playbook begins so is a unit test."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    answer = end.playbook(
        "hopsworks.airflow.rotate",
        "--inventory",
        "hosts.yml",
        "--check",
        *arguments,
        cwd=tmp_path,
        collections=checkout,
    )
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert found in answer.stdout
    assert "Untouched: everything" in answer.stdout


def test_tags_of_an_importing_playbook_select_all_tasks(end, checkout, api_server, inventory, tmp_path):
    site = [{"name": "Ours", "ansible.builtin.import_playbook": "hopsworks.airflow.status", "tags": ["ours"]}]
    (tmp_path / "site.yml").write_text(yaml.safe_dump(site), encoding="utf-8")
    described = inventory(
        airflow_kubernetes_auth={**ACCESS, "host": api_server.address}, airflow_public_url=api_server.address
    )
    answer = end.playbook("site.yml", "--inventory", described, "--tags", "ours", cwd=tmp_path, collections=checkout)
    assert answer.returncode == 2
    assert api_server.requests, answer.stdout + answer.stderr
