"""TLS as libpq does it: modes, certificates by path, text or the system's store, and what fails."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from singer_sdk.exceptions import ConfigValidationError
from tls_server import PASSPHRASE, Authority, tls_server
from warehouse import lines, record, schema, state

from signalroom_singer import ExitCode
from signalroom_target_postgres.cli.commands import main
from signalroom_target_postgres.connection import tls
from signalroom_target_postgres.connection.connector import PostgresConnector
from signalroom_target_postgres.connection.url import url_of
from signalroom_target_postgres.errors import ConnectionSettingsError, TargetPostgresError

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return Authority(folder, "ca"), Authority(folder, "other")


@pytest.fixture(scope="module")
def servers(server, authorities):
    """Servers with certificates of several kinds, and one without."""
    ca, _ = authorities
    with (
        # Short, as sockets are in it.
        tempfile.TemporaryDirectory(prefix="sr-tls-", ignore_cleanup_errors=True) as made,
        ExitStack() as stack,
    ):

        def start(name, *pair, **more):
            return stack.enter_context(tls_server(server, Path(made) / name, *pair, **more))

        yield {
            "good": start("good", ca.issue("localhost", host=True)),
            "elsewhere": start("elsewhere", ca.issue("db.example.com", host=True)),
            "expired": start("expired", ca.issue("localhost", host=True, expired=True)),
            "plain": start("plain", None),
            "mutual": start("mutual", ca.issue("localhost", host=True), client_root=ca.root),
        }


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home, and a folder to run in, that are empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def connection(server, **settings):
    """The settings of a connection by parts."""
    parts = {"host": "localhost", "port": server.port, "user": "postgres", "password": ""}
    return {"sqlalchemy_url": None, **parts, "database": "signalroom"} | settings


def load(warehouse, server, **settings):
    """Load a row, by the loader's own settings."""
    states = warehouse.load(
        schema({"id": "integer"}), record(id=1), state(at=1), **connection(server, **settings)
    )
    assert states == [{"at": 1}]
    assert replace(warehouse, libpq_url=server.libpq_url, connection=None).rows() == [{"id": 1}]


def refused(warehouse, server, **settings):
    with pytest.raises(TargetPostgresError) as caught:
        load(warehouse, server, **settings)
    return caught.value.message


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", ("none", "path", "home", "text"))
def test_a_server_with_a_good_certificate(warehouse, servers, authorities, home, mode, given):
    ca, _ = authorities
    roots = {"path": str(ca.root), "home": "~/root.pem", "text": ca.root.read_text()}
    (home / "root.pem").write_text(ca.root.read_text())
    settings = {"ssl_enable": True, "ssl_mode": mode}
    if given != "none":
        settings["ssl_certificate_authority"] = roots[given]
    if given == "none" and mode.startswith("verify-"):
        message = refused(warehouse, servers["good"], **settings)
        assert f"`ssl_mode` {mode} needs a root certificate" in message
        assert "~/.postgresql/root.crt does not exist. Set `ssl_certificate_authority`" in message
    else:
        load(warehouse, servers["good"], **settings)
    assert [path.name for path in home.iterdir()] == ["root.pem"], "nothing is written"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("kind", "root", "fails", "advice"),
    (
        ("good", 1, MODES[3:], "is not signed by `ssl_certificate_authority`"),
        ("elsewhere", 0, MODES[5:], "certificate is for another host. Set `host` to a name"),
        ("expired", 0, MODES[3:], "the server's certificate has expired, or is not signed by"),
        ("plain", 0, MODES[3:], "the server has no TLS, and `ssl_mode`"),
    ),
)
def test_a_server_that_cannot_be_trusted(
    warehouse, servers, authorities, home, mode, kind, root, fails, advice
):
    settings = {
        "ssl_enable": True,
        "ssl_mode": mode,
        "ssl_certificate_authority": str(authorities[root].root),
    }
    if mode in fails:
        message = refused(warehouse, servers[kind], **settings)
        assert advice in message
        assert "\n" not in message
    else:
        load(warehouse, servers[kind], **settings)


