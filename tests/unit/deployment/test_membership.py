"""What the bed's stand-in for Hopsworks' auth manager remembers, and to whom it listens."""

from __future__ import annotations

import importlib.util
import json
import pathlib
from types import ModuleType

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "sandbox" / "standins" / "auth_manager"


def loaded() -> ModuleType:
    """The script as a pod has it: beside others in a folder of its own, not part of the collection."""
    specification = importlib.util.spec_from_file_location("hopsworks_membership", FOLDER / "hopsworks_membership.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


membership = loaded()


class Hopsworks:
    """The file with the memberships, and a clock."""

    def __init__(self, file: pathlib.Path) -> None:
        self.file, self.now = file, 1000.0
        self.say(ada={"is_admin": False, "projects": {"120": "Data scientist", "119": "Data owner"}})
        self.memberships = membership.Memberships(file, 60, lambda: self.now)

    def say(self, **users: object) -> None:
        self.file.write_text(json.dumps(users), encoding="utf-8")


@pytest.fixture
def hopsworks(tmp_path: pathlib.Path) -> Hopsworks:
    return Hopsworks(tmp_path / "membership.json")


def test_a_token_says_projects_roles_and_whether_admin(hopsworks: Hopsworks) -> None:
    assert hopsworks.memberships.claims("ada") == {
        "project_ids": [119, 120],
        "project_roles": {"119": "Data owner", "120": "Data scientist"},
        "is_admin": False,
    }


def test_a_stranger_is_in_no_project(hopsworks: Hopsworks) -> None:
    assert hopsworks.memberships.claims("eve") == {"project_ids": [], "project_roles": {}, "is_admin": False}


def test_a_change_shows_after_a_minute(hopsworks: Hopsworks) -> None:
    before = hopsworks.memberships.claims("ada")
    hopsworks.say(ada={"is_admin": True})
    hopsworks.now += 59.9
    assert hopsworks.memberships.claims("ada") == before
    hopsworks.now += 0.2
    assert hopsworks.memberships.claims("ada") == {"project_ids": [], "project_roles": {}, "is_admin": True}


def test_a_change_shows_at_once_when_it_is_pushed(hopsworks: Hopsworks) -> None:
    hopsworks.memberships.claims("ada")
    hopsworks.memberships.claims("eve")
    hopsworks.say(ada={"is_admin": True}, eve={"is_admin": True})
    assert hopsworks.memberships.evict("ada") is True
    assert hopsworks.memberships.claims("ada")["is_admin"] is True
    # Only the user it was about.
    assert hopsworks.memberships.claims("eve")["is_admin"] is False


def test_only_what_is_remembered_is_evicted(hopsworks: Hopsworks) -> None:
    assert hopsworks.memberships.evict("ada") is False
    hopsworks.memberships.claims("ada")
    assert hopsworks.memberships.evict("ada") is True
    assert hopsworks.memberships.evict("ada") is False
    hopsworks.memberships.claims("ada")
    hopsworks.now += 61
    assert hopsworks.memberships.evict("ada") is False


def test_the_files_user_is_the_one_that_the_bed_logs_in_as() -> None:
    entries = json.loads((FOLDER / "membership.json").read_text(encoding="utf-8"))
    assert "admin" in entries


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret"])
def test_the_bearer_of_the_secret_is_let_in(header: str) -> None:
    assert membership.is_bearer_of(header, b"secret")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer secre", "Bearer secret2", "Basic secret", "secret", "Bearer sécret"],
)
def test_nobody_else_is(header: str | None) -> None:
    assert not membership.is_bearer_of(header, b"secret")


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", "", None])
def test_a_missing_secret_opens_to_nobody(header: str | None) -> None:
    assert not membership.is_bearer_of(header, b"")
