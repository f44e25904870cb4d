# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Names of schemas and tables can't be bound as values.

from __future__ import annotations

import pytest

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.engine import Use
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.privileges import (
    NEEDED,
    Grants,
    Rights,
    covers,
    specificity,
)
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.session import quoted

USAGE = "GRANT USAGE ON *.* TO `airflow`@`%` IDENTIFIED BY PASSWORD '*ABC'"
EACH = ", ".join(sorted(NEEDED[Use.BUILD]))

OF_RUNS = ("airflow_before_", "airflow_undone_")


def missing_in(lines, schemas, **options):
    return Rights([Grants.read(lines)], "'airflow'@'%'", **options).missing(schemas)


@pytest.mark.parametrize(
    "line",
    [
        "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION",
        "GRANT ALL PRIVILEGES ON `airflow%`.* TO `airflow`@`%`",
        "GRANT ALL PRIVILEGES ON `airflow\\_before\\_%`.* TO `airflow`@`%`",
        "GRANT ALL PRIVILEGES ON `airflow_before_run1`.* TO `airflow`@`%`",
        f"GRANT {EACH}, EXECUTE ON `airflow%`.* TO `airflow`@`%`",
        f"GRANT {EACH} ON *.* TO 'airflow'@'%'",
    ],
)
def test_enough(line):
    assert missing_in([USAGE, line], ["airflow_before_run1"]) == []


@pytest.mark.parametrize(
    "line",
    [
        USAGE,
        "GRANT ALL PRIVILEGES ON `airflow`.* TO `airflow`@`%`",
        "GRANT ALL PRIVILEGES ON `airflow\\_beside`.* TO `airflow`@`%`",
        "GRANT ALL PRIVILEGES ON `airflow_before_run1`.`dag` TO `airflow`@`%`",
        "GRANT `administrators`@`%` TO `airflow`@`%`",
        "GRANT SELECT (`a`, `b`) ON `airflow_before_run1`.`dag` TO `airflow`@`%`",
    ],
)
def test_not_enough(line):
    assert missing_in([USAGE, line], ["airflow_before_run1"]) == [
        f"{right} ON airflow_before_run1.*" for right in sorted(NEEDED[Use.BUILD])
    ]


def test_says_which_are_missing_and_where():
    lines = [USAGE, "GRANT ALL PRIVILEGES ON `airflow`.* TO a", "GRANT SELECT, INSERT ON `airflow\\_%`.* TO a"]

    missing = missing_in(lines, ["airflow", "airflow_beside"])

    assert "CREATE ON airflow_beside.*" in missing
    assert "SELECT ON airflow_beside.*" not in missing
    assert all("airflow_beside" in line for line in missing)


