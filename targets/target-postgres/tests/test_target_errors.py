from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors
from singer_sdk.exceptions import ConfigValidationError

from signalroom_target_postgres.connection.connect_errors import (
    describe_connection_error,
    is_rejected_login,
    is_transient,
    render_url,
)
from signalroom_target_postgres.connection.server_errors import exit_code_of
from signalroom_target_postgres.connection.url import (
    driver_options,
    is_configured,
    read_url,
    url_of,
)
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.errors import ConnectionFailedError, ConnectionSettingsError
from signalroom_target_postgres.target import TargetPostgres

EXECUTABLE = Path(sys.executable).parent / "signalroom-target-postgres"
PASSWORD = "t0p/s3cret@home"
SCHEMA = {"type": "SCHEMA", "stream": "s", "key_properties": [], "schema": {"properties": {}}}


def server(**parts):
    whole = {"host": "h", "port": 5432, "user": "u", "password": PASSWORD, "database": "d"}
    return whole | parts


@pytest.mark.parametrize(
    ("config", "missing"),
    (
        ({"host": "h"}, ("user", "password", "database")),
        ({"user": "u", "password": PASSWORD}, ("host", "database")),
        ({"port": 5433}, ("host", "user", "password", "database")),
        (server(database=""), ("database",)),
        (server(password=None), ("password",)),
    ),
)
def test_a_half_configured_connection_names_what_is_missing(config, missing):
    with pytest.raises(ConnectionSettingsError) as caught:
        TargetPostgres(config=config)
    text = caught.value.message
    for part in ("host", "user", "password", "database"):
        assert (f"`{part}` (TARGET_POSTGRES_{part.upper()})" in text) == (part in missing)
    assert PASSWORD not in text


@pytest.mark.parametrize("content", (None, "", "host: h", "[1]"))
def test_a_file_that_holds_no_settings(tmp_path, content):
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(TargetPostgres.cli, [f"--config={path}"])
    assert result.exit_code == 2
    assert f"Error: Invalid value for '--config': {path}: " in result.output
    assert "Name a file with the settings as a JSON object, or ENV" in result.output


def test_texts_where_numbers_belong_name_their_variables(monkeypatch, caplog):
    for name, value in (("PORT", "abc"), ("SSH_TUNNEL", PASSWORD), ("HOST", "h")):
        monkeypatch.setenv(f"TARGET_POSTGRES_{name}", value)
    result = CliRunner().invoke(TargetPostgres.cli, ["--config=ENV"])
    assert result.exit_code == 78
    assert "Invalid port (TARGET_POSTGRES_PORT) 'abc': expected a whole number." in caplog.text
    assert "Invalid ssh_tunnel (TARGET_POSTGRES_SSH_TUNNEL): expected a JSON object." in caplog.text
    assert PASSWORD not in result.output + caplog.text


def test_a_server_without_passwords_is_configured_with_an_empty_one():
    TargetPostgres(config=server(password=""))


@pytest.mark.parametrize(
    "url",
    (
        "nonsense s3cret",
        "postgresql://u:top@s3cret/x@h:5432/d",
        "postgresql://u:top@s3cret@h/d",
        "postgresql://u:s3cret@h:port/d",
        "mysql://u:s3cret@h/d",
    ),
)
def test_an_unreadable_url_is_not_repeated(url):
    with pytest.raises(ConnectionSettingsError) as caught:
        TargetPostgres(config={"sqlalchemy_url": url})
    assert "postgresql+psycopg://user:password@host:5432/database" in caught.value.message
    assert "s3cret" not in caught.value.message
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "scheme", ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")
)
def test_psycopg_3_is_the_driver_whatever_is_named(scheme):
    assert read_url(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("name", "value"),
    (
        ("password", [12345678]),
        ("ssh_tunnel", {"private_key": [12345678]}),
        ("sqlalchemy_url", ["12345678"]),
    ),
)
def test_a_secret_of_the_wrong_type_is_not_repeated(name, value):
    with pytest.raises(ConfigValidationError) as caught:
        TargetPostgres(config={name: value})
    assert name in str(caught.value.errors)
    assert "12345678" not in str(caught.value.errors)


