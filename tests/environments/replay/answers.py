# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What actions answer where no cluster is: the samples that their modules document, changed where a run goes on.

Takes the place of what an action does, in a copy of the collection; options are checked and defaults set as ever. The
file that HOPSWORKS_AIRFLOW_REPLAY names holds what actions of other processes have to know.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import pathlib
from typing import Any

import yaml

STATE: dict[str, Any] = {
    "stage": "old",
    "keys": "steady",
    "facts": {},
    "run": None,
    "calls": [],
    "fails": None,
    "settled": False,
}
BEGUN, ENDED = "2026-11-22T03:00:00.000+00:00", "2026-11-22T03:00:41.000+00:00"
CHANGING = (
    "generated_secret",
    "hopsfs_snapshot",
    "image_pull",
    "metadata_swap",
    "quiesce",
    "signing_keys",
    "workloads",
)


def answer(plugin: Any, task: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    file = pathlib.Path(os.environ["HOPSWORKS_AIRFLOW_REPLAY"])
    # A probe answers in the background, at the same time as others.
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = {**STATE, **json.loads(file.read_text(encoding="utf-8"))}
        result = _answer(plugin.__module__.rpartition(".")[2], task, parameters, state)
        file.write_text(json.dumps(state), encoding="utf-8")
    return result


def _answer(name: str, task: Any, parameters: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    check_mode = bool(task.check_mode)
    state["calls"].append([name, check_mode, parameters.get("namespace"), (parameters.get("lock") or {}).get("holder")])
    if not check_mode and state["fails"] == name:
        state["fails"] = None
        return {"failed": True, "msg": "Found: a canary\nExpected: none\nUntouched: all\nNext: go on"}
    result: dict[str, Any] = {"changed": name in CHANGING and not state["settled"], **documented(name)}
    result |= globals().get(f"_{name}", lambda *_given: {})(parameters, state, check_mode)
    return result


def documented(name: str) -> dict[str, Any]:
    module = importlib.import_module(f"ansible_collections.hopsworks.airflow.plugins.modules.{name}")
    return samples(yaml.safe_load(module.RETURN) or {})


def samples(returned: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in returned.items():
        content = value["sample"] if "sample" in value else samples(value.get("contains", {}))
        found[name] = [content] if value["type"] == "list" and not isinstance(content, list) else content
    return found


def _metadata_info(parameters, state, check_mode):
    fit = {"problems": [], "missing_privileges": [], "unfit": [], "unseen": [], "encrypted": None}
    paused = {"now": [], "waiting": [], "runs": []}
    moved = state["stage"] == "installed"
    return {"stage": state["stage"], **fit, "paused": paused, "moved": moved, "old_tables": "All are in their place."}


def _image_revision_info(parameters, state, check_mode):
    return {"revision": documented("metadata_info")["revision"]}


def _metadata_swap(parameters, state, check_mode):
    changed = state["stage"] != "installed"
    if not check_mode:
        state["stage"] = "installed"
    return {"changed": changed}


def _signing_keys_info(parameters, state, check_mode):
    after = {"activated": "2026-11-23T19:34:12Z"}
    return {"state": state["keys"], "due": True, "retire_after": after.get(state["keys"]), "age_seconds": 5_000_000}


def _signing_keys(parameters, state, check_mode):
    wanted = parameters.get("state")
    if wanted in ("published", "activated", "retired", "replaced", "steady") and not check_mode:
        state["keys"] = wanted
    return {"state": state["keys"]}


def _rolling_restart(parameters, state, check_mode):
    (sample,) = documented("rolling_restart")["workloads"]
    components = parameters["components"]
    return {"workloads": [{**sample, "name": name, "component": components[name]} for name in parameters["workloads"]]}


def _workloads(parameters, state, check_mode):
    names = parameters.get("names") or [each["metadata"]["name"] for each in parameters["definitions"]]
    done = {"kind": "Deployment", "action": parameters["state"], "seconds": 1.5}
    done["grace_seconds"] = None if state["settled"] else 600
    return {"workloads": [{"name": name, **done} for name in names]}


def _availability_probe(parameters, state, check_mode):
    if parameters.get("state") != "summary":
        asked = [f"{each.get('kind')} {each.get('name')}" for each in parameters.get("requests") or []]
        pathlib.Path(parameters["file"]).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(parameters["file"]).write_text("\n".join([*asked, ""]), encoding="utf-8")
    return {}


def _run_record(parameters, state, check_mode):
    wanted, run = parameters.get("state"), state["run"]
    if wanted == "open":
        attempt = {"by": parameters["by"], "begun": BEGUN, "ended": None}
        run = {"id": parameters["run"], "playbook": parameters["playbook"], "begun": BEGUN, "ended": None}
        run |= {"status": "running", "attempts": [attempt], "phases": []}
        state["run"] = run
    if done := parameters.get("done"):
        state["facts"][done] = parameters.get("facts") or {}
        run["phases"].append({"name": done, "status": "done", "attempt": 1, "begun": BEGUN, "ended": ENDED})
    if wanted == "failed":
        failed = {"name": parameters["begin"], "status": "failed", "failure": parameters["failure"]}
        run["phases"].append({**failed, "attempt": 1, "begun": BEGUN, "ended": ENDED})
    if wanted in ("finished", "failed"):
        run |= {"status": "done" if wanted == "finished" else "failed", "ended": ENDED}
    return {"run": run, "unfinished": False, "facts": state["facts"]}


def _run_report(parameters, state, check_mode):
    if parameters["state"] == "possible":
        return {}
    pathlib.Path(parameters["path"]).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(parameters["path"]).write_text(parameters["page"], encoding="utf-8")
    return {}
