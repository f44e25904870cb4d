# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._common.documents import parse as decoded
from .._common.failure import OperatorError
from .._common.redaction import redact
from .._kubernetes.clock import time_of
from .._kubernetes.execute import execute
from .executors import tasks_in_scheduler

try:
    from kubernetes.client.exceptions import ApiException
except ImportError:  # reported by the module's own requirement check
    ApiException = Exception

if TYPE_CHECKING:
    from .._kubernetes.cluster import Cluster

MARK = "hopsworks.airflow configuration: "
TIMEOUT_SECONDS = 120
ATTEMPTS = 3
# The options to read, by their names in the answer. None of them are secret.
OPTIONS = {
    "executor": ("core", "executor"),
    "base_url": ("api", "base_url"),
    "jwt_expiration_time": ("api_auth", "jwt_expiration_time"),
    "jwt_cli_expiration_time": ("api_auth", "jwt_cli_expiration_time"),
    "jwt_leeway": ("api_auth", "jwt_leeway"),
    "jwt_algorithm": ("api_auth", "jwt_algorithm"),
    "jwt_kid": ("api_auth", "jwt_kid"),
    "jwt_issuer": ("api_auth", "jwt_issuer"),
    "jwt_audience": ("api_auth", "jwt_audience"),
    "trusted_jwks_url": ("api_auth", "trusted_jwks_url"),
    "task_jwt_expiration_time": ("execution_api", "jwt_expiration_time"),
    "task_jwt_audience": ("execution_api", "jwt_audience"),
    "task_queued_timeout": ("scheduler", "task_queued_timeout"),
    "scheduler_health_check_threshold": ("scheduler", "scheduler_health_check_threshold"),
    "scheduler_heartbeat_sec": ("scheduler", "scheduler_heartbeat_sec"),
    "job_heartbeat_sec": ("scheduler", "job_heartbeat_sec"),
    "triggerer_heartbeat_sec": ("triggerer", "job_heartbeat_sec"),
}
SECONDS = (
    "jwt_expiration_time",
    "jwt_cli_expiration_time",
    "jwt_leeway",
    "task_jwt_expiration_time",
    "task_queued_timeout",
    "scheduler_health_check_threshold",
    "scheduler_heartbeat_sec",
    "job_heartbeat_sec",
    "triggerer_heartbeat_sec",
)
HEARTBEATS = ("scheduler_heartbeat_sec", "job_heartbeat_sec", "triggerer_heartbeat_sec")
TOKEN_LIVES = ("jwt_expiration_time", "jwt_cli_expiration_time", "task_jwt_expiration_time")
# From 3.2 on, a queued task's token is valid for as long as it may be queued (airflow/executors/workloads/base.py).
QUEUED_TOKENS_SINCE = (3, 2)

# Asks Airflow itself, because defaults differ between versions. A launcher may set options only in the environment of
# the component, so the program uses the component's own environment, or that of this command if it cannot be read.
PROGRAM = """
import importlib, json, os, re, sys, time

def environment(process):
    try:
        with open("/proc/%d/environ" % process, "rb") as stream:
            text = stream.read().decode("utf-8", "surrogateescape")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split(chr(0)) if "=" in entry)

def is_components(variables):
    return any(name.startswith("AIRFLOW_") for name in variables)

mine = (os.getpid(), os.getppid())
processes = sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in mine)
found = next((process for process in processes if is_components(environment(process))), None)
if found is not None:
    variables = environment(found)
    os.environ.clear()
    os.environ.update(variables)
# Else the import would connect to the database and set up logging.
os.environ["_AIRFLOW__AS_LIBRARY"] = "1"
from airflow import __version__
from airflow.configuration import conf

wanted = json.loads(sys.argv[2])
answer = {name: conf.get(section, option, fallback=None) for name, (section, option) in wanted.items()}

def is_local(path):
    module, _, name = path.rpartition(".")
    try:
        return bool(getattr(importlib.import_module(module), name).is_local)
    except Exception:
        return None

classes = [name for name in re.split("[,;:=]", answer["executor"] or "") if "." in name]
answer["executor_is_local"] = {name.strip(): is_local(name.strip()) for name in classes}
answer.update(airflow_version=__version__, of_component=found is not None, time=time.time())
print(chr(10) + sys.argv[1] + json.dumps(answer), flush=True)
"""


