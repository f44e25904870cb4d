# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What awx/ says, held against what AWX takes and against the collection. Needs neither AWX nor a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from dateutil import rrule

from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.rights import ROTATION_RIGHTS

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def load(path):
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


SETTINGS = load("awx/settings.yml")
QUESTIONS = SETTINGS["awx_questions"]
TEMPLATES = {template["name"]: template for template in SETTINGS["awx_templates"]}
SCHEDULES = {schedule["name"]: schedule for schedule in SETTINGS["awx_schedules"]}
WRAPPERS = sorted((CHECKOUT / "awx/playbooks").glob("*.yml"))
PLAYBOOKS = [*WRAPPERS, *sorted((CHECKOUT / "awx").glob("*.yml"))]
PLAYBOOKS = [path for path in PLAYBOOKS if path.name not in ("settings.yml", "requirements.yml")]
SPECIFICATION = load("roles/deployment/meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def value(text):
    """A setting that may refer to one other setting, resolved."""
    reference = re.fullmatch(r"{{ (\w+) }}", text) if isinstance(text, str) else None
    return SETTINGS[reference.group(1)] if reference else text


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_can_be_left_unanswered(name):
    question = QUESTIONS[name]
    default = value(question["default"])
    assert default not in (None, "")
    # AWX fills in no defaults of required questions: a launch by its API or in a workflow would be refused.
    assert question["required"] is False
    match question["type"]:
        case "integer":
            assert isinstance(default, int)
            assert question["min"] <= default <= question["max"]
        case "multiplechoice":
            assert default in question["choices"]
        case "text":
            assert question["min"] <= len(default) <= question["max"]
        case other:
            pytest.fail(f"AWX or this test doesn't know questions of type {other}")


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_every_question_is_about_a_setting_of_the_deployment(name):
    assert QUESTIONS[name]["variable"] in SPECIFICATION


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_is_about_settings_of_the_deployment(name):
    template = TEMPLATES[name]
    assert set(template.get("extra_vars", {})) <= set(SPECIFICATION)
    assert set(template.get("survey", [])) <= set(QUESTIONS)


def test_nothing_dangerous_is_confirmed_by_default():
    assert QUESTIONS["confirm"]["default"] not in {row["name"] for row in SETTINGS["awx_deployments"]}
    for template in TEMPLATES.values():
        mode = template.get("extra_vars", {}).get("airflow_rotation_mode")
        if mode == "cutover" or template["playbook"] in ("upgrade.yml", "install.yml"):
            assert "confirm" in template["survey"]


def test_variables_of_deployments_are_settings():
    for row in SETTINGS["awx_deployments"]:
        assert set(row["variables"]) <= set(SPECIFICATION)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_awx_finds_the_playbook_of_every_template(name):
    """By AWX's own rules (awx/main/utils/ansible.py, 24.6): the folders it skips, and the line it looks for."""
    path = Path(SETTINGS["awx_project"]["playbooks"], TEMPLATES[name]["playbook"])
    assert not {"roles", "tasks", "group_vars", "host_vars"} & set(path.parts)
    assert not [part for part in path.parts if part.startswith(".")]
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    assert re.search(r"^\s*?-?\s*?hosts:\s*?.*?$", text, re.MULTILINE)


@pytest.mark.parametrize("path", WRAPPERS, ids=lambda path: path.stem)
def test_every_wrapper_runs_the_playbook_of_its_name(path):
    plays = load(path)
    assert plays[0]["hosts"] == "airflow"
    assert not [play for play in plays if "vars_prompt" in play]
    assert plays[-1]["ansible.builtin.import_playbook"] == f"hopsworks.airflow.{path.stem}"
    assert (CHECKOUT / "playbooks" / path.name).is_file()
    assert path.name in {template["playbook"] for template in TEMPLATES.values()}


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_is_understood(path, tmp_path):
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("airflow: {hosts: {example: {ansible_connection: local}}}\n", encoding="utf-8")
    command = [TOOLS / "ansible-playbook", path, "--syntax-check", "--inventory", inventory]
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "[WARNING]" not in answer.stderr


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_awx_takes_every_schedule(name):
    """By AWX's own rules (SchedulePreviewSerializer, 24.6), and with a next time for ever."""
    text = SCHEDULES[name]["rrule"]
    start, rule = re.fullmatch(r"DTSTART;TZID=(\S+:\d{8}T\d{6}) (RRULE:\S+)", text).groups()
    zone, _colon, begin = start.partition(":")
    assert "INTERVAL=" in rule
    assert not re.search(r"SECONDLY|COUNT|UNTIL|EXDATE|RDATE|BYYEARDAY|BYWEEKNO|BYDAY=\d", rule)
    found = rrule.rrulestr(text.replace(" ", "\n"), tzinfos={zone: ZoneInfo(zone)})
    assert begin == found._dtstart.strftime("%Y%m%dT%H%M%S")
    now = datetime.now(ZoneInfo(zone))
    upcoming = [found.after(now), found.after(found.after(now))]
    assert upcoming[0] - now < timedelta(days=37)
    assert timedelta(hours=22) < upcoming[1] - upcoming[0] < timedelta(days=37)


def test_one_schedule_begins_rotations_and_the_other_never_does():
    age = {name: int(value(schedule["minimum_age"])) for name, schedule in SCHEDULES.items()}
    begins, goes_on = sorted(age, key=age.__getitem__)
    # The shortest time between the first Sundays of two months.
    assert timedelta(seconds=age[begins]) < timedelta(days=28)
    assert timedelta(seconds=age[goes_on]) >= timedelta(days=3650)
    assert age[goes_on] <= QUESTIONS["minimum_age"]["max"]
    assert "FREQ=MONTHLY" in SCHEDULES[begins]["rrule"]
    assert "FREQ=DAILY" in SCHEDULES[goes_on]["rrule"]


def test_minimum_age_is_that_of_the_collection():
    assert SETTINGS["awx_keys_minimum_age"] == load("roles/deployment/defaults/main.yml")["airflow_keys_minimum_age"]


def test_cut_over_waits_for_an_approval():
    workflow = SETTINGS["awx_workflow"]
    assert TEMPLATES[workflow["act"]]["extra_vars"] == {"airflow_rotation_mode": "cutover"}
    tasks = [task for task in load("awx/configure.yml")[0]["tasks"] if "awx.awx.workflow_job_template_node" in task]
    steps = {step["step"]: step["template"] for step in tasks[0]["loop"]}
    assert steps == {"look": "{{ awx_workflow.look }}", "approve": "", "act": "{{ awx_workflow.act }}"}
    assert [(link["step"], link["next"]) for link in tasks[1]["loop"]] == [("look", "approve"), ("approve", "act")]


def test_image_has_the_version_of_the_collection_as_its_tag():
    image = SETTINGS["awx_execution_environment"]["image"]
    assert image.rpartition(":")[2] == load("galaxy.yml")["version"]


def test_no_secret_is_in_a_file():
    pattern = re.compile(r"-----BEGIN|eyJ[\w-]{10}|(?:password|token|secret)\s*[:=]\s*['\"]?\w{8}", re.IGNORECASE)
    for path in (CHECKOUT / "awx").rglob("*"):
        if path.is_file():
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_what_is_secret_is_not_shown():
    for task in load("awx/configure.yml")[0]["tasks"] + load("awx/service_account.yml")[0]["tasks"]:
        text = yaml.safe_dump(task)
        if "lookup('ansible.builtin.file', awx_kubeconfig_file)" in text or "awx_token" in text:
            assert task.get("no_log") is True, task["name"]


@pytest.fixture
def role_rules(tmp_path):
    """What the service account may do, by the settings of a deployment."""

    def rules(**settings):
        (play,) = load("awx/service_account.yml")
        template = CHECKOUT / "awx/templates" / play["tasks"][1]["kubernetes.core.k8s"]["template"]
        made = tmp_path / "made.yml"
        content = f"{{{{ lookup('ansible.builtin.template', '{template}') }}}}"
        written = {"ansible.builtin.copy": {"content": content, "dest": str(made), "mode": "0600"}}
        play |= {"hosts": "localhost", "tasks": [play["tasks"][0], written]}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        answers = json.dumps({"airflow_public_url": "https://airflow.example.com", **settings})
        command = [TOOLS / "ansible-playbook", tmp_path / "play.yml", "-e", answers]
        answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        objects = {document["kind"]: document for document in yaml.safe_load_all(made.read_text(encoding="utf-8"))}
        assert {document["metadata"]["namespace"] for document in objects.values()} == {
            settings.get("airflow_namespace", "hopsworks")
        }
        return objects["Role"]["rules"]

    return rules


def test_account_has_the_rights_of_a_rotation_and_few_others(role_rules):
    granted = {
        (group, resource, verb)
        for rule in role_rules()
        if "resourceNames" not in rule
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    wanted = {(right.group, right.resource, verb) for right in ROTATION_RIGHTS for verb in right.verbs}
    assert wanted <= granted
    assert granted - wanted <= {
        ("", "services", "get"),  # the way to the database
        ("apps", "controllerrevisions", "list"),  # a StatefulSet's way back
        ("apps", "controllerrevisions", "watch"),
    }


FILES_OF_TLS = {
    "mode": "verify_identity",
    "ca": {"name": "authority", "key": "ca.crt"},
    "certificate": {"name": "client", "key": "tls.crt"},
    "private_key": {"name": "client", "key": "tls.key"},
}


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({}, {"airflow-runtime", "mysql-users-secrets", "hopsfs-operator-tls"}),
        (
            {
                "airflow_namespace": "b",
                "airflow_keys_secret": "keys-b",
                "airflow_runtime_secret": "runtime-b",
                "airflow_database_password_secret": "login-b",
                "airflow_hopsfs_tls_secret": "superuser-b",
            },
            {"runtime-b", "login-b", "superuser-b"},
        ),
        (
            {"airflow_database_tls": FILES_OF_TLS},
            {"airflow-runtime", "mysql-users-secrets", "hopsfs-operator-tls", "authority", "client"},
        ),
        # With that mode no file of a CA is read.
        (
            {"airflow_database_tls": {**FILES_OF_TLS, "mode": "require"}},
            {"airflow-runtime", "mysql-users-secrets", "hopsfs-operator-tls", "client"},
        ),
    ],
)
def test_account_may_read_the_secrets_that_the_settings_name(role_rules, settings, read):
    secrets = [rule for rule in role_rules(**settings) if "secrets" in rule["resources"]]
    assert all(rule["resources"] == ["secrets"] and rule["resourceNames"] for rule in secrets)
    by_name = {name: set(rule["verbs"]) for rule in secrets for name in rule["resourceNames"]}
    assert by_name.pop(settings.get("airflow_keys_secret", "hopsworks-airflow-keys")) == {"get", "patch"}
    assert by_name == {name: {"get"} for name in read}