@pytest.mark.parametrize("mode", ("require", "verify-full"))
def test_the_default_root_counts_where_it_exists(warehouse, servers, authorities, home, mode):
    # As libpq's `require` does too: "for backwards compatibility".
    (home / ".postgresql").mkdir()
    default = home / ".postgresql" / "root.crt"
    for authority, works in zip(authorities, (True, False), strict=True):
        default.write_text(authority.root.read_text())
        settings = {"ssl_enable": True, "ssl_mode": mode}
        if works:
            load(warehouse, servers["good"], **settings)
        else:
            assert "is not signed by" in refused(warehouse, servers["good"], **settings)


@pytest.mark.parametrize("empty", (None, ""))
def test_empty_settings_are_their_defaults(warehouse, servers, authorities, home, empty):
    (home / ".postgresql").mkdir()
    (home / ".postgresql" / "root.crt").write_text(authorities[0].root.read_text())
    settings = {"ssl_mode": empty, "ssl_certificate_authority": empty}
    load(warehouse, servers["good"], ssl_enable=True, **settings)
    assert "is for another host" in refused(
        warehouse, servers["elsewhere"], ssl_enable=True, **settings
    )


@pytest.mark.parametrize(("host", "works"), (("db.example.com", True), ("localhost", False)))
def test_through_a_tunnel_it_is_the_far_host_that_is_checked(
    warehouse, servers, authorities, home, monkeypatch, host, works
):
    port = servers["elsewhere"].port

    class Tunnel:
        """Ends where it begins."""

        def __init__(self, *, remote_bind_address, **_):
            self.remote_bind_host, _ = remote_bind_address
            self.local_bind_host, self.local_bind_port = "127.0.0.1", port

        def start(self):
            pass

        def stop(self):
            pass

    monkeypatch.setattr("target_postgres.connector.SSHTunnelForwarder", Tunnel)
    monkeypatch.setattr(PostgresConnector, "guess_key_type", lambda *_: None)
    settings = {
        "host": host,
        "ssl_enable": True,
        "ssl_certificate_authority": str(authorities[0].root),
        "ssh_tunnel": {"enable": True, "host": "h", "username": "u", "private_key": "k"},
    }
    if works:
        load(warehouse, servers["elsewhere"], **settings)
    else:
        assert "is for another host" in refused(warehouse, servers["elsewhere"], **settings)


def test_a_tunnel_that_cannot_be_opened_is_an_error_in_words(warehouse, servers, home):
    tunnel = {"enable": True, "host": "h", "username": "u", "private_key": "s3cret"}
    message = refused(warehouse, servers["good"], ssh_tunnel=tunnel)
    assert "Cannot open the SSH tunnel by h:22: check `ssh_tunnel.host`" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("lacking", ("host", "username", "private_key"))
def test_a_tunnel_that_lacks_a_setting_names_it(warehouse, servers, lacking):
    tunnel = {"enable": True, "host": "h", "username": "u", "private_key": "k3y"}
    del tunnel[lacking]
    with pytest.raises(ConfigValidationError) as caught:
        load(warehouse, servers["good"], ssh_tunnel=tunnel)
    (message,) = caught.value.errors
    assert f"Missing required setting ssh_tunnel.{lacking}: ssh_tunnel.enable is true." in message
    assert f"Set ssh_tunnel.{lacking} in the --config file." in message


@pytest.mark.parametrize("by", ("settings", "url"))
def test_the_system_s_store(warehouse, servers, authorities, home, monkeypatch, by):
    ca, other = authorities

    def settings(mode):
        if by == "settings":
            return {"ssl_enable": True, "ssl_mode": mode, "ssl_certificate_authority": "system"}
        query = f"sslrootcert=system&sslmode={mode}"
        url = f"postgresql://postgres@localhost:{servers['good'].port}/signalroom?{query}"
        return {"sqlalchemy_url": url}

    monkeypatch.setenv("SSL_CERT_FILE", str(ca.root))
    load(warehouse, servers["good"], **settings("verify-full"))
    weak = refused(warehouse, servers["good"], **settings("require"))
    assert "`system`, which needs `ssl_mode` verify-full" in weak
    monkeypatch.setenv("SSL_CERT_FILE", str(other.root))
    assert "is not signed by" in refused(warehouse, servers["good"], **settings("verify-full"))


