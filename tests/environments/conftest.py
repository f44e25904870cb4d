# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import matrix
import pytest
import yaml
from packaging.requirements import Requirement

ALL = os.environ.get("HOPSWORKS_AIRFLOW_ALL_ENVIRONMENTS") == "1"
NAMES = ["2.19", *(environment.name for environment in matrix.ENVIRONMENTS)]


def made(name):
    """The environment of that name; skips the test, or fails it where all are wanted, if no interpreter is there."""
    if name == "2.19":
        return matrix.of_this_interpreter()
    environment = next(each for each in matrix.ENVIRONMENTS if each.name == name)
    found = matrix.make(environment)
    if found is None:
        reason = f"{name} ({environment.packages[0]}) was not run: no Python {' or '.join(environment.pythons)} here"
        (pytest.fail if ALL else pytest.skip)(reason)
    return found


def pytest_collection_modifyitems(config, items):
    """Leaves out the environments that a test's mark `environments` doesn't name."""
    left_out = []
    for item in items:
        only = item.get_closest_marker("environments")
        if only is not None and item.callspec.params["environment"] not in only.args:
            left_out.append(item)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def environment(request):
    """Each of the environments; all tests of one run in one worker, which makes it."""
    return made(request.param)


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in (NAMES[1], NAMES[-1])]
)
def end(request):
    """The oldest and the newest of them, for what needs no version between."""
    return made(request.param)


@pytest.fixture(scope="session")
def newest():
    return made(NAMES[-1])


@pytest.fixture(scope="session")
def ranges():
    """What README.md tells to install, by name."""
    found = map(Requirement, matrix.ranges())
    return {requirement.name.lower(): requirement.specifier for requirement in found}


# What a client asks for before anything else.
DISCOVERED = {
    "/version": {
        **dict.fromkeys(("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "none"),
        "major": "1",
        "minor": "34",
        "gitVersion": "v1.34.4",
    },
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
}


@dataclass
class Refusing:
    """An API server that allows nothing. It keeps what was asked for, and by whom.

    It refuses in the place of Airflow, too: for the heartbeats of one that isn't there, status.yml waits a minute.
    """

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def api_server():
    class Handler(BaseHTTPRequestHandler):
        refusing: ClassVar[Refusing]

        def answer(self):
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if not self.path.startswith("/api/v2/"):
                self.refusing.requests.append((f"{self.path} {sent}", self.headers.get("Authorization", "")))
            told, code = DISCOVERED.get(self.path.rstrip("/")), 200
            if told is None:
                told, code = {"kind": "Status", "code": 403, "message": "canary: it allows nothing"}, 403
            body = json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.refusing = Refusing(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Handler.refusing
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def checkout():
    """A collections path in which this checkout is the collection."""
    return matrix.CHECKOUT / ".collections"


@pytest.fixture(scope="session")
def replayed(environment, tmp_path_factory):
    """The collection with answers in the place of what its actions do."""
    folder = tmp_path_factory.mktemp("replayed")
    collections = folder / "ansible_collections"
    ours, theirs = collections / "hopsworks/airflow", collections / "kubernetes/core"
    for part in ("galaxy.yml", "meta", "playbooks", "plugins", "roles"):
        copy = shutil.copytree if (matrix.CHECKOUT / part).is_dir() else shutil.copy
        (ours / part).parent.mkdir(parents=True, exist_ok=True)
        copy(matrix.CHECKOUT / part, ours / part)
    answers = matrix.HERE / "replay/answers.py"
    shutil.copy(answers, ours / "plugins/plugin_utils/answers.py")
    with (ours / "plugins/plugin_utils/in_process.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\nfrom ansible_collections.hopsworks.airflow.plugins.plugin_utils.answers import answer\n"
            "InProcess._perform = lambda self, parameters, _warn: answer(type(self), self._task, parameters)\n"
        )
    shutil.copytree(environment.collections / "ansible_collections/kubernetes/core", theirs)
    return folder


@pytest.fixture
def inventory(tmp_path):
    """Writes README's inventory, with variables in the place of its kubeconfig, or beside the rest."""

    def write(**variables):
        text = (matrix.CHECKOUT / "README.md").read_text(encoding="utf-8")
        shown = text.split("```yaml\n", 1)[1].split("```", 1)[0]
        described = yaml.safe_load(shown)
        host = described["airflow"]["hosts"]["production"]
        del host["airflow_kubeconfig"]
        host |= {"airflow_run_directory": str(tmp_path / "runs"), **variables}
        path = tmp_path / "inventory.yml"
        path.write_text(yaml.safe_dump(described), encoding="utf-8")
        return str(path)

    return write
