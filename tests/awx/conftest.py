# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX starts them: folders, files and variables for ansible-runner, made from what awx/ says, and nothing else.

What AWX 24.6 gives to a job is read from its own source (awx/main/tasks/jobs.py).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
# Any user that no image knows, as OpenShift gives one to each namespace.
ARBITRARY_USER = 1000680000
# Ansible's `!unsafe`, a text in which nothing is a template. For the tests of this folder, too.
yaml.SafeLoader.add_constructor("!unsafe", lambda _loader, node: node.value)


def load(path):
    """The content of a YAML file of the checkout."""
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


SETTINGS = load("awx/settings.yml")
CONFIGURE = load("awx/configure.yml")


def configured(module):
    """The arguments of the tasks of awx/configure.yml that call a module of awx.awx."""
    return [task[f"awx.awx.{module}"] for task in CONFIGURE[0]["tasks"] if f"awx.awx.{module}" in task]


def template(name):
    """A job template of awx/settings.yml."""
    return next(row for row in SETTINGS["awx_templates"] if row["name"] == name)


def value(text):
    """A setting that may refer to one other setting, resolved."""
    reference = re.fullmatch(r"{{ (\w+) }}", text) if isinstance(text, str) else None
    return SETTINGS[reference.group(1)] if reference else text


def answers(name):
    """What a survey answers where nobody is there to be asked: its defaults."""
    questions = [SETTINGS["awx_questions"][key] for key in template(name).get("survey", [])]
    return {question["variable"]: value(question["default"]) for question in questions}


def deployment():
    """The bed's deployment, as host variables that know nothing of this machine's files."""
    variables = {}
    for key, setting in load("sandbox/inventory.yml")["airflow"]["vars"].items():
        text = json.dumps(setting)
        if file := re.search(r"lookup\('ansible.builtin.file', inventory_dir ~ '([^']+)'\) \| from_yaml", text):
            variables[key] = load(f"sandbox{file.group(1)}")
        elif "inventory_dir" not in text:
            variables[key] = setting
    return {**variables, "airflow_confirm": ""}