class TestMySQL:
    def test_partial_revokes_take_away(self):
        lines = ["GRANT ALL PRIVILEGES ON *.* TO `a`@`%`", "REVOKE DROP ON `airflow`.* FROM `a`@`%`"]

        assert missing_in(lines, ["airflow", "airflow_beside"]) == ["DROP ON airflow.*"]

    @pytest.mark.parametrize("revoked", ["INSERT, DROP", "ALL PRIVILEGES"])
    def test_partial_revokes_take_nothing_from_rights_without_a_schema(self, revoked):
        lines = [
            "GRANT SELECT, INSERT, DROP, PROCESS, SUPER ON *.* TO `a`@`%`",
            f"REVOKE {revoked} ON `mysql`.* FROM `a`@`%`",
        ]
        rights = Rights([Grants.read(lines)], literal=True)

        assert rights.everywhere("PROCESS")
        assert rights.everywhere("SUPER")
        assert not rights.everywhere("RELOAD")
        assert not rights.everywhere("INSERT")
        assert rights.everywhere("SELECT") is (revoked == "INSERT, DROP")

    def test_a_partial_revoke_takes_nothing_from_a_grant_on_the_schema(self):
        lines = [
            "GRANT ALL PRIVILEGES ON *.* TO `a`@`%`",
            "REVOKE DROP ON `airflow`.* FROM `a`@`%`",
            "GRANT DROP ON `airflow`.* TO `a`@`%`",
        ]

        assert missing_in(lines, ["airflow"]) == []

    def test_with_partial_revokes_a_wild_card_is_a_character(self):
        lines = ["GRANT ALL PRIVILEGES ON `airflow%`.* TO `a`@`%`", "GRANT ALL PRIVILEGES ON `a\\_b`.* TO `a`@`%`"]

        assert missing_in(lines, ["a_b"], literal=True) == []
        assert len(missing_in(lines, ["airflow_beside"], literal=True)) == len(NEEDED[Use.BUILD])

    @pytest.mark.parametrize("granted", [[], ["airflow", "airflow_beside", "airflow_rehearsal"], ["airflow_beside"]])
    def test_with_partial_revokes_one_remedy_is_for_all_runs(self, granted):
        """Each run has names of its own for schemas set aside, and no wild card means them beforehand."""

        def involved(run):
            return ["airflow", "airflow_beside", f"airflow_before_{run}", f"airflow_undone_{run}"]

        lines = [f"GRANT ALL PRIVILEGES ON `{schema}`.* TO `airflow`@`%`" for schema in granted]
        remedies = Rights([Grants.read(lines)], "'airflow'@'%'", literal=True).remedies(
            "airflow", involved("run"), of_runs=OF_RUNS
        )
        rights = Rights([Grants.read([*lines, *remedies])], "'airflow'@'%'", literal=True)

        assert rights.missing(involved("20261128t232155")) == []
        assert rights.remedies("airflow", involved("20261128t232155"), of_runs=OF_RUNS) == []
        # Nothing of the server itself is given along.
        assert len(rights.missing(["mysql", "sys"])) == 2 * len(NEEDED[Use.BUILD])

    def test_with_partial_revokes_a_remedy_for_one_schema_is_for_that_one(self):
        (remedy,) = Rights([Grants()], "'a'@'%'", literal=True).remedies("airflow", ["airflow"], Use.LOCK)

        assert remedy == "GRANT LOCK TABLES ON `airflow`.* TO 'a'@'%'"


def test_of_two_equally_specific_grants_both_have_to_give_it():
    lines = ["GRANT SELECT, DROP ON `airflow_%`.* TO a", "GRANT SELECT ON `airflow%`.* TO a"]
    assert specificity("airflow_%") == specificity("airflow%")

    missing = missing_in(lines, ["airflow_x"])

    assert "SELECT ON airflow_x.*" not in missing
    assert "DROP ON airflow_x.*" in missing