def test_contradictory_settings_are_an_error_in_words():
    with pytest.raises(ConnectionSettingsError, match="`ssl_mode` must be one of disable, allow,"):
        TargetPostgres(config=server(ssl_enable=True, ssl_mode="nonsense"))


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    (
        ("host", f"postgres://u:{PASSWORD}@h/d", "`host` holds a whole connection string. Set"),
        ("host", f" 'postgresql+psycopg2://u:{PASSWORD}@h/d'", "Set `sqlalchemy_url`"),
        ("host", f"jdbc:postgresql://h/d?password={PASSWORD}", "Set `sqlalchemy_url`"),
        ("host", f"host=h user=u password={PASSWORD}", "Set `sqlalchemy_url`"),
        ("user", f"postgres://u:{PASSWORD}@h/d", "`user` holds a whole connection string"),
        ("database", f"postgres://u:{PASSWORD}@h/d", "leave only the database in `database`"),
        ("password", f"postgres://u:{PASSWORD}@h/d", "`password` holds a whole connection string"),
        ("host", "https://h.example.com/", "`host` holds a web address: remove the scheme"),
        ("host", "h:5433", "`host` holds a port too: move it to `port` (TARGET_POSTGRES_PORT)"),
        ("host", "h/", "`host` holds a slash"),
        ("host", "h/d", "move the name of the database to `database`"),
        ("host", f"u:{PASSWORD}@h", "move what is before the @ to `user`"),
        ("host", '"h"', "`host` holds quotes, spaces"),
        ("host", "h h", "`host` holds quotes, spaces"),
        ("host", "[::1]", "leave them out of an IPv6 address"),
        ("database", "d?sslmode=require", "leave only the database's name. TLS is set by `ssl_"),
        ("database", "http://h/d", "leave only the database's name"),
    ),
)
def test_what_is_pasted_into_the_wrong_setting_is_named_and_not_repeated(setting, value, advice):
    with pytest.raises(ConnectionSettingsError) as caught:
        TargetPostgres(config=server(password="p") | {setting: value})
    assert advice in caught.value.message
    assert PASSWORD not in caught.value.message


def test_a_url_in_host_alone_is_not_told_to_be_half_a_connection():
    with pytest.raises(ConnectionSettingsError, match="`host` holds a whole connection string"):
        is_configured({"host": "postgresql://u:p@h/d"})


@pytest.mark.parametrize(
    ("host", "expected"),
    (
        (" h.example.com\n", "h.example.com"),
        ("::1", "::1"),
        ("/var/run/postgresql", "/var/run/postgresql"),
        ("h1,h2", "h1,h2"),
    ),
)
def test_hosts_that_libpq_takes_reach_it(host, expected):
    url = url_of(server(host=host))
    again = read_url(url.render_as_string(hide_password=False))
    assert (again.host or again.query["host"]) == expected
    assert (again.password, again.port, again.database) == (PASSWORD, 5432, "d")


def test_parameters_that_nobody_knows_are_named():
    url = "postgresql://u:s3cret@h/d?sslmode=require&pgbouncer=true&row_factory=s3cret"
    with pytest.raises(ConnectionSettingsError) as caught:
        TargetPostgres(config={"sqlalchemy_url": url})
    assert "nor psycopg knows: pgbouncer, row_factory. Remove them" in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("parameters", "options"),
    (
        ("", {"prepare_threshold": None}),
        ("prepare_threshold=none", {"prepare_threshold": None}),
        ("prepare_threshold=3&autocommit=True", {"prepare_threshold": 3, "autocommit": True}),
        ("prepare_threshold=0&autocommit=0", {"prepare_threshold": 0, "autocommit": False}),
    ),
)
def test_parameters_of_the_driver_reach_it(parameters, options):
    assert driver_options(read_url(f"postgresql://u:p@h/d?{parameters}")) == options


@pytest.mark.parametrize(
    ("settings", "timeout"),
    (
        ({}, "30"),
        ({"sqlalchemy_url": "postgresql://u:p@h/d?connect_timeout=7"}, "7"),
    ),
)
def test_a_server_that_does_not_answer_is_not_waited_for_without_end(settings, timeout):
    assert url_of(settings or server()).query["connect_timeout"] == timeout


def test_a_tunnel_leads_to_the_usual_port():
    url = {"sqlalchemy_url": "postgresql://u:p@h/d"}
    assert url_of(url).port is None
    assert url_of(url | {"ssh_tunnel": {"enable": True}}).port == 5432


