# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Secret that somebody else puts back isn't written, unless that is accepted."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest
import yaml

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._keys import generated
from ansible_collections.hopsworks.airflow.plugins.module_utils._kubernetes.call import Call
from ansible_collections.hopsworks.airflow.plugins.module_utils._preflight import preflight
from ansible_collections.hopsworks.airflow.tests.unit.keys.server import NAME, Server

pytestmark = pytest.mark.usefixtures("quick_keys")

OWNER = {"kind": "ExternalSecret", "name": "keys", "controller": True}
ARGO_CD = {"argocd.argoproj.io/tracking-id": "airflow:/Secret:lab/keys"}
STEPS = {
    "present": {"state": "present"},
    "published": {"state": "published", "rotation": "r1"},
    "replaced": {"state": "replaced", "rotation": "r1"},
}


def with_keys(**marks):
    server = Server()
    server.keys()
    for name, value in marks.items():
        setattr(server, name, value.copy())
    server.requests.clear()
    return server


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("marks", [{"owners": [OWNER]}, {"annotations": ARGO_CD}])
@pytest.mark.parametrize("step", STEPS)
def test_keys_that_somebody_else_puts_back_are_not_written(step, marks, check_mode):
    server = with_keys(**marks)
    del server.entries["scheduler.kid"]
    before = dict(server.entries)
    with pytest.raises(OperatorError, match=f"Secret {NAME} belongs to"):
        server.keys(**STEPS[step], check_mode=check_mode)
    assert (server.entries, server.requests) == (before, [])
    assert server.keys(**STEPS[step], check_mode=check_mode, managed_by_others="accept")["changed"]
    assert len(server.warned) == 1


def test_where_nothing_is_written_it_does_not_matter_who_else_might():
    server = with_keys(owners=[OWNER])
    assert not server.keys()["changed"]
    assert server.warned == []


def test_helm_is_warned_of():
    server = with_keys(labels={"app.kubernetes.io/managed-by": "Helm"})
    assert server.keys(state="published", rotation="r1")["changed"]
    assert "Helm" in server.warned[0]


def generate(server, names, **options):
    source = {"from_secret": None, "from_config_map": None}
    entries = [{**source, "name": name, "kind": "token", "format": None, "user": "admin"} for name in names]
    params = {"secret": NAME, "entries": entries, "managed_by_others": "refuse", **options}
    cluster = SimpleNamespace(core=server, namespace="lab")
    return generated.act(Call(params, False, cluster, server.said.append, server.warned.append))


def test_the_other_secrets_likewise():
    server = Server({"api-secret-key": b"x"}, ARGO_CD)
    assert not generate(server, ["api-secret-key"])["changed"]
    with pytest.raises(OperatorError, match="belongs to Argo CD"):
        generate(server, ["api-secret-key", "more"])
    assert server.entries == {"api-secret-key": b"x"}
    assert generate(server, ["api-secret-key", "more"], managed_by_others="accept")["changed"]


@pytest.mark.parametrize(("accepted", "level"), [("refuse", "error"), ("accept", "warning")])
def test_the_look_before_a_rotation_finds_it(monkeypatch, accepted, level):
    monkeypatch.setattr(preflight, "missing_on", lambda *_arguments: [])
    meta = SimpleNamespace(annotations=None, labels=None, owner_references=[SimpleNamespace(**OWNER)])
    secret = SimpleNamespace(data={"x": base64.b64encode(b"x").decode()}, immutable=None, metadata=meta)
    core = SimpleNamespace(read_namespaced_secret=lambda _name: secret)
    cluster = SimpleNamespace(core=core, namespace="lab", find=lambda method, name: method(name))
    look = preflight.Preflight(cluster, lambda _line: None)
    good, other = look.secret({"name": NAME, "written": True}, accepted)
    assert good.ok
    assert (other.ok, other.level) == (False, level)
    assert "ExternalSecret keys" in other.found
    assert len(list(look.secret({"name": NAME}, accepted))) == 1


@pytest.mark.parametrize("module", ["generated_secret", "signing_keys", "preflight"])
def test_every_writer_has_the_option(module):
    actions = __import__(
        f"ansible_collections.hopsworks.airflow.plugins.modules.{module}", fromlist=["ACTION", "DOCUMENTATION"]
    )
    documented = yaml.safe_load(actions.DOCUMENTATION)["options"]["managed_by_others"]
    assert documented["choices"] == ["refuse", "accept"]
    assert documented["default"] == "refuse"
