# Copyright: (c) 2026, hopsworks.airflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that are encrypted and verified, to a real server with certificates made here."""

from __future__ import annotations

import datetime
import gzip
import sys
import tempfile
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.hopsworks.airflow.plugins.module_utils._common.failure import OperatorError
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.address import Address
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.client import Tools
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.connect import session
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.mysql.tls import url_options
from ansible_collections.hopsworks.airflow.plugins.module_utils._database.tls import FILES, Tls, read_tls
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.installation import plugins
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.pod import LocalPod
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.running import running
from ansible_collections.hopsworks.airflow.tests.unit.mariadb.server import PASSWORD

NAME = "db.example.com"
NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    """A CA that signs certificates."""

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, ca=True, names=())

    def issue(self, *names):
        """Certificate and private key of a server or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._signed(subject, key, ca=False, names=names), private

    def _signed(self, subject, key, *, ca, names):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - datetime.timedelta(hours=1))
            .not_valid_after(NOW + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority():
    return Authority("the test's CA")


@pytest.fixture(scope="module")
def secure(authority, tmp_path_factory):
    """A server with a certificate for NAME, and users with demands of their own."""
    files = tmp_path_factory.mktemp("tls")
    certificate, key = authority.issue(NAME, "localhost")
    for name, content in (("ca", authority.certificate), ("cert", certificate), ("key", key)):
        (files / name).write_bytes(content)
        (files / name).chmod(0o644)
    options = [f"--ssl-{name}={files / name}" for name in ("ca", "cert", "key")]
    with running(tmp_path_factory, *options, f"--plugin-dir={plugins(tmp_path_factory.mktemp('plugins'))}") as made:
        made.as_root("CREATE USER presenting REQUIRE X509; CREATE USER encrypting REQUIRE SSL")
        made.as_root("CREATE DATABASE airflow_tls; CREATE TABLE airflow_tls.t (id INT)")
        yield made


def tls(authority, mode="verify_identity", client=None):
    contents = {"ca": authority.certificate}
    if client:
        contents |= dict(zip(("certificate", "private_key"), client, strict=True))
    return Tls(mode, {name: {"name": "db-tls", "key": FILES[name]} for name in contents}, contents)


def connect(server, encryption, user="airflow", name=NAME):
    password = PASSWORD.encode() if user == "airflow" else b""
    return session("127.0.0.1", server.port, user, password, f"{name}:3306 as {user}", encryption, name)


def cipher(database):
    return dict(database.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'"))["Ssl_cipher"]


def test_verifies_the_real_name_through_a_tunnel(secure, authority):
    with connect(secure, tls(authority)) as database:
        assert cipher(database)


@pytest.mark.parametrize(("mode", "encrypted"), [("disable", False), ("prefer", True), ("require", True)])
def test_modes(secure, authority, mode, encrypted):
    with connect(secure, tls(authority, mode), name="another.name") as database:
        assert bool(cipher(database)) is encrypted


@pytest.mark.parametrize(("mode", "refused"), [("disable", False), ("prefer", False), ("require", True)])
def test_a_server_without_tls(server, authority, mode, refused):
    if not refused:
        with connect(server, tls(authority, mode)) as database:
            assert not cipher(database)
        return
    with pytest.raises(OperatorError, match="offers no TLS") as caught, connect(server, tls(authority, mode)):
        pass
    assert "password" not in str(caught.value)


def fitness(server, encryption, user="airflow"):
    with connect(server, encryption, user) as database:
        return database.fitness(database.rights(), encryption)


@pytest.mark.parametrize(("user", "demand"), [("encrypting", "REQUIRE SSL"), ("presenting", "REQUIRE X509")])
def test_a_user_that_components_could_not_be_without_tls(secure, authority, user, demand):
    """They connect by PyMySQL, which `prefer` tells nothing; what the two sides can do shows in no session of ours."""
    client = authority.issue("airflow")
    given = client if user == "presenting" else None
    with connect(secure, tls(authority, "prefer", client), user) as database:
        # Without a certificate it couldn't even ask.
        (problem,) = database.fitness(database.rights(), Tls()).problems
    assert demand in problem
    assert "airflow_database_tls" in problem

    assert fitness(secure, tls(authority, "require", given), user).problems == ()
    assert fitness(secure, tls(authority, "verify_identity", given), user).problems == ()


def test_a_server_that_demands_tls_of_everyone(secure, authority):
    secure.as_root("SET GLOBAL require_secure_transport = ON")
    try:
        (problem,) = fitness(secure, tls(authority, "prefer")).problems
        assert "require_secure_transport" in problem
        assert fitness(secure, tls(authority, "require")).problems == ()
    finally:
        secure.as_root("SET GLOBAL require_secure_transport = OFF")
    assert fitness(secure, tls(authority, "prefer")).problems == ()


def test_what_only_looks_like_a_demand_of_tls(secure, authority):
    secure.as_root("CREATE USER 'REQUIRE SSL'@'%'")
    try:
        assert fitness(secure, tls(authority, "prefer"), "REQUIRE SSL").problems == ()
    finally:
        secure.as_root("DROP USER 'REQUIRE SSL'@'%'")


def test_a_login_that_the_library_cannot_do(secure, monkeypatch):
    """ed25519 without PyNaCl: the library raises what is none of its own errors."""
    monkeypatch.setattr("pymysql._auth._nacl_bindings", None, raising=False)
    monkeypatch.setitem(sys.modules, "nacl", None)
    secure.as_root("INSTALL SONAME 'auth_ed25519'; CREATE USER modern IDENTIFIED VIA ed25519 USING PASSWORD('')")
    try:
        with pytest.raises(OperatorError, match="requires a login that this PyMySQL does not support") as caught:
            connect(secure, Tls(), "modern").__enter__()
        assert "nacl" in caught.value.found.lower()
        assert "image" in caught.value.expected
    finally:
        secure.as_root("DROP USER modern")


def test_a_ca_that_did_not_sign_it(secure):
    with (
        pytest.raises(OperatorError, match=r"not one that database\.tls\.ca vouches for") as caught,
        connect(secure, tls(Authority("another"))),
    ):
        pass
    assert "database.tls.ca" in caught.value.next_step
    assert "password" not in str(caught.value)


def test_a_name_that_it_is_not_for(secure, authority):
    with (
        pytest.raises(OperatorError, match=r"not for the name mysql\.hopsworks") as caught,
        connect(secure, tls(authority), name="mysql.hopsworks"),
    ):
        pass
    assert "database.host" in caught.value.next_step
    assert "password" not in str(caught.value)


def test_a_client_certificate_that_is_wanted(secure, authority):
    with (
        pytest.raises(OperatorError, match="answered 1045") as caught,
        connect(secure, tls(authority), user="presenting"),
    ):
        pass
    assert "database.tls" in caught.value.next_step

    with connect(secure, tls(authority, client=authority.issue("airflow")), user="presenting") as database:
        assert cipher(database)


def test_tls_that_is_wanted_and_not_used(secure, authority):
    with (
        pytest.raises(OperatorError, match="answered 1045") as caught,
        connect(secure, tls(authority, "disable"), user="encrypting"),
    ):
        pass
    assert "database.tls" in caught.value.next_step


def test_the_private_key_is_left_nowhere(secure, authority, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with connect(secure, tls(authority, client=authority.issue("airflow")), user="presenting"):
        assert list(tmp_path.iterdir()) == []
    certificate, _key = authority.issue("airflow")
    with (
        pytest.raises(OperatorError, match=r"database\.tls\.certificate") as caught,
        connect(secure, tls(authority, client=(certificate, b"CANARY no key"))),
    ):
        pass

    assert list(tmp_path.iterdir()) == []
    assert "CANARY" not in str(caught.value) + repr(tls(authority, client=(certificate, b"CANARY")))


def test_a_bundle_of_cas_with_comments_in_any_encoding(secure, authority):
    """As Mozilla's has them. Files of other programs that OpenSSL reads have to do."""
    other = Authority("another").certificate
    bundle = b"# F\xc5\x91tan\xc3\xbas\n" + other + b"Gr\xfc\xdfe\n\n" + authority.certificate.replace(b"\n", b"\r\n")

    with connect(secure, Tls("verify_identity", tls(authority).sources, {"ca": bundle})) as database:
        assert cipher(database)
    with (
        pytest.raises(OperatorError, match="vouches for"),
        connect(secure, Tls("verify_identity", tls(authority).sources, {"ca": "# ő\n".encode() + other})),
    ):
        pass