def test_a_file_of_a_user_who_is_not_there_is_left_to_libpq():
    query = "sslrootcert=~no-such-user/ca.pem&sslkey=/no/such/key.pem"
    url = url_of({"sqlalchemy_url": f"postgresql://u:p@h/d?{query}"})
    assert url.query["sslrootcert"] == "~no-such-user/ca.pem"
    assert url.query["sslkey"] == "/no/such/key.pem"


@pytest.mark.parametrize(
    ("parameter", "advice"),
    (
        (
            "prepare_threshold=soon",
            "`prepare_threshold` in `sqlalchemy_url` must be a whole number",
        ),
        ("autocommit=maybe", "`autocommit` in `sqlalchemy_url` must be true or false"),
    ),
)
def test_parameters_of_the_driver_that_it_cannot_take(parameter, advice):
    with pytest.raises(ConnectionSettingsError, match=advice):
        TargetPostgres(config={"sqlalchemy_url": f"postgresql://u:p@h/d?{parameter}"})


_MADE_UP = "made-up/pass+word%1"
_PARTS = {"host": "db.example", "user": "loader", "database": "warehouse"}


@pytest.mark.parametrize(
    "config",
    (
        {**_PARTS, "password": _MADE_UP},
        {"sqlalchemy_url": f"postgresql://loader:{quote(_MADE_UP, safe='')}@db.example/warehouse"},
    ),
    ids=("password", "sqlalchemy_url"),
)
def test_the_log_has_the_password_in_no_encoding(config, caplog):
    target = TargetPostgres(config=config)
    for form in (
        _MADE_UP,
        quote(_MADE_UP, safe=""),
        json.dumps(_MADE_UP).replace("/", "\\/"),
        base64.b64encode(f"loader:{_MADE_UP}".encode()).decode(),
    ):
        target.logger.warning("the driver said %s of db.example", form)
        assert form not in caplog.text
    assert caplog.text.count("<redacted>") == 4


def test_a_password_that_is_a_word_leaves_the_log_readable(caplog):
    target = TargetPostgres(config={**_PARTS, "password": "postgres"})
    target.logger.warning("Cannot connect to postgres as loader")
    assert "Cannot connect to postgres as loader" in caplog.text


def test_an_address_is_shown_without_its_secrets():
    url = read_url("postgresql://u:s3cret@h/d?sslpassword=s3cret&sslmode=require")
    assert "s3cret" not in render_url(url)
    assert "sslmode=require" in render_url(url)
    said = describe_connection_error(psycopg.OperationalError("connection refused (s3cret)"), url)
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("reason", "advice"),
    (
        ('FATAL: permission denied for database "d"', "GRANT CONNECT ON DATABASE"),
        ('invalid port number: "99999"', "check the port"),
        ("received invalid response to SSL negotiation: H", "not PostgreSQL: check the host and"),
        ("canceling statement due to statement timeout", "Raise statement_timeout and lock_time"),
        ("canceling statement due to lock timeout", "Raise statement_timeout and lock_timeout"),
        ("connection timeout expired", "no answer: check the host, and the firewalls"),
        ("FATAL: pgbouncer cannot connect to server", "the pooler answers, and the PostgreSQL"),
        ("FATAL: unsupported startup parameter: options", "Remove `options` from `sqlalchemy_url`"),
        ("FATAL: Tenant or user not found", "Supabase's expects postgres.<project>"),
        ("FATAL: no more connections allowed (max_client_conn)", "no connection to spare"),
        (
            'FATAL: no pg_hba.conf entry for host "h", user "u", database "d", no encryption',
            "Set `ssl_enable` to true",
        ),
        (
            "no pg_hba.conf entry for h, SSL encryption: no pg_hba.conf entry, no encryption",
            "does not let this user in from here",
        ),
        ("something else", "check the connection's settings"),
    ),
)
def test_what_to_do_where_there_is_no_connection(reason, advice):
    url = read_url("postgresql://u:s3cret@h/d")
    said = describe_connection_error(psycopg.OperationalError(f"{reason}, s3cret"), url)
    assert f"{advice}" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("reason", "passing"),
    (
        ("canceling statement due to statement timeout", False),
        ("connection timeout expired", True),
        ("FATAL: pgbouncer cannot connect to server", True),
        ("FATAL: transaction blocks not allowed in statement pooling mode", False),
        ('root certificate file "x" does not exist', False),
    ),
)
def test_only_what_may_pass_is_waited_for(reason, passing):
    assert is_transient(reason) is passing


