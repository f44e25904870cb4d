# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role says in Airflow's connection and in its pods what the option `database.tls` says to modules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = {name: {"name": "db-tls", "key": f"{name}.pem"} for name in ("ca", "certificate", "private_key")}
FOLDER = "/etc/airflow-secrets/database-tls"
PATHS = {"ca": "ca.crt", "certificate": "tls.crt", "private_key": "tls.key"}


CASES = {
    "prefer": ({"mode": "prefer"}, "", []),
    "disable": ({"mode": "disable", **FILES}, "", []),
    "require": ({"mode": "require", "ca": FILES["ca"]}, "&ssl_check_hostname=false", []),
    "verify_identity": (
        {"mode": "verify_identity", **FILES},
        f"&ssl_ca={FOLDER}/ca.crt&ssl_cert={FOLDER}/tls.crt&ssl_key={FOLDER}/tls.key",
        ["ca", "certificate", "private_key"],
    ),
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """What the role renders in each case: the shared configuration and the scheduler's Deployment."""
    folder = tmp_path_factory.mktemp("rendered")
    shown = "{{ {'configuration': airflow_launcher_data, 'scheduler': airflow_workloads[1]} | to_json }}"
    tasks = []
    for name, (tls, _query, _mounted) in CASES.items():
        variables = {
            "airflow_public_url": "http://x/y",
            "airflow_stage": "old",
            "airflow_name": "demo",
            "airflow_database_name": "airflow_50%d",
            "airflow_database_tls": tls,
        }
        if name == "disable":
            variables |= {"airflow_database_user": "team/air@flow", "airflow_database_host": "fd00::5"}
        tasks.append({"ansible.builtin.include_role": {"name": "hopsworks.airflow.deployment"}, "vars": variables})
        tasks.append({"ansible.builtin.copy": {"dest": str(folder / name), "content": shown, "mode": "0600"}})
    playbook = folder / "play.yml"
    variables = {"ansible_python_interpreter": sys.executable}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}]))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local", str(playbook)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((folder / name).read_text()) for name in CASES}


@pytest.mark.parametrize("case", CASES)
def test_the_connection_and_the_files_it_names(rendered, case):
    _tls, query, mounted = CASES[case]
    template = rendered[case]["configuration"]["airflow.cfg.template"]
    volumes = rendered[case]["scheduler"]["spec"]["template"]["spec"]["volumes"]
    sources = [source["secret"] for volume in volumes for source in volume.get("projected", {}).get("sources", [])]

    (line,) = [line for line in template.splitlines() if line.startswith("sql_alchemy_conn")]
    # SQLAlchemy takes the schema's name as it is; configparser wants % doubled.
    host = "[fd00::5]" if case == "disable" else "mysql"
    assert line.endswith(f"@{host}:3306/airflow_50%%d?charset=utf8mb4&client_flag=65536{query}")
    files = [
        (item["key"], item["path"]) for source in sources if source["name"] == "db-tls" for item in source["items"]
    ]
    assert files == [(f"{name}.pem", f"database-tls/{PATHS[name]}") for name in mounted]


def test_what_is_special_in_an_address_is_told_apart(rendered):
    """A slash in the user's name made a schema of all that follows, the password with it."""
    template = rendered["disable"]["configuration"]["airflow.cfg.template"]
    assert "mysql+pymysql://team%%2Fair%%40flow:@{database-password:latin-1}@[fd00::5]:3306/" in template