@dataclass
class Job:
    """A job template, launched for the bed: `answers` overrides the defaults of its survey."""

    folder: Path
    name: str
    image: str
    kubeconfig: Path | None = None
    answers: dict = field(default_factory=dict)
    host_variables: dict = field(default_factory=dict)
    check: bool = False
    # A project of the operator's own, which has no more than the playbooks of awx/; the collection is the image's.
    own_project: bool = False
    output: str = ""
    status: int | None = None

    def prepare(self):
        """Write what AWX writes into the job's private folder."""
        if self.folder.exists():
            shutil.rmtree(self.folder)
        for name in ("env", "inventory", "project", "artifacts"):
            (self.folder / name).mkdir(parents=True)
        self._check_out()
        variables = {**deployment(), **self.host_variables}
        # AWX gives the inventory as a program that prints it.
        inventory = {"airflow": {"hosts": ["sandbox"]}, "_meta": {"hostvars": {"sandbox": variables}}}
        hosts = self.folder / "inventory/hosts"
        hosts.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(inventory)!r})\n", encoding="utf-8")
        hosts.chmod(0o700)
        meta = {"awx_job_id": 1, "awx_user_name": "operator"}
        extra = {**meta, **template(self.name).get("extra_vars", {}), **answers(self.name), **self.answers}
        self._write("extravars", json.dumps(extra))
        self._write("envvars", json.dumps(self._variables()))
        self._write("cmdline", shlex.join(["-u", "root", *(["--check"] if self.check else [])]))
        if self.kubeconfig:
            self._write("tmp1a2b3c", self.kubeconfig.read_text(encoding="utf-8"))

    def _check_out(self):
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        if self.own_project:
            listing.append(SETTINGS["awx_project"]["playbooks"])
        files = subprocess.run(listing, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, files.split("\0")):
            source, target = CHECKOUT / name, self.folder / "project" / name
            if os.path.lexists(source):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)

    def _write(self, name, content):
        path = self.folder / "env" / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)

    def _variables(self):
        variables = {
            "JOB_ID": "1",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_COLLECTIONS_PATH": ":".join(
                [
                    "/runner/requirements_collections",
                    # AWX adds what the project's ansible.cfg says.
                    *([] if self.own_project else [".collections"]),
                    "~/.ansible/collections",
                    "/usr/share/ansible/collections",
                ]
            ),
        }
        if self.kubeconfig:
            credential_type, _of_one_deployment = configured("credential_type")
            injected = credential_type["injectors"]["env"]
            variables |= dict.fromkeys(injected, "/runner/env/tmp1a2b3c")
        return variables

    @property
    def playbook(self):
        return f"{SETTINGS['awx_project']['playbooks']}/{template(self.name)['playbook']}"

    def on_execution_node(self, timeout=900):
        """Run it as AWX does outside Kubernetes: ansible-runner starts the container, as root in it."""
        self.prepare()
        command = [
            TOOLS / "ansible-runner",
            "run",
            self.folder,
            f"--playbook={self.playbook}",
            "--ident=1",
            "--process-isolation",
            "--process-isolation-executable=docker",
            f"--container-image={self.image}",
            "--container-option=--user=root",
            "--container-option=--network=host",  # the bed listens on loopback
        ]
        return self._finish(subprocess.run(command, stdin=subprocess.DEVNULL, check=False, **self._quiet(timeout)))

    def in_pod(self, timeout=900):
        """Run it as AWX does in a container group: the image works as any user, all goes through its streams."""
        self.prepare()
        runner = str(TOOLS / "ansible-runner")
        # Not by pipes: a part that fails must be seen to fail.
        sent = subprocess.run(
            [runner, "transmit", self.folder, f"--playbook={self.playbook}", "--ident=1"],
            cwd="/",
            env=ENVIRONMENT,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=timeout,
        ).stdout
        worked = subprocess.run(
            shlex.split(
                f"docker run --interactive --rm --network=host --user={ARBITRARY_USER}:0 {self.image} "
                "ansible-runner worker --private-data-dir=/runner"
            ),
            input=sent,
            stdout=subprocess.PIPE,
            check=False,
            timeout=timeout,
        ).stdout
        command = [runner, "process", self.folder]
        return self._finish(subprocess.run(command, input=worked, check=False, **self._quiet(timeout)))

    def _quiet(self, timeout):
        """No terminal anywhere."""
        return {
            "cwd": "/",
            "env": ENVIRONMENT,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "timeout": timeout,
        }

    def _finish(self, answer):
        self.output = re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout.decode(errors="replace"))
        self.status = answer.returncode
        return self

    @property
    def recap(self):
        """The counters of Ansible's last lines: `ok`, `changed`, `failed` ... of the one host."""
        lines = re.findall(r"^sandbox\s*: (.*)$", self.output, re.MULTILINE)
        assert lines, f"the job ended before any play did:\n{self.output[-4000:]}"
        return {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", lines[-1])}

    def artifacts(self):
        """All that AWX keeps of the job: its output and its events. Not the credential's file, which it deletes."""
        texts = [self.output]
        texts += [path.read_text(errors="replace") for path in (self.folder / "artifacts").rglob("*") if path.is_file()]
        return "\n".join(texts)


def run_playbook(*arguments):
    """Run one of the playbooks of awx/. Its output, where it succeeds."""
    answer = subprocess.run(
        ["ansible-playbook", *arguments],
        cwd=CHECKOUT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-4000:]
    return answer.stdout


@pytest.fixture(scope="session")
def image():
    """The execution environment of the checkout as it stands, on the bed's base image."""
    run_playbook("awx/execution_environment.yml", "-e", "awx_base_image=bed/debian:bookworm")
    return SETTINGS["awx_execution_environment"]["image"]


@pytest.fixture(scope="session")
def service_account(tmp_path_factory):
    """The kubeconfig of the least-privilege account, on the bed."""
    path = tmp_path_factory.mktemp("credential") / "kubeconfig"
    run_playbook("awx/service_account.yml", "-i", "sandbox/inventory.yml", "-e", f"awx_kubeconfig_file={path}")
    return path


@pytest.fixture
def launch(image, tmp_path):
    """Makes a job of a template, by name."""

    def make(name, **details):
        return Job(tmp_path / "job", name, image, **details)

    return make
