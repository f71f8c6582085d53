"""The stock connector, with transactions that survive a lost connection."""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import paramiko  # type: ignore[import-untyped]
import psycopg
from psycopg import Connection, Cursor, errors
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import ExceptionContext, make_url
from target_postgres.connector import PostgresConnector as StockConnector
from typing_extensions import override

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.problems import missing_setting
from signalroom_target_postgres.connection import connect_errors, server_errors
from signalroom_target_postgres.connection.url import driver_options, url_of
from signalroom_target_postgres.errors import ConnectionFailedError, LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from singer_sdk.sql.connector import JSONSchemaToSQL

T = TypeVar("T")

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Errors of concurrent changes; a retry is likely to succeed.
_COLLISIONS = (errors.DeadlockDetected, errors.SerializationFailure)
_MAX_COLLISIONS = 10
# How often one batch may lose the connection: it may end the session itself, as where it takes
# more memory than the server has.
_MAX_LOSSES = 10
_LOST = (
    "The connection to PostgreSQL was lost {} times while the same batch was loaded. Look into the "
    "log of the server, and of the pooler if there is one, for what ends it. {}"
)
#: How many errors without an SQLSTATE are taken for a lost connection.
_MAX_AMBIGUOUS_ERRORS = 3


class PostgresConnector(StockConnector):  # type: ignore[misc] # the stock target is untyped
    """The connection to the database; errors are sentences without the password."""

    #: Called before a new connection is tried after one was lost.
    before_reconnect: Callable[[], None] = staticmethod(lambda: None)
    #: The names of the tables that are loaded, their schemas and columns. Errors may repeat them.
    names: set[str]
    _has_connected = False
    #: Returns whether to give up waiting for the server.
    should_stop: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self, config: dict[str, Any]) -> None:
        """Initialize, but leave signal handlers to the target."""
        self.names = set()
        tunnel = config.get("ssh_tunnel") or {}
        for setting in ("ssh_tunnel.host", "ssh_tunnel.username", "ssh_tunnel.private_key"):
            if tunnel.get("enable") and not tunnel.get(setting.partition(".")[2]):
                raise missing_setting(setting, "ssh_tunnel.enable is true")
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            super().__init__(config)
        except (paramiko.SSHException, OSError, KeyError, ValueError) as error:
            if not tunnel.get("enable"):
                raise
            reason = str(error) or type(error).__name__
            msg = (
                f"Cannot open the SSH tunnel by {tunnel.get('host')}:{tunnel.get('port')}: check "
                f"`ssh_tunnel.host`, `port`, `username`, `private_key` and `private_key_password` "
                f"({reason})."
            )
            raise ConnectionFailedError(msg) from None
        if self.ssh_tunnel is not None:
            # TLS ends at the server behind the tunnel, whose name is in the certificate.
            url = make_url(self.sqlalchemy_url)
            near = {"hostaddr": str(url.host)}
            url = url.set(host=self.ssh_tunnel.remote_bind_host).update_query_dict(near)
            self._sqlalchemy_url = url.render_as_string(hide_password=False)
        # With a tunnel, the stock connector exits at once when asked to end: what was read and
        # not loaded yet would be lost.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)

    @override
    def get_sqlalchemy_url(self, config: Mapping[str, Any]) -> str:
        return url_of(config).render_as_string(hide_password=False)

    @override
    def create_engine(self) -> Engine:
        engine = cast("Engine", super().create_engine())
        # The loader has no columns of this type, which SQLAlchemy would look up in each run.
        cast("Any", engine.dialect).use_native_hstore = False
        options = driver_options(engine.url)
        # SQLAlchemy passes on a URL's parameters as texts; psycopg wants numbers and truth values.
        event.listen(engine, "do_connect", lambda *parts: parts[-1].update(options))
        event.listen(engine, "handle_error", self._explain_connect_error)
        return engine

    def _explain_connect_error(self, context: ExceptionContext) -> None:
        # SQLAlchemy queries the server on its first connection before it returns it: a failure then
        # is a connection that could not be opened.
        opening = context.connection is None or context.is_disconnect or not self._has_connected
        if opening and context.engine is not None:
            error = context.original_exception
            # The driver's error, and SQLAlchemy's around it, would only repeat this at length.
            raise ConnectionFailedError(
                connect_errors.describe_connection_error(error, context.engine.url),
                is_transient=connect_errors.is_transient(str(error)),
                is_rejected_login=connect_errors.is_rejected_login(str(error)),
            ) from None

    @property
    @override
    def jsonschema_to_sql(self) -> JSONSchemaToSQL:
        to_sql = cast("JSONSchemaToSQL", super().jsonschema_to_sql)
        # A point in time needs a zone; the stock target's `timestamp` is without one.
        to_sql.register_format_handler("date-time", lambda _: TIMESTAMP(timezone=True))
        return to_sql

    def disconnect(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._engine.dispose()

    def run_transaction(self, work: Callable[[Cursor[Any]], T], *, idempotent: bool = True) -> T:
        """Do work in one transaction; where the connection is lost, again in another.

        Args:
            work: What to do. It may be called several times, so it must not keep what belonged
                to a failed attempt.
            idempotent: Whether it may be committed twice. If not, a transaction whose COMMIT got
                no answer is looked up before it is run again.

        Returns:
            The result of the work.

        Raises:
            ConnectionFailedError: If the server does not come back in time.
            LoadError: If the server refused it.
        """
        failures = _Failures()
        attempt = _Attempt(work, idempotent=idempotent)
        while True:
            try:
                with self._connect() as connection:
                    self._has_connected = True
                    driver = connection.connection.driver_connection
                    self.names.add(driver.info.dbname)
                    try:
                        return attempt.run(driver)
                    except psycopg.Error as error:
                        if failures.is_collision(error):
                            continue
                        is_gone = driver.closed or driver.broken
                        failures.check(error, self.names, is_gone=is_gone)
                        connection.invalidate()
            except ConnectionFailedError as error:
                # At the beginning of a run the settings are the likely cause.
                if not (self._has_connected and error.is_transient):
                    raise
            logger.warning("The connection to PostgreSQL was lost; waiting for it to come back")
            self._reconnect()
            logger.info("PostgreSQL is back; loading the batch again")

    def _reconnect(self) -> None:
        """Wait for the server to take connections again."""
        deadline = time.monotonic() + self.config["reconnect_seconds"]
        pause = _FIRST_PAUSE
        self.disconnect()
        while True:
            try:
                self.before_reconnect()
                with self._connect() as connection:
                    # A pooler takes connections while the server behind it is away.
                    connection.exec_driver_sql("SELECT 1")
                    return
            except ConnectionFailedError as error:
                over = time.monotonic() > deadline or self.should_stop()
                if over or not error.is_transient:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


@dataclass
class _Failures:
    """Counts the failures of one transaction, and decides which of them are final."""

    collisions: int = 0
    ambiguous: int = 0
    losses: int = 0

    def is_collision(self, error: psycopg.Error) -> bool:
        """Whether to run the transaction again at once, as others changed the same rows."""
        if not isinstance(error, _COLLISIONS) or self.collisions >= _MAX_COLLISIONS:
            return False
        self.collisions += 1
        return True

    def check(self, error: psycopg.Error, names: Collection[str], *, is_gone: bool) -> None:
        """Fail unless the connection was lost, and not too often.

        Args:
            error: The driver's error.
            names: Names that an error message may repeat.
            is_gone: Whether the driver knows that the connection is lost.

        Raises:
            LoadError: If the error is final.
        """
        if problem := connect_errors.describe_session_error(error):
            raise LoadError(problem, exit_code=server_errors.exit_code_of(error)) from error
        # If the server dies while data is sent, the driver notices a moment later, and the error
        # has no SQLSTATE.
        is_ambiguous = server_errors.is_ambiguous(error)
        self.ambiguous += is_ambiguous
        is_lost = is_gone or (is_ambiguous and self.ambiguous <= _MAX_AMBIGUOUS_ERRORS)
        problem = server_errors.describe_server_error(error, names)
        if not is_lost:
            raise LoadError(problem, exit_code=server_errors.exit_code_of(error)) from error
        self.losses += 1
        if self.losses > _MAX_LOSSES:
            msg = _LOST.format(self.losses, problem)
            raise LoadError(msg, exit_code=ExitCode.UNAVAILABLE) from error


class _Attempt(Generic[T]):
    """A transaction that may have to be run again.

    Args:
        work: What to do in the transaction.
        idempotent: Whether it may be committed twice.
    """

    def __init__(self, work: Callable[[Cursor[Any]], T], *, idempotent: bool) -> None:
        self._work = work
        self._repeatable = idempotent
        self._result: T
        # The number of the transaction whose COMMIT was sent and not answered.
        self._unanswered: int | None = None

    def run(self, connection: Connection[Any]) -> T:
        if self._unanswered is not None and _was_committed(connection, self._unanswered):
            return self._result
        self._unanswered = None
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL timezone = 'UTC'")
            self._result = self._work(cursor)
            if not self._repeatable:
                row = cursor.execute("SELECT txid_current_if_assigned()").fetchone()
                self._unanswered = row[0] if row else None
        return self._result


def _was_committed(connection: Connection[Any], transaction: int) -> bool:
    """Look up a transaction whose COMMIT got no answer."""
    while True:
        try:
            with connection.transaction():
                row = connection.execute("SELECT txid_status(%s)", (transaction,)).fetchone()
        except errors.InvalidParameterValue:
            # The server does not know the number yet: it crashed, and lost the transaction.
            return False
        status = row[0] if row else None
        if status != "in progress":
            return bool(status == "committed")
        # The server has not noticed yet that its client is gone.
        time.sleep(_FIRST_PAUSE)
