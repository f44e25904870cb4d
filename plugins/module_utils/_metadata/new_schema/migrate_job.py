# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..._common.failure import OperatorError
from ..._common.names import short_name
from ..._database.engines import ENGINE
from ..._database.tls import TLS_FOLDER
from ..._pods.own_job import LABEL_ACTION, LABEL_RUN, Pod, job_of

if TYPE_CHECKING:
    from ..._database.address import Address

LABEL_DEPLOYMENT = "hopsworks.airflow/deployment"
MIGRATE = "migrate"
RESULT_MARK = "hopsworks.airflow result: "
PASSWORD_FOLDER = "/run/hopsworks.airflow/database"  # noqa: S105 - the name of a folder

# The end of a program in the image: its last line is the image's newest revision. It imports nothing of Airflow.
REPORT = r"""
import importlib.metadata, importlib.util, json, os
from alembic.script import ScriptDirectory
folder = os.path.join(os.path.dirname(importlib.util.find_spec("airflow").origin), "migrations")
version = importlib.metadata.version("apache-airflow")
print("RESULT_MARK" + json.dumps({"heads": ScriptDirectory(folder).get_heads(), "version": version}), flush=True)
""".replace("RESULT_MARK", RESULT_MARK)

# Runs in the target image, with its Python.
#
# Airflow's components connect by the first driver, with the URL that is made of it. If that can't work, it is found
# here, long before the outage, also if the migration itself uses another driver.
PROGRAM = r"""
import json, os, subprocess, sys, time
from urllib.parse import quote

with open(os.environ["PASSWORD_FILE"], "rb") as stream:
    password = stream.read()

def url_of(driver):
    # For a library that encodes a password as Latin-1: this text's Latin-1 bytes are the password's own.
    text = password.decode("latin-1").encode() if driver["latin_1"] else password
    return driver["url"] % quote(text, safe="")

def connect(url):
    from sqlalchemy import create_engine
    create_engine(url).connect().close()

components, *others = json.loads(os.environ["DATABASE_DRIVERS"])
url = url_of(components)
for attempt in range(30):
    try:
        connect(url)
        break
    except Exception as error:
        reason = getattr(error, "orig", None) or error
        # A proxy in the same pod may still be starting.
        if attempt < 29 and reason.args and reason.args[0] in components["away"]:
            time.sleep(1)
            continue
        sys.exit("Airflow's components could not connect to the database by %s: %s: %s\n"
            "Nothing was migrated. Compare database.tls (airflow_database_tls) and the user's login with what the "
            "server requires and this library in the image supports" % (
            components["module"], type(reason).__name__, reason))
for driver in others:
    try:
        __import__(driver["module"])
        url = url_of(driver)
    except ImportError:
        pass
# Without the connection of the components' settings, which is that of the live schema.
theirs = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")
environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = url
code = subprocess.call(["airflow", "db", "migrate"], env=environment)
if code:
    sys.exit(code if code > 0 else 1)
"""

# The image's entrypoint is not run, so this sets a home for a UID without one.
SHELL = '[ -w "${HOME:-/}" ] || export HOME="${AIRFLOW_USER_HOME_DIR:-/home/airflow}"; exec python3 -c "$1"'


def labels_of(name: str, action: str, deployment: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/managed-by": "hopsworks.airflow",
        LABEL_ACTION: action,
        LABEL_DEPLOYMENT: short_name(deployment),
    }


def selector_of(deployment: str) -> str:
    """Finds the Jobs of one deployment: others in the namespace may have their own."""
    return f"{LABEL_ACTION}={MIGRATE},{LABEL_DEPLOYMENT}={short_name(deployment)}"


def migrate_job(
    address: Address,
    secret: dict[str, str],
    schema: str,
    image: str,
    deployment: str,
    run: str,
    pod: Pod,
    timeout_seconds: int,
) -> dict[str, Any]:
    """The Job that runs `airflow db migrate` of an image on a schema. The password is only mounted."""
    labels = {**labels_of("airflow-migrate", MIGRATE, deployment), LABEL_RUN: run}
    files = address.tls.volume("database-tls")
    name = f"airflow-migrate-{run.replace('_', '-')}-{secrets.token_hex(3)}"
    # Kubernetes treats $(...) as another variable.
    drivers = json.dumps([asdict(driver) for driver in ENGINE.drivers(address, schema, TLS_FOLDER)]).replace("$", "$$")
    container = {
        "name": "migrate",
        "image": image,
        "command": ["/bin/sh", "-c", SHELL, "migrate", PROGRAM + REPORT],
        # Of several with one name, the last one counts: the Job's own.
        "env": [
            *pod.environment,
            {"name": "USER", "value": "airflow"},
            {"name": "LOGNAME", "value": "airflow"},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
            {"name": "AIRFLOW__CORE__LOAD_EXAMPLES", "value": "False"},
            {"name": "DATABASE_DRIVERS", "value": drivers},
            {"name": "PASSWORD_FILE", "value": f"{PASSWORD_FOLDER}/password"},
        ],
        "volumeMounts": [
            {"name": "database", "mountPath": PASSWORD_FOLDER, "readOnly": True},
            *([{"name": "database-tls", "mountPath": TLS_FOLDER, "readOnly": True}] if files else []),
        ],
    }
    password = {
        "name": "database",
        "secret": {
            "secretName": secret["name"],
            "items": [{"key": secret["key"], "path": "password"}],
            # Readable by any UID that the pod may get; nothing else runs in it.
            "defaultMode": 0o444,
        },
    }
    return job_of(
        name,
        labels,
        pod,
        container,
        [password, *([files] if files else [])],
        timeout_seconds=timeout_seconds,
        grace_seconds=5,
        kept_seconds=3600,
    )


def head_in(lines: list[str]) -> tuple[str, str]:
    """The newest revision and the version that the image reported. Raises OperatorError if there is none."""
    for line in reversed(lines):
        found, text = line.partition(RESULT_MARK)[1:]
        if found:
            result = json.loads(text)
            heads = result["heads"]
            if len(heads) == 1:
                return str(heads[0]), str(result["version"])
            raise OperatorError(
                f"the image has {len(heads)} newest revisions: {', '.join(heads)}",
                expected="one",
                untouched="the live schema",
                next_step="use an image of an Airflow release; this one's migrations branch",
            )
    raise OperatorError(
        "the image did not report its newest revision",
        expected=f"a last line of the log that begins with {RESULT_MARK!r}",
        untouched="the live schema",
        next_step="check that it is an image of Airflow 2.7 or newer with python3 on its PATH",
    )
