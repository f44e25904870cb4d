# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the metadata database as Ansible runs them, against a MariaDB and an Airflow image on the bed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.hopsworks.airflow.tests.integration.access import ROOT

from .conftest import NAMESPACE, PASSWORD

IMAGE = "bed/airflow:3.0.6"
RUN = "20261122t030000"


def migrate(**more):
    return {"deployment": "lab", "run": RUN, "image": IMAGE, **more}


def reset(**more):
    return {"deployment": "lab", "run": RUN, "confirm": "lab", "record": "lab-record", **more}


def test_the_whole_way_there_and_back(laboratory, old, tmp_path):
    lab, before = laboratory, laboratory.content(old)
    dropped = lab.logged("drop database")

    info = lab.run("metadata_info", lab.arguments(old))
    assert (info["stage"], info["revision"], info["missing_privileges"]) == ("old", "03afc6b6f902", [])

    for module, arguments in (
        ("metadata_migrate", migrate()),
        ("metadata_dump", {"run": RUN, "directory": str(tmp_path / "dumps")}),
        ("quiesce", {"deployment": "lab", "state": "quiesced"}),
        ("quiesce", {"deployment": "lab", "state": "resumed"}),
        ("metadata_swap", reset()),
    ):
        arguments = lab.arguments(old, **arguments)
        predicted = lab.run(module, arguments, "--check", "--diff")
        assert predicted["changed"], (module, predicted)
        if module != "quiesce":
            assert lab.content(old) == before
        made = lab.run(module, arguments, "--diff")
        assert made["changed"], (module, made)
        again = lab.run(module, arguments)
        assert not again["changed"], (module, again)

    aside = f"{old}_before_{RUN}"
    assert lab.content(aside) == before
    info = lab.run("metadata_info", lab.arguments(old))
    assert (info["stage"], info["revision"]) == ("installed", "fe199e1abd77")
    assert lab.sql(f"SHOW TABLES FROM {old}_beside").split() == ["hopsworks_airflow_paused"]
    memory = lab.cluster.core.read_namespaced_config_map("lab-record", NAMESPACE).data["installed"]
    assert json.loads(memory)["run"] == RUN

    back = lab.arguments(old, **reset(state="restored", run="20261123t090000"))
    assert lab.run("metadata_swap", back, "--check")["changed"]
    assert lab.run("metadata_swap", back)["changed"]
    assert not lab.run("metadata_swap", back)["changed"]
    assert lab.content(old) == before
    assert lab.logged("drop database") == dropped
    assert lab.jobs() == []
    assert "CANARY" not in lab.transcript


def test_drop_wants_a_rehearsed_dump_and_drops_once(laboratory, old, tmp_path):
    lab = laboratory
    lab.run("metadata_migrate", lab.arguments(old, **migrate()))
    dropped = lab.logged("drop database")
    own = old.replace("_", "\\_")
    lab.sql(f"GRANT EXECUTE, EVENT, TRIGGER, LOCK TABLES ON `{own}`.* TO airflow@'%'")
    refused = lab.run("metadata_swap", lab.arguments(old, **reset(method="drop")))
    assert refused["failed"]
    assert "no rehearsed dump" in refused["failure"]["found"]

    dump = lab.run("metadata_dump", lab.arguments(old, run=RUN, directory=str(tmp_path / "dumps")))
    assert stat.S_IMODE(os.stat(dump["path"]).st_mode) == 0o600
    rehearse = {"deployment": "lab", "state": "rehearsed", "dump": dump["path"], "schema": f"{old}_rehearsal"}
    rehearsal = lab.run("metadata_restore", lab.arguments(old, **rehearse))
    assert rehearsal["rehearsed_dump"]["tables"]["log"]["rows"] == 20000
    assert lab.sql(f"SHOW TABLES FROM {old}_rehearsal") == ""

    drop = reset(method="drop", rehearsed_dump=rehearsal["rehearsed_dump"])
    assert lab.run("metadata_swap", lab.arguments(old, **drop))["changed"]
    assert not lab.run("metadata_swap", lab.arguments(old, **drop))["changed"]
    assert lab.logged("drop database") == dropped + 1

    restore = {"deployment": "lab", "state": "restored", "dump": dump["path"], "schema": f"{old}_restored"}
    assert lab.run("metadata_restore", lab.arguments(old, **restore))["changed"]
    assert not lab.run("metadata_restore", lab.arguments(old, **restore))["changed"]
    assert lab.sql("SELECT val FROM variable", f"{old}_restored").strip() == "Grüß Gott"
    assert "CANARY" not in lab.transcript