def read(cluster: Cluster, pod: str, container: str, python: str) -> dict[str, Any]:
    """The configuration of Airflow in a running container, and the difference of its clock to the API server's.

    OPTIONS by name (seconds as numbers, None if not set), and:
    `tasks_in_scheduler`, whether tasks run in the scheduler's pod, None if an executor is unknown;
    `airflow_version`; `of_component`, whether the component's own environment could be read;
    `heartbeat_seconds`, the longest heartbeat interval of the components;
    `longest_token_seconds`, after which no token that exists now is still valid, including the leeway;
    `clock_skew_seconds`, positive if the pod's clock is ahead, accurate to a second. Raises OperatorError if Airflow
    cannot be asked.
    """
    output = bytearray()
    arrived = 0.0

    def take(chunk: bytes) -> None:
        nonlocal arrived
        output.extend(chunk)
        arrived = time.monotonic()

    command = [python, "-c", PROGRAM, MARK, json.dumps(OPTIONS)]
    code, errors = execute(cluster, pod, container, command, stdout=take, timeout_seconds=TIMEOUT_SECONDS)
    found = parse(output.decode("utf-8", "replace"))
    if code != 0 or found is None:
        raise OperatorError(
            f"asking Airflow in container {container} of pod {pod} for its configuration ended with code {code}",
            expected="an answer of `airflow.configuration`",
            untouched="everything; this only reads",
            next_step=(
                "check that the container runs Airflow 3, and that `python` is the interpreter of its environment, "
                "then run the same command again"
            ),
            evidence=tuple(redact(errors).strip().splitlines()[-5:]),
        )
    now = time_of(cluster)
    skew = None
    if now is not None:
        # The API server's time has whole seconds, so the middle of that second is accurate to half a second.
        skew = round(found["time"] + (time.monotonic() - arrived) - (now.timestamp() + 0.5), 1)
    local = found.pop("executor_is_local", {})
    del found["time"]
    return {
        **found,
        "tasks_in_scheduler": tasks_in_scheduler(found["executor"], local),
        "heartbeat_seconds": heartbeat_seconds(found),
        "longest_token_seconds": longest_token_seconds(found),
        "clock_skew_seconds": skew,
    }


def of_any(
    serving: Callable[[], list[dict[str, Any]]], ask: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[str, dict[str, Any]]:
    """Name and answer of one of the serving pods. A pod that ends while it is asked is skipped.

    Raises the exception of `ask` for a pod that still serves.
    """
    for _attempt in range(ATTEMPTS - 1):
        pod = serving()[0]
        try:
            return pod["metadata"]["name"], ask(pod)
        except (OperatorError, ApiException):
            if pod["metadata"]["uid"] in {other["metadata"]["uid"] for other in serving()}:
                raise
    pod = serving()[0]
    return pod["metadata"]["name"], ask(pod)


def with_signers(server: dict[str, Any], signers: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer of the api-server, combined with those of the other signers, especially the scheduler.

    A component may have its own options in its environment. The scheduler determines where tasks run and how long their
    tokens are valid. So the longest lifetime, the longest interval and the largest clock difference of all of them
    count, and tasks run in the scheduler's pod if one of them says so.
    """
    answers = [server, *signers]
    where = [answer["tasks_in_scheduler"] for answer in answers]
    clocks = [answer["clock_skew_seconds"] for answer in answers if answer["clock_skew_seconds"] is not None]
    leeway = int(server["jwt_leeway"] or 0)
    algorithms = [answer["jwt_algorithm"] for answer in answers if answer["jwt_algorithm"] != server["jwt_algorithm"]]
    return {
        **server,
        "executor": next((answer["executor"] for answer in signers), server["executor"]),
        "tasks_in_scheduler": True if True in where else None if None in where else False,
        "jwt_algorithm": next(iter(algorithms), server["jwt_algorithm"]),
        "heartbeat_seconds": max(answer["heartbeat_seconds"] for answer in answers),
        # The leeway is the validator's.
        "longest_token_seconds": max(
            answer["longest_token_seconds"] - int(answer["jwt_leeway"] or 0) + leeway for answer in answers
        ),
        "clock_skew_seconds": max(clocks, key=abs, default=None),
    }


def parse(output: str) -> dict[str, Any] | None:
    """The answer in the program's output, among Airflow's other output, or None."""
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        return None
    try:
        answer: dict[str, Any] = decoded(lines[-1])
    except ValueError:  # cut off
        return None
    for name, (section, option) in OPTIONS.items():
        value = answer.get(name)
        if value in (None, ""):
            answer[name] = None
        elif name in SECONDS:
            answer[name] = _seconds(value, f"[{section}] {option}")
        else:
            answer[name] = redact(str(value))  # a URL may have a password in it
    return answer


def _seconds(value: str, option: str) -> int:
    """Raises OperatorError for an invalid number, with which a component that does not read the option can run."""
    try:
        return math.ceil(float(value))
    except (TypeError, ValueError, OverflowError):
        raise OperatorError(
            redact(f"{option} of the running Airflow is {value!r}"),
            expected="a number of seconds, without a comment behind it",
            untouched="everything; this only reads",
            next_step="correct the option, and run the same command again",
        ) from None


def longest_token_seconds(configuration: dict[str, Any]) -> int:
    """The longest lifetime of any token of the signers, plus the leeway of the validators."""
    lives = [configuration[name] or 0 for name in TOKEN_LIVES]
    if version(configuration["airflow_version"]) >= QUEUED_TOKENS_SINCE:
        lives.append(configuration["task_queued_timeout"] or 0)
    return int(max(lives)) + int(configuration["jwt_leeway"] or 0)


def heartbeat_seconds(configuration: dict[str, Any]) -> int:
    """The longest heartbeat interval of the components."""
    return max(1, *(int(configuration[name] or 0) for name in HEARTBEATS))


def version(text: str) -> tuple[int, int]:
    """Major and minor of a version like 3.0.6 or 3.3.0rc1."""
    major, minor, *_rest = [*text.split("."), "0"]
    return int(major), int(minor)