def test_a_ca_that_is_none(secure, authority):
    broken = Tls("verify_identity", tls(authority).sources, {"ca": b"no PEM"})

    with (
        pytest.raises(OperatorError, match=r"ca\.crt of Secret db-tls .database\.tls\.ca. holds no"),
        connect(secure, broken),
    ):
        pass


class TestTools:
    """The client tools, told the same in their own words."""

    @pytest.fixture
    def dumped(self, secure, tmp_path, monkeypatch):
        monkeypatch.setattr(
            "ansible_collections.hopsworks.airflow.plugins.module_utils._database.client.execute", LocalPod().execute
        )

        def dump(encryption, host="localhost", user="airflow"):
            for name, content in encryption.contents.items():
                (tmp_path / FILES[name]).write_bytes(content)
            password = PASSWORD.encode() if user == "airflow" else b""
            address = Address(host, secure.port, "airflow_tls", user, password, encryption)
            received = []
            Tools(None, "pod", None, address, 60, str(tmp_path)).dump("airflow_tls", received.append)
            return gzip.decompress(b"".join(received))

        return dump

    def test_verify(self, dumped, authority):
        assert b"CREATE TABLE `t`" in dumped(tls(authority))

    def test_notice_a_ca_that_did_not_sign_it(self, dumped):
        with pytest.raises(OperatorError) as caught:
            dumped(tls(Authority("another")))

        assert any("ertificate" in line for line in caught.value.evidence)
        assert "database.tls" in caught.value.next_step

    def test_notice_a_name_that_it_is_not_for(self, dumped, authority):
        with pytest.raises(OperatorError):
            dumped(tls(authority), host="127.0.0.1")

    @pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
    def test_verify_nothing_in_other_modes(self, dumped, mode):
        assert b"CREATE TABLE `t`" in dumped(tls(Authority("another"), mode), host="127.0.0.1")

    def test_present_a_client_certificate(self, secure, dumped, authority):
        secure.as_root("GRANT SELECT, LOCK TABLES ON airflow_tls.* TO presenting")
        with pytest.raises(OperatorError, match="exit code"):
            dumped(tls(authority), user="presenting")

        assert b"CREATE TABLE" in dumped(tls(authority, client=authority.issue("airflow")), user="presenting")