def test_a_machine_without_a_store_is_told_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setattr(tls, "_SYSTEM_STORES", (str(tmp_path / "neither.pem"),))
    with pytest.raises(ConnectionSettingsError, match="Install the package ca-certificates"):
        tls.normalize_parameters({"sslrootcert": "system", "sslmode": "verify-full"})


def test_a_key_that_is_locked_the_old_way_keeps_the_lines_of_its_headers(home):
    key = (
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\n"
        "QUJD\n-----END RSA PRIVATE KEY-----\n"
    )
    settings = {
        "ssl_enable": True,
        "ssl_mode": "require",
        "ssl_client_certificate_enable": True,
        "ssl_client_certificate": key.replace("RSA PRIVATE KEY", "CERTIFICATE"),
        "ssl_client_private_key": key.replace("\n", "\\n"),
        "ssl_client_private_key_password": "p",
    }
    url = url_of({"host": "h", "user": "u", "password": "p", "database": "d"} | settings)
    assert Path(url.query["sslkey"]).read_text() == key


def test_parameters_in_a_url_mean_what_libpq_says(warehouse, servers, authorities, home):
    (home / "root.pem").write_text(authorities[0].root.read_text())
    for name in ("root.pem", "other.pem"):
        query = f"sslmode=verify-full&sslrootcert=~/{name}"
        url = f"postgresql://postgres@localhost:{servers['good'].port}/signalroom?{query}"
        if name == "root.pem":
            load(warehouse, servers["good"], sqlalchemy_url=url)
        else:
            message = refused(warehouse, servers["good"], sqlalchemy_url=url)
            assert "Set `ssl_certificate_authority` (in `sqlalchemy_url`: sslrootcert)" in message


@pytest.mark.parametrize("mode", ("require", "verify-full"))
@pytest.mark.parametrize(
    ("content", "advice"),
    (
        (None, "the file does not exist"),
        ("folder", "the file cannot be read (Is a directory)"),
        ("hello", "`ssl_certificate_authority` (in `sqlalchemy_url`: sslrootcert) holds no cert"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "cut: it needs its BEGIN and its END line"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "(in `sqlalchemy_url`: sslrootcert) holds no certificate",
        ),
    ),
)
def test_a_root_that_is_none(warehouse, servers, home, mode, content, advice):
    value = "~/root.pem"
    if content == "folder":
        (home / "root.pem").mkdir()
    elif content and "BEGIN" in content:
        value = content
    elif content:
        (home / "root.pem").write_text(content)
    settings = {"ssl_enable": True, "ssl_mode": mode, "ssl_certificate_authority": value}
    message = refused(warehouse, servers["good"], **settings)
    assert advice in message
    assert "ssl_certificate_authority" in message
    assert "/proc/" not in message


def client(pair, *, as_text=False):
    """The settings of a client's certificate."""
    values = (pair.certificate, pair.key)
    return {
        "ssl_client_certificate_enable": True,
        "ssl_client_certificate": values[0].read_text() if as_text else str(values[0]),
        "ssl_client_private_key": values[1].read_text() if as_text else str(values[1]),
    }


@pytest.mark.parametrize("as_text", (False, True))
@pytest.mark.parametrize("locked", (False, True))
def test_a_client_s_certificate(warehouse, servers, authorities, home, as_text, locked):
    ca, _ = authorities
    settings = client(ca.issue("postgres", locked=locked), as_text=as_text)
    if locked:
        settings["ssl_client_private_key_password"] = PASSPHRASE
    load(warehouse, servers["mutual"], **settings)
    verified = {"ssl_enable": True, "ssl_certificate_authority": ca.root.read_text()}
    load(warehouse, servers["mutual"], **settings, **verified)
    assert [*home.iterdir()] == []