@pytest.mark.parametrize(
    ("reason", "refused"),
    (
        ('FATAL: password authentication failed for user "loader"', True),
        ('FATAL: database "analytics" does not exist', True),
        ('FATAL: role "loader" does not exist', True),
        ('no pg_hba.conf entry for host "10.0.0.1", user "loader"', True),
        ("server does not support SSL, but SSL was required", True),
        ("connection refused", False),
        ("FATAL: the database system is starting up", False),
        ("could not translate host name: Temporary failure in name resolution", False),
    ),
)
def test_the_exit_code_says_whether_a_retry_is_of_use(reason, refused):
    """77 for what the server will refuse again, 75 for a server that may be back."""
    assert is_rejected_login(reason) is refused
    error = ConnectionFailedError(reason, is_rejected_login=is_rejected_login(reason))
    assert error.exit_code == (77 if refused else 75)


@pytest.mark.parametrize(
    ("kind", "expected"),
    (
        (errors.InsufficientPrivilege, 77),
        (errors.NumericValueOutOfRange, 65),
        (errors.NotNullViolation, 65),
        (errors.DatatypeMismatch, 65),
        (errors.DiskFull, 1),
        (errors.AdminShutdown, 1),
        (errors.QueryCanceled, 1),
    ),
)
def test_the_exit_code_of_a_statement_that_is_refused(kind, expected):
    assert exit_code_of(kind()) == expected


def load(tmp_path, monkeypatch, config, *, code=75):
    for name in [name for name in os.environ if name.startswith("TARGET_POSTGRES_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = subprocess.run(
        [EXECUTABLE, "--config", str(tmp_path / "config.json")],
        input=json.dumps(SCHEMA) + "\n",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TARGET_POSTGRES_LOGLEVEL": "DEBUG"},
    )
    assert result.returncode == code
    output = result.stdout + result.stderr
    for secret in (PASSWORD, "s3cret"):
        assert secret not in output
    assert "Traceback" not in output
    return output


def test_a_host_that_does_not_answer(tmp_path, monkeypatch):
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        output = load(tmp_path, monkeypatch, server(host="127.0.0.1", port=port))
    assert f"Cannot connect to PostgreSQL at 127.0.0.1:{port} (database 'd', user 'u')" in output
    assert "no server listens there: check the host and the port" in output


@pytest.fixture(scope="module")
def guarded():
    """A server that asks one user for a password."""
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder) / "pg") as embedded,
    ):
        rules = embedded.cluster.data / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        with psycopg.connect(embedded.libpq_url, autocommit=True) as connection:
            connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
            connection.execute("SELECT pg_reload_conf()")
        yield embedded.cluster.conninfo()["host"]


@pytest.mark.parametrize(
    ("address", "advice"),
    (
        ("guarded:t0p%2Fs3cret%40home@/signalroom", "the user or the password is wrong"),
        ("postgres:t0p%2Fs3cret%40home@/nothing", "there is no such database"),
        ("stranger:t0p%2Fs3cret%40home@/signalroom", "there is no such user"),
    ),
)
def test_a_server_that_does_not_let_us_in(guarded, tmp_path, monkeypatch, address, advice):
    url = f"postgresql://{address}?host={guarded}"
    output = load(tmp_path, monkeypatch, {"sqlalchemy_url": url}, code=77)
    assert advice in output


def test_a_time_limit_while_connecting(guarded):
    """SQLAlchemy asks a new connection what the server is like."""
    url = f"postgresql://postgres@/signalroom?host={guarded}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE hurried LOGIN")
        connection.execute("ALTER ROLE hurried SET statement_timeout = 1")
        # What every new session asks for first waits for this.
        connection.execute("BEGIN; LOCK pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE")
        target = TargetPostgres(config={"sqlalchemy_url": url.replace("postgres@", "hurried@")})
        with pytest.raises(ConnectionFailedError) as caught:
            target.listen(io.StringIO(json.dumps(SCHEMA)))
        connection.execute("ROLLBACK")
    assert "Raise statement_timeout" in caught.value.message
    assert "firewall" not in caught.value.message


def test_a_host_that_does_not_exist(tmp_path, monkeypatch):
    output = load(tmp_path, monkeypatch, server(host="nowhere.invalid"))
    assert "no such host: check its name" in output


def test_settings_that_contradict_each_other():
    with pytest.raises(ConnectionSettingsError, match="unless add_record_metadata is set to true"):
        TargetPostgres(config=server(activate_version=True, add_record_metadata=False))
