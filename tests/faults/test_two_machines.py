# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Two machines with a network each, and a server that both reach until one is cut off. Needs root, and no cluster.

A machine is a namespace of host names and one of networks; the API server is that of the unit tests.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORT = 6443
SERVER = f"""
import json, sys, threading
sys.path.insert(0, {str(ROOT / ".collections")!r})
from ansible_collections.hopsworks.airflow.tests.unit.api_server import ApiServer

class Observed(ApiServer):
    def perform(self, method, path, query, body):
        answer = super().perform(method, path, query, body)
        if method != "GET" and answer[0] < 300:
            with self.lock:
                print(json.dumps([path.rpartition("/")[0].rpartition("/")[2], body]), flush=True)
        return answer

Observed(("0.0.0.0", {PORT}))
threading.Event().wait()
"""
# A Lease of 12 s instead of 60, and everything else in proportion.
MACHINE = f"""
import json, sys, time
sys.path.insert(0, {str(ROOT / ".collections")!r})
import kubernetes.client
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.cluster import Cluster
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.retrying_client import RetryingClient
from ansible_collections.hopsworks.airflow.plugins.module_utils._run import keeper, lock
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._common import processes

lock.DURATION_SECONDS = keeper.DURATION_SECONDS = 12
keeper.MARGIN_SECONDS, keeper.RENEWAL_SECONDS = 4, 2
address, name = sys.argv[1:]
configuration = kubernetes.client.Configuration()
configuration.host, configuration.retries, configuration.proxy = f"http://{{address}}:{PORT}", False, None
cluster = Cluster(RetryingClient(configuration), "lab")

def say(what, **more):
    print(json.dumps({{"what": what, "at": time.monotonic(), **more}}), flush=True)

def act(cluster, _warn):
    number = 0
    while True:
        cluster.core.create_namespaced_config_map("lab", {{"metadata": {{"name": f"{{name}}-{{number}}"}}}})
        number += 1
        time.sleep(0.1)

while True:
    try:
        lock.Lock(cluster, "airflow-runbook").acquire(name, processes.controller_process(processes.playbook_process()))
        break
    except OperatorError as error:
        say("refused", found=error.found)
        time.sleep(0.5)
say("holds it")
for _attempt in range(2):
    try:
        keeper.Keeper(cluster, "airflow-runbook", name).perform(act, print)
    except OperatorError as error:
        say("ended", found=error.found)
"""


class Program:
    """One that runs somewhere else and writes a line of JSON about each thing that happens."""

    def __init__(self, command: list[str], output: pathlib.Path) -> None:
        self._output = output
        with output.open("wb") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=subprocess.PIPE)

    def said(self) -> list[Any]:
        *lines, _unfinished = self._output.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines]

    def until(self, right: Callable[[list[Any]], bool]) -> list[Any]:
        while not right(self.said()):
            assert self.process.poll() is None, self.process.stderr.read() if self.process.stderr else ""
            time.sleep(0.05)
        return self.said()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Place:
    """Three namespaces of networks: a server, and two machines with a line to it each."""

    MACHINES = ("one", "two")

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._programs = folder, list[Program]()
        self._prefix = f"airflow{os.getpid()}"
        for name in ("server", *self.MACHINES):
            ip("netns", "add", self._name(name))
        for number, name in enumerate(self.MACHINES):
            here, there = self._name("server"), self._name(name)
            ip("-n", here, "link", "add", name, "type", "veth", "peer", "name", "server", "netns", there)
            ip("-n", here, "address", "add", f"10.213.{number}.1/24", "dev", name)
            ip("-n", there, "address", "add", f"10.213.{number}.2/24", "dev", "server")
            ip("-n", here, "link", "set", name, "up")
            ip("-n", there, "link", "set", "server", "up")
        self.server = self._run(["ip", "netns", "exec", self._name("server"), sys.executable, "-c", SERVER], "server")

    def _name(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def machine(self, name: str) -> Program:
        address = f"10.213.{self.MACHINES.index(name)}.1"
        inside = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
        program = [sys.executable, "-c", MACHINE, address, name]
        return self._run(["ip", "netns", "exec", self._name(name), *inside, *program], name)

    def line(self, name: str, state: str) -> None:
        ip("-n", self._name("server"), "link", "set", name, state)

    def _run(self, command: list[str], name: str) -> Program:
        self._programs.append(Program(command, self._folder / name))
        return self._programs[-1]

    def end(self) -> None:
        for program in self._programs:
            program.end()
        for name in ("server", *self.MACHINES):
            ip("netns", "delete", self._name(name))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.end()


def notes(said: list[Any]) -> list[str]:
    """Who wrote, in the order of the server."""
    names = [(body or {}).get("metadata", {}).get("name", "") for _kind, body in said]
    return [name.partition("-")[0] for name in names if name.startswith(("one-", "two-"))]


def of(program: Program, what: str) -> list[Any]:
    return [line for line in program.said() if line["what"] == what]


def test_a_machine_that_is_cut_off_has_ended_its_action_before_another_begins(place: Place) -> None:
    one = place.machine("one")
    place.server.until(lambda said: notes(said).count("one") >= 10)
    two = place.machine("two")
    two.until(lambda said: any("one is working on this deployment" in line["found"] for line in said))
    place.line("one", "down")
    one.until(lambda said: any(line["what"] == "ended" for line in said))
    two.until(lambda said: any(line["what"] == "holds it" for line in said))
    place.server.until(lambda said: notes(said).count("two") >= 10)
    place.line("one", "up")
    # It asks again, as the rescue of its playbook would, and is told who works now.
    one.until(lambda said: len([line for line in said if line["what"] == "ended"]) == 2)
    written = notes(place.server.until(lambda said: notes(said).count("two") >= 30))
    assert written == ["one"] * written.count("one") + ["two"] * written.count("two")
    cut_off, refused = of(one, "ended")
    assert "has not confirmed this run's lock" in cut_off["found"]
    assert "two is working on this deployment" in refused["found"]
    assert cut_off["at"] < of(two, "holds it")[0]["at"]
