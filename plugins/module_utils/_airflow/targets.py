# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe requests of Airflow and with which identity; the probe as an action, with its start and its summary."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._common.failure import OperatorError
from .._common.private_file import writing
from .._probe import measurement
from .._probe.answers import Expected, Learnt, has_member, is_json
from .._probe.availability import Prober
from .._probe.requester import Target
from .identity import Identity, browser, client, task
from .login import password_of
from .rest import AirflowApi
from .token import signing_key

if TYPE_CHECKING:
    from .._kubernetes.call import Call

# No task instance has this UUID: theirs are of version 7.
TASK = str(uuid.uuid4())
# The path of each kind of request, and what the response's body must have, because other servers may also answer 200.
KINDS = {
    "version": ("/api/v2/version", has_member("version")),
    "rest": ("/api/v2/dags?limit=1", has_member("dags")),
    "session": ("/api/v2/dags?limit=1", has_member("dags")),
    "task_api": (f"/execution/task-reschedules/{TASK}/start_date", is_json),
}


def identities(call: Call, kinds: set[str]) -> dict[str, Identity]:
    """The identity for each kind of request that is not anonymous. `task_api` only asks for a task with this UUID."""
    params = call.params
    made: dict[str, Identity] = {}

    def api() -> AirflowApi:
        return AirflowApi(params["url"], params["ca_file"], verify=params["verify"])

    for kind, option in (("rest", "login"), ("session", "login"), ("task_api", "task_token")):
        if kind in kinds and not params[option]:
            problem = f"`requests` has one of kind {kind}, but `{option}` is missing"
            raise refused(problem, f"`{option}`, to get a token with", f"set `{option}`, or remove that request")
    if kinds & {"rest", "session"}:
        user, password = params["login"]["user"], password_of(call.cluster, params["login"])
        makers = (("rest", client), ("session", browser))
        made = {kind: make(api, user, password) for kind, make in makers if kind in kinds}
    if "task_api" in kinds:
        given = params["task_token"]

        def key() -> Any:
            return signing_key(call.cluster.secret_entries(given["secret"]) or {}, given["signer"], given["secret"])

        claims = {"audience": given["audience"], "issuer": given["issuer"]}
        made["task_api"] = task(api, key, TASK, claims, given["seconds"])
    return made


def check_options(params: dict[str, Any]) -> None:
    """Raises OperatorError for names that are not unique in the result, and for impossible numbers."""
    step = "correct the option, and run the same command again"
    names = [*(params["urls"] or {}), *(request["name"] or request["kind"] for request in params["requests"] or [])]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        problem = f"{', '.join(twice)} is the name of more than one of `urls` and `requests`"
        raise refused(problem, "a unique name for each (`requests[].name`)", step)
    if not (params["interval"] > 0 and params["answer_within"] > 0):
        problem = f"`interval` is {params['interval']} s, `answer_within` {params['answer_within']} s"
        raise refused(problem, "numbers greater than 0", step)


def refused(problem: str, expected: str, step: str) -> OperatorError:
    return OperatorError(problem, expected=expected, untouched="everything; no request was sent", next_step=step)


def targets(call: Call) -> list[Target]:
    check_options(call.params)
    wanted = call.params["requests"] or []
    who = identities(call, {request["kind"] for request in wanted})
    found = [Target(name, url, Learnt(url)) for name, url in (call.params["urls"] or {}).items()]
    for request in wanted:
        kind, statuses = request["kind"], frozenset(request["statuses"])
        path, marker = KINDS[kind]
        usual = statuses == {200} and not request["url"]
        found.append(
            Target(
                request["name"] or kind,
                request["url"] or call.params["url"].rstrip("/") + path,
                Expected(statuses, marker if usual else None),
                who.get(kind),
                request["keep_alive"],
            )
        )
    return found


def probing(call: Call, file: Path, stop_file: Path) -> dict[str, Any]:
    params = call.params
    stop_file.unlink(missing_ok=True)
    name = params["probe"] or uuid.uuid4().hex
    try:
        prober = Prober(
            targets(call),
            file,
            interval_seconds=params["interval"],
            timeout_seconds=params["answer_within"],
            ca_file=params["ca_file"],
            verify=params["verify"],
            probe=name,
            learn=params["learn"],
        )
    except OperatorError as error:
        # The result of an asynchronous task is not shown; the task that waits for its start reads the file.
        writer = measurement.Writer(file)
        writer.line(measurement.begun(measurement.Probe(name, time.time(), failure=error.as_result())))
        writer.close()
        raise
    ended = prober.run(stop_file, seconds=params["seconds"], process_id=params["watch_process"])
    # Tells the task that requested the end that no more samples will come.
    stop_file.unlink(missing_ok=True)
    return {"requests": prober.requests, "ended_because": ended}


def act(call: Call) -> dict[str, Any]:
    file, stop_file = Path(call.params["file"]), Path(call.params["stop_file"])
    if call.params["state"] == "summary":
        result = measurement.end(file, stop_file, call.params["probe"], call.params["windows"])
        for problem in result["problems"]:
            call.warn(problem)
        return result
    # The error of an asynchronous probe about a file that it cannot write is not shown, so the task that waits for it
    # tries as well.
    with writing(file):
        measurement.Writer(file).close()
    if call.params["state"] == "begun":
        return {"names": measurement.wait_until_begun(file, call.params["probe"], call.params["seconds"])}
    return probing(call, file, stop_file)