def test_the_password_is_in_no_process_list_and_no_event(laboratory, old, tmp_path):
    """Looked for in the pods of the tools and in the whole machine that runs the bed, while tools are at work."""
    lab, seen, stop = laboratory, set(), threading.Event()

    def look():
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if b"mariadb-dump" in text or b"airflow" in text:
                    seen.add(text)
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        lab.run("metadata_migrate", lab.arguments(old, **migrate()))
        lab.run("metadata_dump", lab.arguments(old, run=RUN, directory=str(tmp_path / "dumps")))
    finally:
        stop.set()
        thread.join()

    assert any(b"--defaults-file=/dev/stdin" in text and b"mariadb-dump" in text for text in seen)
    assert any(b"db\0migrate" in text for text in seen)
    needles = (b"CANARY", PASSWORD.encode(), b"CANARY-db-p%C3%A4")
    assert not [text for text in seen if any(needle in text for needle in needles)]
    events = json.dumps(lab.cluster.plain(lab.cluster.core.list_namespaced_event(NAMESPACE)))
    assert "CANARY" not in events
    assert "CANARY" not in lab.shell("cat /var/lib/mysql/general.log")


def test_a_migration_that_was_killed_is_begun_again(laboratory, old):
    lab = laboratory
    arguments = lab.arguments(old, **migrate())
    process = subprocess.Popen(
        lab.command("metadata_migrate", arguments),
        cwd=ROOT,
        env=lab.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not any(pod.status.phase == "Running" for pod in migration_pods(lab)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    orphan = lab.jobs()
    assert len(orphan) == 1
    state = lab.run("metadata_info", lab.arguments(old))["workspace"]["state"]
    assert state == "building"

    result = lab.run("metadata_migrate", arguments)

    assert result["changed"], result
    assert result["revision"] == "fe199e1abd77"
    assert lab.jobs() == []
    deadline = time.monotonic() + 60
    while migration_pods(lab):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def migration_pods(lab):
    selector = "hopsworks.airflow/action=migrate"
    return lab.cluster.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items


def test_any_user_of_group_0_can_migrate(laboratory, old):
    pod = {"security_context": {"runAsUser": 1000680000, "runAsGroup": 0, "runAsNonRoot": True}}

    result = laboratory.run("metadata_migrate", laboratory.arguments(old, **migrate(pod=pod)))

    assert result["revision"] == "fe199e1abd77", result


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"image": "bed/nosuch:1"}, "ImagePull|ErrImage"),
        ({"image": "Not An Image"}, "InvalidImageName"),
        ({"image": "bed/nginx:1"}, "exit code 127"),
        ({"image": "bed/airflow:1.10.15"}, "exit code"),
        ({"pod": {"priority_class": "nosuch"}}, "nosuch"),
        ({"pod": {"environment": [{"name": "AIRFLOW_HOME", "value": "/proc/nowhere"}]}}, "exit code"),
    ],
)
def test_a_migration_that_fails_says_why_at_once(laboratory, old, changes, match):
    lab, begun = laboratory, time.monotonic()

    failed = lab.run("metadata_migrate", lab.arguments(old, **migrate(**changes)))

    assert failed["failed"]
    assert any(part in failed["failure"]["found"] for part in match.split("|")), failed["failure"]
    assert time.monotonic() - begun < 90
    assert lab.jobs() == []
    assert lab.run("metadata_info", lab.arguments(old))["stage"] == "old"
    assert "CANARY" not in lab.transcript


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"port": 3999}, "answered 2013"),
        ({"host": "nosuch"}, "does not resolve"),
        ({"password_secret": {"name": "mysql-users-secrets", "key": "root"}}, "answered 1045"),
        ({"password_secret": {"name": "mysql-users-secrets", "key": "nosuch"}}, "no entry nosuch"),
        ({"password_secret": {"name": "nosuch", "key": "airflow"}}, "there is no such Secret"),
    ],
)
def test_a_database_that_cannot_be_read_is_refused(laboratory, old, changes, match):
    for module, arguments in (("metadata_swap", reset()), ("metadata_info", {}), ("quiesce", {"deployment": "lab"})):
        arguments = laboratory.arguments(old, **arguments)
        arguments["database"] = {**arguments["database"], **changes}

        refused = laboratory.run(module, arguments)

        assert refused["failed"]
        assert match in refused["failure"]["found"]
        assert set(refused["failure"]) == {"found", "expected", "untouched", "next_step", "evidence"}
