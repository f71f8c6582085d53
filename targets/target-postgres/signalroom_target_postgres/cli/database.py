"""The database that the target loads into, for the commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL

from signalroom_singer.cli.dotenv_file import DotenvError, load_working_folder
from signalroom_target_postgres.cli.formatting import Result, read_result
from signalroom_target_postgres.connection.connect_errors import SECRETS, describe_connection_error
from signalroom_target_postgres.connection.tls import SETTINGS, write_private_file
from signalroom_target_postgres.connection.url import is_configured, libpq_parameters
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.cluster import Cluster
from signalroom_target_postgres.errors import (
    ConnectionFailedError,
    ConnectionSettingsError,
    TargetPostgresError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg import Connection


_PREFIX = "TARGET_POSTGRES_"
_TABLES = """
SELECT schemaname || '.' || tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def configured_url() -> URL | None:
    """Read the target's connection settings from the environment, or ``.env`` of this folder.

    Returns:
        The server's address; None if none is configured, which means the embedded server.

    Raises:
        ConnectionSettingsError: If the settings are incomplete.
    """
    # The target reads it too, below; this only checks whether anything is configured.
    try:
        load_working_folder()
    except DotenvError as error:
        raise ConnectionSettingsError(str(error)) from None
    if not any(name.startswith(_PREFIX) and value for name, value in os.environ.items()):
        return None
    # Imported here: the SDK takes a second and a half, longer than most queries.
    from singer_sdk.exceptions import ConfigValidationError  # noqa: PLC0415

    from signalroom_singer.settings.problems import describe_invalid  # noqa: PLC0415
    from signalroom_singer.settings.text_values import read_texts  # noqa: PLC0415
    from signalroom_singer.settings.variables import current_naming  # noqa: PLC0415
    from signalroom_target_postgres.connection.connector import PostgresConnector  # noqa: PLC0415
    from signalroom_target_postgres.target import TargetPostgres  # noqa: PLC0415

    schema = TargetPostgres.config_jsonschema
    config: dict[str, Any] = {
        name: definition["default"]
        for name, definition in schema["properties"].items()
        if "default" in definition
    }
    try:
        texts = TargetPostgres._env_var_config  # noqa: SLF001
        read, wrong = read_texts(schema["properties"], texts)
        if problems := describe_invalid(current_naming(), schema, config | read, wrong):
            raise ConnectionSettingsError(problems[0])
        config |= read
    except ConfigValidationError as error:
        raise ConnectionSettingsError(error.errors[0]) from None
    if not is_configured(config):
        return None
    engine_url: URL = PostgresConnector(config)._engine.url  # noqa: SLF001
    return engine_url


@contextmanager
def open_connection() -> Iterator[Connection[Any]]:
    """Connect to the configured database, or else the embedded one; each statement is committed."""
    with _parameters(configured_url()) as parameters, connect(parameters) as connection:
        yield connection


@contextmanager
def _parameters(url: URL | None) -> Iterator[dict[str, Any]]:
    """Return the parameters of a libpq connection; the embedded server runs meanwhile."""
    if url is None:
        with EmbeddedPostgres() as embedded:
            yield embedded.cluster.conninfo()
    else:
        yield libpq_parameters(url)


def run(query: str) -> Iterator[Result]:
    """Run statements on the configured database, or else the embedded one.

    Args:
        query: One or several statements; several are one transaction, unless they say otherwise.

    Yields:
        The result of each statement.
    """
    with _parameters(configured_url()) as parameters:
        yield from run_on(parameters, query)


def connect(parameters: dict[str, Any]) -> Connection[Any]:
    """Connect to a database; each statement is committed.

    Args:
        parameters: The parameters of a libpq connection.

    Raises:
        ConnectionFailedError: If the server cannot be reached.
    """
    try:
        conninfo = make_conninfo("", **parameters)
        # Nothing is prepared: behind a pooler, the next transaction may be in another session.
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise ConnectionFailedError(describe_connection_error(error, _url(parameters))) from None


def run_on(parameters: dict[str, Any], query: str) -> Iterator[Result]:
    """Run statements on one database.

    Args:
        parameters: The parameters of a libpq connection.
        query: One or several statements.

    Yields:
        The result of each statement.

    Raises:
        TargetPostgresError: If the server cannot be reached, or a statement fails.
    """
    with connect(parameters) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(query.encode())
        except psycopg.Error as error:
            message = str(error).partition("\n")[0]
            if isinstance(error, psycopg.errors.UndefinedTable):
                message += f". {_list_tables(connection)}"
            raise TargetPostgresError(message) from None
        yield read_result(cursor)
        while cursor.nextset():
            yield read_result(cursor)


def _list_tables(connection: Connection[Any]) -> str:
    connection.rollback()
    tables = connection.execute(_TABLES).fetchall()
    if not tables:
        return "Nothing was loaded into this database yet: `make demo`, or `meltano run`, does so."
    return f"There are {', '.join(name for (name,) in tables)}."


def open_psql() -> int:
    """Open psql: the system's for a configured database, as it knows TLS, or the wheel's.

    Returns:
        The exit code of psql.
    """
    url = configured_url()
    with _parameters(url) as parameters:
        # Not among the arguments, which everybody on the machine can see.
        secrets = {name: parameters.pop(name) for name in SECRETS if name in parameters}
        environment = os.environ.copy()
        if password := secrets.pop("password", None):
            environment["PGPASSWORD"] = password
        if secrets:
            # The other secrets have no environment variables.
            lines = (f"{name}={value}\n" for name, value in secrets.items())
            environment["PGSERVICEFILE"] = write_private_file("[signalroom]\n" + "".join(lines))
            parameters["service"] = "signalroom"
        command = [_psql(url, parameters), make_conninfo("", **parameters)]
        # Ctrl-C is for psql, where it cancels a query; it must not end this process and the server.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.run(command, check=False, env=environment).returncode  # noqa: S603
        finally:
            signal.signal(signal.SIGINT, before)


def _psql(url: URL | None, parameters: Mapping[str, Any]) -> str:
    """Return the path of psql; that of the extra `embedded` is built without TLS."""
    if url is not None and (path := shutil.which("psql")):
        return path
    wants_tls = str(parameters.get("sslmode", "")).startswith(("require", "verify"))
    if url is None or (Cluster.is_installed() and not wants_tls):
        return str(Cluster.program("psql"))
    msg = (
        "psql (with TLS) is not installed. Install PostgreSQL's client (on Debian: apt-get install "
        'postgresql-client), or give a query: signalroom-postgres sql "select 1"'
    )
    raise TargetPostgresError(msg)


def _url(parameters: dict[str, Any]) -> URL:
    return URL.create(
        "postgresql",
        username=parameters.get("user"),
        password=parameters.get("password"),
        host=parameters.get("host"),
        port=parameters.get("port"),
        database=parameters.get("dbname"),
        query={name: parameters[name] for name in (*SETTINGS, *SECRETS) if name in parameters},
    )