class Unsafe(str):
    """A text in which nothing is a template."""


yaml.SafeLoader.add_constructor("!unsafe", lambda _loader, node: Unsafe(node.value))
yaml.SafeDumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def made(tmp_path, kind, deployments):
    """What awx/configure.yml gives to a module of awx.awx, one set of arguments after the other."""
    (play,) = load("awx/configure.yml")
    tasks = []
    for task in play["tasks"]:
        if f"awx.awx.{kind}" in task:
            arguments = task.pop(f"awx.awx.{kind}")
            tasks.append({**task, "no_log": False, "ansible.builtin.debug": {"msg": {"made": arguments}}})
    play |= {"tasks": tasks, "vars_files": [str(CHECKOUT / "awx/settings.yml")]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    (tmp_path / "mine.yml").write_text(yaml.safe_dump({"awx_deployments": deployments}), encoding="utf-8")
    command = [TOOLS / "ansible-playbook", tmp_path / "play.yml", "-e", f"@{tmp_path / 'mine.yml'}", "-i", "localhost,"]
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    answer = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    results = re.findall(r"=> ({\n.*?^})", answer.stdout, re.MULTILINE | re.DOTALL)
    return [json.loads(result)["msg"]["made"] for result in results]


def test_each_of_several_deployments_uses_its_own_credential(tmp_path):
    deployments = [
        {"name": "one-a", "credential": "Cluster A", "variables": {"airflow_namespace": "a"}},
        {"name": "two", "credential": "Cluster B"},
        {"name": "three"},
    ]
    types = made(tmp_path, "credential_type", deployments)
    given = {kind["name"]: kind["injectors"].get("extra_vars") for kind in types}
    assert given == {
        "Kubeconfig of Airflow": None,
        "Kubeconfig of Airflow one-a": {"airflow_kubeconfig_of_one_a": "{{ tower.filename.kubeconfig }}"},
        "Kubeconfig of Airflow two": {"airflow_kubeconfig_of_two": "{{ tower.filename.kubeconfig }}"},
    }
    hosts = {host["name"]: host["variables"] for host in made(tmp_path, "host", deployments)}
    assert hosts["one-a"] == {
        "airflow_kubeconfig": "{{ airflow_kubeconfig_of_one_a }}",
        "airflow_namespace": "a",
    }
    assert hosts["two"] == {"airflow_kubeconfig": "{{ airflow_kubeconfig_of_two }}"}
    assert hosts["three"] == {}
    for template in made(tmp_path, "job_template", deployments):
        assert template["credentials"] == ["Airflow cluster", "Cluster A", "Cluster B"]


def test_names_that_are_alike_do_not_share_a_kubeconfig(tmp_path):
    """One would act upon the cluster of the other."""
    names = ["prod-eu", "prod_eu", "prod.eu", "prod"]
    deployments = [{"name": name, "credential": f"Cluster {name}"} for name in names]
    given = [[*kind["injectors"]["extra_vars"]] for kind in made(tmp_path, "credential_type", deployments)[1:]]
    used = [host["variables"]["airflow_kubeconfig"] for host in made(tmp_path, "host", deployments)]
    assert used == [f"{{{{ {variable} }}}}" for (variable,) in given]
    assert len(set(used)) == len(names)
    assert used[-1] == "{{ airflow_kubeconfig_of_prod }}"


def test_one_deployment_has_one_credential(tmp_path):
    deployments = [{"name": "production", "credential": "", "variables": {"airflow_namespace": "a"}}]
    assert [kind["name"] for kind in made(tmp_path, "credential_type", deployments)] == ["Kubeconfig of Airflow"]
    assert [host["variables"] for host in made(tmp_path, "host", deployments)] == [{"airflow_namespace": "a"}]
    for template in made(tmp_path, "job_template", deployments):
        assert template["credentials"] == ["Airflow cluster"]
