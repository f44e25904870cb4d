# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from urllib.parse import unquote

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._common.redaction import redact, secret_forms
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import Tls
from ansible_collections.hopsworks.airflow.plugins.module_utils._metadata.new_schema.migrate_job import (
    PROGRAM,
    REPORT,
    RESULT_MARK,
    head_in,
    migrate_job,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.job import whole_lines
from ansible_collections.hopsworks.airflow.plugins.module_utils._pods.own_job import Pod
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD

ADDRESS = Address("mysql", 3306, "airflow", "airflow", PASSWORD.encode())
SECRET = {"name": "mysql-users-secrets", "key": "airflow"}


def job(**changes):
    return migrate_job(ADDRESS, SECRET, "airflow_beside", "image:1", "demo", "20261122t030000", Pod(**changes), 900)


def container(made):
    return made["spec"]["template"]["spec"]["containers"][0]


def test_the_job_never_carries_the_password():
    text = json.dumps(job())

    assert not any(form in text for form in secret_forms(ADDRESS.password))
    assert job()["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"] == "mysql-users-secrets"


def test_every_job_has_a_name_of_its_own():
    assert len({job()["metadata"]["name"] for _attempt in range(50)}) == 50
    assert len(job()["metadata"]["name"]) <= 63


def test_what_the_deployment_wants_of_pods_is_in_it():
    specification = job(
        service_account="airflow",
        security_context={"runAsUser": 1000680000, "runAsGroup": 0},
        node_selector={"disk": "ssd"},
        environment=[{"name": "AIRFLOW__CORE__AUTH_MANAGER", "value": "x"}],
    )["spec"]["template"]["spec"]

    assert specification["serviceAccountName"] == "airflow"
    assert specification["automountServiceAccountToken"] is False
    assert specification["securityContext"]["runAsUser"] == 1000680000
    assert specification["nodeSelector"] == {"disk": "ssd"}
    names = {entry["name"] for entry in specification["containers"][0]["env"]}
    assert {"USER", "LOGNAME", "AIRFLOW__CORE__AUTH_MANAGER"} <= names


def test_its_own_variables_win_over_those_of_the_components():
    """Of several with one name, Kubernetes takes the last."""
    own = {entry["name"]: entry["value"] for entry in container(job())["env"]}
    given = [{"name": name, "value": "x"} for name in (*own, "FURTHER")]
    found = {entry["name"]: entry["value"] for entry in container(job(environment=given))["env"]}
    assert found == {**own, "FURTHER": "x"}


def test_what_settings_name_may_be_in_a_volume():
    volume, mount = {"name": "packages", "configMap": {"name": "x"}}, {"name": "packages", "mountPath": "/x"}
    made = job(volumes=[volume], volume_mounts=[mount])
    assert [entry["name"] for entry in made["spec"]["template"]["spec"]["volumes"]] == ["database", "packages"]
    assert container(made)["volumeMounts"][-1] == mount


def test_settings_of_a_production_are_in_it():
    template = job(
        tolerations=[{"operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        priority_class="high",
        runtime_class="gvisor",
        labels={"policy": "open", "app.kubernetes.io/name": "not-this"},
        annotations={"sidecar.istio.io/inject": "false"},
        resources={"limits": {"memory": "1Gi"}},
        image_pull_policy="Always",
        container_security_context={"readOnlyRootFilesystem": True},
    )["spec"]["template"]
    specification, container = template["spec"], template["spec"]["containers"][0]
    assert specification["tolerations"] == [{"operator": "Exists"}]
    assert specification["affinity"] == {"nodeAffinity": {}}
    assert (specification["priorityClassName"], specification["runtimeClassName"]) == ("high", "gvisor")
    assert template["metadata"]["labels"]["policy"] == "open"
    # By which the Job is found again.
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "airflow-migrate"
    assert template["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert container["resources"] == {"limits": {"memory": "1Gi"}}
    assert container["imagePullPolicy"] == "Always"
    assert container["securityContext"] == {"readOnlyRootFilesystem": True}


def test_without_settings_it_has_no_class_and_no_privileges():
    specification = job()["spec"]["template"]["spec"]
    assert not specification.keys() & {"priorityClassName", "runtimeClassName", "serviceAccountName"}
    assert specification["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


class TestProgram:
    """The program that runs in the image, with an `airflow` and an `alembic` that only say what they got."""

    @pytest.fixture
    def image(self, tmp_path):
        packages = tmp_path / "packages"
        (packages / "airflow").mkdir(parents=True)
        (packages / "airflow/__init__.py").write_text("raise SystemExit('never imported by the program')")
        (packages / "alembic").mkdir()
        (packages / "alembic/__init__.py").write_text("")
        (packages / "alembic/script.py").write_text(
            "class ScriptDirectory:\n"
            "    def __init__(self, folder): assert folder.endswith('airflow/migrations'), folder\n"
            "    def get_heads(self): return ['fe199e1abd77']\n"
        )
        (packages / "apache_airflow-3.0.6.dist-info").mkdir()
        (packages / "apache_airflow-3.0.6.dist-info/METADATA").write_text(
            "Metadata-Version: 2.1\nName: apache-airflow\nVersion: 3.0.6\n"
        )
        # Says whom it was to connect to, and has whatever trouble the test wants.
        (packages / "sqlalchemy.py").write_text(
            "import os\n"
            "class Engine:\n"
            "    def __init__(self, url): self.url = url\n"
            "    def connect(self):\n"
            "        with open(os.environ['TRIED'], 'a') as tried: tried.write(self.url + chr(10))\n"
            "        exec(os.environ.get('TROUBLE', ''))\n"
            "        return self\n"
            "    def close(self): pass\n"
            "create_engine = Engine\n"
        )
        self.tried = tmp_path / "tried"
        command = tmp_path / "bin/airflow"
        command.parent.mkdir()
        command.write_text('#!/bin/sh\necho "$@" "$AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" >&2\nexit ${CODE:-0}\n')
        command.chmod(0o755)
        password = tmp_path / "password"
        password.write_bytes(PASSWORD.encode())
        self.environment = {
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(packages),
            "PASSWORD_FILE": str(password),
            "TRIED": str(self.tried),
            "DATABASE_DRIVERS": self.drivers(),
        }
        return packages

    @staticmethod
    def drivers(host="mysql"):
        address = Address(host, 3306, "airflow", "air@flow", b"", Tls("require"))
        (given,) = (
            entry["value"]
            for entry in container(
                migrate_job(address, SECRET, "airflow_beside", "image:1", "demo", "20261122t030000", Pod(), 900)
            )["env"]
            if entry["name"] == "DATABASE_DRIVERS"
        )
        return given.replace("$$", "$")

    def run(self, **environment):
        return subprocess.run(
            [sys.executable, "-S", "-c", PROGRAM + REPORT],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_reports_the_newest_revision_of_the_image(self, image):
        ended = self.run()

        assert ended.returncode == 0, ended.stderr
        assert head_in(ended.stdout.splitlines()) == ("fe199e1abd77", "3.0.6")

    def test_builds_an_address_that_says_the_password_to_mysqlclient(self, image):
        (image / "MySQLdb.py").write_text("")

        command, address = self.run().stderr.strip().rsplit(" ", 1)

        assert command == "db migrate"
        assert address.startswith("mysql+mysqldb://air%40flow:")
        assert address.endswith("@mysql:3306/airflow_beside?charset=utf8mb4&ssl_mode=REQUIRED")
        assert unquote(address.split(":")[2].rpartition("@")[0]) == PASSWORD

    def test_builds_an_address_that_says_the_password_to_pymysql(self, image):
        address = self.run().stderr.strip().rsplit(" ", 1)[1]

        assert address.startswith("mysql+pymysql://air%40flow:")
        assert address.endswith("?charset=utf8mb4&client_flag=65536&ssl_check_hostname=false")
        # What PyMySQL makes of the text: https://github.com/PyMySQL/PyMySQL/blob/main/pymysql/connections.py
        text = unquote(address.split(":")[2].rpartition("@")[0])
        assert text.encode("latin-1") == PASSWORD.encode()

    @pytest.mark.parametrize("other_driver", [True, False])
    def test_an_address_of_ipv6_is_in_brackets(self, image, other_driver):
        if other_driver:
            (image / "MySQLdb.py").write_text("")

        told = self.run(DATABASE_DRIVERS=self.drivers("fd00::5")).stderr + self.tried.read_text()

        assert told.count("@[fd00::5]:3306/airflow_beside?") == 2

    @pytest.mark.parametrize("name", ["DATABASE__SQL_ALCHEMY_CONN", "CORE__SQL_ALCHEMY_CONN_CMD"])
    def test_the_schema_is_the_one_that_is_built_whatever_the_components_connect_to(self, image, name):
        with (image.parent / "bin/airflow").open("a") as command:
            command.truncate(0)
            command.write("#!/bin/sh\nenv | grep SQL_ALCHEMY >&2\n")

        ended = self.run(**{f"AIRFLOW__{name}": "mysql://live", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "x"})

        assert ended.returncode == 0, ended.stderr
        (told,) = ended.stderr.splitlines()
        assert told.startswith("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=mysql+pymysql://air%40flow:")

    @pytest.mark.parametrize("other_driver", [True, False])
    def test_connects_as_the_components_do_before_it_migrates(self, image, other_driver):
        if other_driver:
            (image / "MySQLdb.py").write_text("")

        assert self.run().returncode == 0

        (tried,) = self.tried.read_text().splitlines()
        assert tried.startswith("mysql+pymysql://air%40flow:")
        assert tried.endswith("@mysql:3306/airflow_beside?charset=utf8mb4&client_flag=65536&ssl_check_hostname=false")
        text = unquote(tried.split(":")[2].rpartition("@")[0])
        assert text.encode("latin-1") == PASSWORD.encode()

    @pytest.mark.parametrize(
        ("trouble", "said"),
        [
            # As SQLAlchemy has it: the driver's own error in it.
            ("error = Exception('x'); error.orig = OSError(3159, 'insecure'); raise error", "[Errno 3159] insecure"),
            ("raise RuntimeError('pynacl is required')", "RuntimeError: pynacl is required"),
            ("import no_such_driver", "No module named 'no_such_driver'"),
        ],
    )
    def test_migrates_nothing_where_the_components_could_not_connect(self, image, trouble, said):
        (image / "MySQLdb.py").write_text("")

        ended = self.run(TROUBLE=trouble)

        assert ended.returncode == 1
        assert "db migrate" not in ended.stderr
        assert said in ended.stderr
        assert "airflow_database_tls" in ended.stderr
        assert RESULT_MARK not in ended.stdout

    @pytest.mark.parametrize("code", [2003, 2013])
    def test_waits_for_a_proxy_beside_it_that_is_still_starting(self, image, code):
        first = f"if len(open(os.environ['TRIED']).readlines()) < 2: raise OSError({code}, 'not yet')"

        ended = self.run(TROUBLE=first)

        assert ended.returncode == 0, ended.stderr
        assert len(self.tried.read_text().splitlines()) == 2
        assert "db migrate" in ended.stderr

    @pytest.mark.parametrize("code", [1, 42])
    def test_passes_a_failure_on_and_reports_nothing(self, image, code):
        ended = self.run(CODE=str(code))

        assert ended.returncode == code
        assert RESULT_MARK not in ended.stdout


def test_the_password_is_taken_out_of_a_log_in_every_form():
    for form in secret_forms(PASSWORD.encode()):
        assert "CANARY" not in redact(f"DB: mysql://airflow:{form} and so on", secret_forms(PASSWORD.encode()))


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([], "did not report"),
        (["Database migrating done!"], "did not report"),
        ([RESULT_MARK + '{"heads": ["a", "b"], "version": "3.0.6"}'], "2 newest revisions: a, b"),
    ],
)
def test_an_image_without_one_newest_revision_is_refused(lines, match):
    with pytest.raises(OperatorError, match=match):
        head_in(lines)


class Stream:
    def __init__(self, *chunks):
        self.chunks = chunks

    def stream(self, amt, decode_content):
        yield from self.chunks


def test_lines_of_a_log_are_whole_wherever_the_chunks_end():
    assert list(whole_lines(Stream(b"one\ntw", b"o\n\xc3", b"\xa4\nlast"))) == ["one", "two", "ä", "last"]