@pytest.mark.parametrize("as_text", (False, True))
@pytest.mark.parametrize(
    ("case", "advice"),
    (
        ("none", "Set `ssl_client_certificate_enable` to true, `ssl_client_certificate`"),
        ("default", "`ssl_client_certificate` is missing, and ~/.postgresql/postgresql.crt does"),
        ("other", "does not trust the authority that signed `ssl_client_certificate`"),
        ("expired", "the certificate in `ssl_client_certificate` (in `sqlalchemy_url`: sslcert)"),
        ("mismatch", "`ssl_client_private_key` (in `sqlalchemy_url`: sslkey) is not the key of"),
        ("open", "`chmod 600` the file"),
        ("locked", "has a passphrase. Set `ssl_client_private_key_password`"),
        ("wrong", "the passphrase of the key is wrong: check `ssl_client_private_key_password`"),
        ("swapped", "`ssl_client_certificate` (in `sqlalchemy_url`: sslcert) holds no certif"),
        ("missing", "`ssl_client_private_key` is taken for a path"),
        ("headless", "`ssl_client_private_key` is taken for a path"),
    ),
)
def test_a_client_s_certificate_that_fails(
    warehouse, servers, authorities, home, case, advice, as_text
):
    ca, other = authorities
    pair = {"other": other.issue("postgres")}.get(case) or ca.issue(
        "postgres", expired=case == "expired", locked=case in {"locked", "wrong"}
    )
    settings = client(pair, as_text=as_text and case != "open")
    secret = "".join(pair.key.read_text().splitlines()[1:2])
    match case:
        case "none":
            settings = {}
        case "default":
            settings = {"ssl_client_certificate_enable": True}
        case "mismatch":
            settings["ssl_client_private_key"] = str(other.issue("postgres").key)
        case "open":
            pair.key.chmod(0o644)
        case "wrong":
            settings["ssl_client_private_key_password"] = "s3cret"
        case "swapped":
            settings["ssl_client_certificate"] = settings["ssl_client_private_key"]
        case "missing":
            settings["ssl_client_private_key"] = "nowhere.key"
        case "headless":
            settings["ssl_client_private_key"] = secret
    root = {"ssl_enable": True, "ssl_certificate_authority": str(ca.root)}
    message = refused(warehouse, servers["mutual"], **settings, **root)
    assert advice in message
    for text in (secret, "s3cret", "/proc/"):
        assert text not in message


@pytest.mark.parametrize("breaks", ("\\n", " ", ""))
def test_a_text_whose_line_breaks_were_lost(warehouse, servers, authorities, home, breaks):
    ca, _ = authorities
    settings = client(ca.issue("postgres"), as_text=True)
    settings |= {"ssl_enable": True, "ssl_certificate_authority": ca.root.read_text()}
    squeezed = {
        name: value.strip().replace("\n", breaks) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    load(warehouse, servers["mutual"], **squeezed)


def test_a_text_is_in_a_file_of_its_owner_s_where_memory_has_no_path(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = Path(tls.write_private_file.__wrapped__("secret"))
    assert path.parent == tmp_path
    assert path.read_text() == "secret"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_of_a_text_when_the_loader_is_killed(warehouse, servers, authorities, home):
    ca, _ = authorities
    settings = client(ca.issue("postgres"), as_text=True) | {"max_batch_age_seconds": 0}
    command = warehouse.command(home, **connection(servers["mutual"], **settings))
    environment = os.environ | {"TMPDIR": str(home)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as loader:
        loader.stdin.write(lines(schema({"id": "integer"}), record(id=1), state(at=1)))
        loader.stdin.flush()
        # It has connected once its state is passed on.
        assert json.loads(loader.stdout.readline()) == {"at": 1}
        loader.kill()
    assert [path.suffix for path in home.rglob("*")] == [".json"]


def test_sql_goes_the_loader_s_way(servers, authorities, home, monkeypatch):
    ca, other = authorities
    for name, value in connection(servers["good"], ssl_enable="true", password="-").items():
        if value:
            monkeypatch.setenv(f"TARGET_POSTGRES_{name.upper()}", str(value))
    for authority, code in ((ca, 0), (other, ExitCode.UNAVAILABLE)):
        text = authority.root.read_text()
        monkeypatch.setenv("TARGET_POSTGRES_SSL_CERTIFICATE_AUTHORITY", text)
        result = CliRunner().invoke(main, ["sql", "select 6 * 7 as answer"])
        assert result.exit_code == code, result.output
    assert "is not signed by `ssl_certificate_authority`" in result.output