@pytest.mark.parametrize(
    ("pattern", "schema", "means"),
    [
        ("a\\_b", "a_b", True),
        ("a\\_b", "axb", False),
        ("a_b", "axb", True),
        ("a%", "a", True),
        ("50\\%d", "50%d", True),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern, schema, means):
    assert covers(pattern, schema) is means


# What each right is needed for, on a table `t` with a row, beside a table `parent` of the same schema.
STATEMENTS = {
    "SELECT": "SELECT * FROM {t}",
    "INSERT": "INSERT INTO {t} (id) VALUES (7)",
    "UPDATE": "UPDATE {t} SET id = 8",
    "DELETE": "DELETE FROM {t}",
    "CREATE": "CREATE TABLE {new} (id INT)",
    "ALTER": "ALTER TABLE {t} COMMENT = 'x'",
    "INDEX": "CREATE INDEX by_id ON {t} (id)",
    "DROP": "DROP TABLE {t}",
}
# Grants on schemas `N` (live) and `N_beside`; what follows must be what the server does.
GRANTS = {
    "a specific grant hides a wide one": ["SELECT, INSERT, UPDATE, DELETE ON `N`.*", "ALL ON `N%`.*"],
    "the other way round": ["ALL ON `N`.*", "SELECT ON `N%`.*"],
    "an escaped name hides a pattern": ["SELECT ON `N\\_beside`.*", "ALL ON `N%`.*"],
    "a longer pattern hides a shorter one": ["SELECT ON `N\\_b%`.*", "ALL ON `N%`.*"],
    "a wild card early hides nothing": ["SELECT ON `%`.*", "ALL ON `N%`.*"],
    "an unescaped underscore is a wild card": ["SELECT ON `N_beside`.*", "ALL ON `N%`.*"],
    "global rights add up": ["SELECT, INSERT, UPDATE, DELETE ON `N`.*", "CREATE, DROP, ALTER, INDEX ON *.*"],
    "of a table alone": ["ALL ON `N`.`t`", "SELECT ON `N%`.*"],
}


@pytest.fixture
def user(server, bare):
    """A user, a role and two schemas, each with a table."""
    name = bare.names.live
    server.as_root(f"CREATE USER {name}@'%'")
    for schema in (name, f"{name}_beside"):
        server.as_root(f"CREATE DATABASE {schema}; CREATE TABLE {schema}.t (id INT)")
    yield name
    server.as_root(f"DROP USER {name}@'%'")


def as_user(server, user):
    return session("127.0.0.1", server.port, user, b"", "the test's server")


def really_missing(server, user, schema):
    """What the server refuses, tried."""
    missing = []
    for right, statement in STATEMENTS.items():
        server.as_root(f"DROP TABLE IF EXISTS {schema}.t, {schema}.new; CREATE TABLE {schema}.t (id INT)")
        with as_user(server, user) as database:
            try:
                database.rows(statement.format(t=quoted(schema, "t"), new=quoted(schema, "new")))
            except OperatorError:
                missing.append(f"{right} ON {schema}.*")
    server.as_root(f"DROP TABLE IF EXISTS {schema}.t, {schema}.new; CREATE TABLE {schema}.t (id INT)")
    return sorted(missing)


@pytest.mark.parametrize("case", GRANTS)
def test_judged_as_the_server_judges(server, user, case):
    for grant in GRANTS[case]:
        server.as_root(f"GRANT {grant.replace(chr(96) + 'N', chr(96) + user)} TO {user}@'%'")
    schemas = [f"{user}_beside"] if "table" in case else [user, f"{user}_beside"]

    with as_user(server, user) as database:
        judged = database.rights().lacking(schemas, STATEMENTS)

    assert sorted(judged) == sorted(line for schema in schemas for line in really_missing(server, user, schema))


PATTERNS = ["N", "N%", "%", "_%", "%N", "%__N", "____%", "N\\_x", "%N%", "a%w_x", "a_____w_x", "N\\_x%"]


def test_of_any_two_grants_the_one_that_the_server_takes_is_taken(server):
    """Each pair of patterns that mean the schema, one giving all, the other nothing but SELECT."""
    patterns = [pattern.replace("N", "airflow") for pattern in PATTERNS] + ["airflow_x", "airflow__", "_irflow%"]
    pairs = [(one, other) for one in patterns for other in patterns if one != other and covers(one, "airflow_x")]
    pairs = [(one, other) for one, other in pairs if covers(other, "airflow_x")]
    assert len(pairs) > 50
    grant = "CREATE USER u{0}; GRANT ALL ON `{1}`.* TO u{0}; GRANT SELECT ON `{2}`.* TO u{0}"
    server.as_root("CREATE DATABASE airflow_x; CREATE TABLE airflow_x.t (id INT)")
    server.as_root("; ".join(grant.format(number, *pair) for number, pair in enumerate(pairs)))
    try:
        for number, pair in enumerate(pairs):
            with as_user(server, f"u{number}") as database:
                judged = database.rights().holds("DELETE", "airflow_x")
                try:
                    database.execute("DELETE FROM airflow_x.t")
                    really = True
                except OperatorError:
                    really = False
            assert not judged or really, pair
            # Refused although it is there: only where two are equally specific.
            assert judged or not really or specificity(pair[0], True) == specificity(pair[1], True), pair
    finally:
        server.as_root("DROP DATABASE airflow_x; " + "; ".join(f"DROP USER u{number}" for number in range(len(pairs))))


@pytest.mark.parametrize("nested", [False, True])
def test_rights_of_an_active_role_count(server, user, nested):
    role, held = f"{user}_role", f"{user}_held" if nested else f"{user}_role"
    server.as_root(f"CREATE ROLE {role}; GRANT {role} TO {user}@'%'; SET DEFAULT ROLE {role} FOR {user}@'%'")
    if nested:
        server.as_root(f"CREATE ROLE {held}; GRANT {held} TO {role}")
    server.as_root(f"GRANT ALL ON `{user}%`.* TO {held}")

    with as_user(server, user) as database:
        judged = database.rights().missing([user, f"{user}_beside"])

    assert judged == []
    assert really_missing(server, user, user) == []


def test_rights_of_a_role_that_is_not_active_do_not(server, user):
    role = f"{user}_role"
    server.as_root(f"CREATE ROLE {role}; GRANT {role} TO {user}@'%'; GRANT ALL ON `{user}%`.* TO {role}")

    with as_user(server, user) as database:
        judged = database.rights().missing([user])

    assert len(judged) == len(NEEDED[Use.BUILD])
    assert really_missing(server, user, user)


@pytest.mark.parametrize("mode", ["ANSI_QUOTES", "ORACLE", "NO_BACKSLASH_ESCAPES,ANSI"])
def test_whatever_the_servers_mode(server, user, mode):
    server.as_root(f"GRANT ALL ON `{user}%`.* TO {user}@'%'")
    before = server.as_root("SELECT @@GLOBAL.sql_mode").strip()
    server.as_root(f"SET GLOBAL sql_mode = '{mode}', GLOBAL sql_quote_show_create = 0")
    try:
        with as_user(server, user) as database:
            judged = database.rights().missing([user, f"{user}_beside"])
    finally:
        server.as_root(f"SET GLOBAL sql_mode = '{before}', GLOBAL sql_quote_show_create = 1")

    assert judged == []


@pytest.mark.parametrize("case", [None, *GRANTS])
def test_the_remedy_helps(server, user, case):
    for grant in GRANTS[case] if case else []:
        server.as_root(f"GRANT {grant.replace(chr(96) + 'N', chr(96) + user)} TO {user}@'%'")
    schemas = [user, f"{user}_beside", f"{user}_before_run1"]
    with as_user(server, user) as database:
        remedies = database.rights().remedies(user, schemas)

    server.as_root("; ".join(remedies))

    with as_user(server, user) as database:
        assert database.rights().missing(schemas) == []
        assert database.rights().remedies(user, schemas) == []
    assert really_missing(server, user, user) == []
    assert really_missing(server, user, f"{user}_beside") == []


def test_the_remedy_gives_nothing_to_schemas_of_others(server, user):
    """In a pattern an underscore that isn't escaped means any character."""
    with as_user(server, user) as database:
        (remedy,) = database.rights().remedies(user, [user, f"{user}_beside"])

    assert f"`{user.replace('_', chr(92) + '_')}%`" in remedy
    server.as_root(remedy)
    with as_user(server, user) as database:
        assert len(database.rights().missing([user.replace("_", "x")])) == len(NEEDED[Use.BUILD])


@pytest.mark.parametrize("right", ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"])
def test_objects_that_would_not_be_shown(server, user, right):
    server.as_root(f"GRANT SELECT, {right} ON `{user}`.* TO {user}@'%'")
    server.as_root(f"CREATE PROCEDURE {user}.p() SELECT 1; CREATE EVENT {user}.e ON SCHEDULE EVERY 1 YEAR DO SELECT 1")

    with as_user(server, user) as database:
        rights = database.rights()
        seen = database.value("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s", [user])

    assert rights.hidden_in(user) == ["triggers", "events"]
    assert rights.hidden_in(f"{user}_beside") == ["routines", "triggers", "events"]
    assert seen == 1