CLUSTER = types.SimpleNamespace(
    namespace="hopsworks",
    secret_entries={"db-tls": {"ca.crt": b"a", "tls.crt": b"b", "tls.key": b"c"}}.get,
)
CA, CERTIFICATE, KEY = ({"name": "db-tls", "key": key} for key in ("ca.crt", "tls.crt", "tls.key"))


def test_files_are_read_from_their_secrets():
    read = read_tls(CLUSTER, {"mode": "verify_identity", "ca": CA, "certificate": CERTIFICATE, "private_key": KEY})

    assert read.contents == {"ca": b"a", "certificate": b"b", "private_key": b"c"}
    assert read_tls(CLUSTER, None) == Tls() == read_tls(CLUSTER, {"mode": "prefer", "ca": None})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "verify_identity"}, "no `ca`"),
        ({"mode": "require", "certificate": CERTIFICATE}, "no `private_key`"),
        ({"mode": "require", "private_key": KEY}, "no `certificate`"),
        ({"mode": "verify_identity", "ca": {"name": "db-tls", "key": "x"}}, "its entries are ca.crt"),
        ({"mode": "verify_identity", "ca": {"name": "x", "key": "x"}}, "there is no such Secret"),
    ],
)
def test_what_is_not_complete_is_told(options, match):
    with pytest.raises(OperatorError, match=match):
        read_tls(CLUSTER, options)


def test_what_drivers_are_told(authority):
    client = authority.issue("airflow")

    assert (
        url_options(tls(authority, "prefer"), "pymysql", "/x")
        == url_options(tls(authority, "prefer"), "mysqldb", "/x")
        == ""
    )
    assert url_options(tls(authority, "require"), "pymysql", "/x") == "&ssl_check_hostname=false"
    assert url_options(tls(authority, "require"), "mysqldb", "/x") == "&ssl_mode=REQUIRED"
    assert url_options(tls(authority), "pymysql", "/x") == "&ssl_ca=/x/ca.crt"
    assert (
        url_options(tls(authority, client=client), "mysqldb", "/x")
        == "&ssl_ca=/x/ca.crt&ssl_cert=/x/tls.crt&ssl_key=/x/tls.key&ssl_mode=VERIFY_IDENTITY"
    )


def test_pods_mount_what_is_used_and_nothing_else(authority):
    client = authority.issue("airflow")

    assert tls(authority, "require").volume("x") is None
    assert tls(authority, "disable", client).volume("x") is None
    sources = tls(authority, client=client).volume("x")["projected"]["sources"]
    assert [source["secret"]["items"][0]["path"] for source in sources] == ["ca.crt", "tls.crt", "tls.key"]
