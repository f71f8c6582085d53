"""Counts requests in PostgreSQL: a table for each limit, and advisory locks as slots."""

from __future__ import annotations

import atexit
import contextlib
import re
import threading
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from psycopg_pool import ConnectionPool
from pyrate_limiter import PostgresBucket
from typing_extensions import override

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.limits.store import LimitStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyrate_limiter import AbstractBucket, Rate

SCHEMA = "signalroom_rate_limits"
_TIMEOUT = 10
_CONNECTION: dict[str, Any] = {
    "application_name": "signalroom-rate-limits",
    "connect_timeout": _TIMEOUT,
    # A lost connection is noticed after half a minute instead of a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_PAUSES = """
CREATE TABLE IF NOT EXISTS pauses (name text PRIMARY KEY, resume_at timestamptz NOT NULL)
"""
_CLOCK = """
SELECT
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    coalesce((
        SELECT (extract(epoch FROM resume_at) * 1000)::bigint FROM pauses WHERE name = %s
    ), 0)
"""
_PAUSE = """
INSERT INTO pauses VALUES (%s, clock_timestamp() + %s * interval '1 second')
ON CONFLICT (name) DO UPDATE SET resume_at = greatest(pauses.resume_at, excluded.resume_at)
"""


class PostgresStore(LimitStore):
    """Counts in the schema ``signalroom_rate_limits``, by the server's clock.

    Slots are advisory locks of a connection: they are free as soon as a process is gone, however
    it ended.
    """

    title: ClassVar[str] = "PostgreSQL"
    outages = (psycopg.OperationalError,)
    errors = (psycopg.Error,)

    @override
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._lock = threading.RLock()
        self._own: psycopg.Connection | None = None
        self._pool: ConnectionPool | None = None
        self._held_slots: set[tuple[int, int]] = set()

    @override
    def exit_code(self, error: Exception) -> ExitCode:
        # While a connection is made, libpq has no code of the server's, only its text.
        text = str(error)
        if "authentication failed" in text or "no pg_hba.conf entry" in text:
            return ExitCode.PERMISSION
        if re.search(r"(database|role) \".*\" does not exist", text):
            return ExitCode.CONFIGURATION
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return ExitCode.PERMISSION
        return super().exit_code(error)

    @override
    def open(self) -> None:
        with self._session() as connection:
            _ = connection
        self._pool = ConnectionPool(
            self.url,
            kwargs=_CONNECTION,
            configure=_configure,
            min_size=1,
            max_size=4,
            num_workers=1,
            timeout=_TIMEOUT,
            name="signalroom-rate-limits",
            open=True,
        )
        # Otherwise the process would wait for its threads at its end.
        atexit.register(self.close)

    @override
    def close(self) -> None:
        atexit.unregister(self.close)
        with self._lock:
            if self._pool:
                self._pool.close()
            if self._own:
                self._own.close()
            self._own = self._pool = None

    @override
    def clock(self, name: str) -> tuple[int, int]:
        with self._session() as connection:
            row = connection.execute(_CLOCK, [name]).fetchone()
        return row or (0, 0)

    @override
    def pause(self, name: str, seconds: float) -> None:
        with self._session() as connection:
            connection.execute(_PAUSE, [name, seconds])

    @override
    def bucket(self, name: str, rates: list[Rate]) -> AbstractBucket:
        if self._pool is None:
            msg = "the store is closed"
            raise psycopg.InterfaceError(msg)
        return PostgresBucket(self._pool, name, rates)

    @override
    def clean(self, bucket: AbstractBucket, moment: int, expires_after: int) -> None:
        bucket.leak(moment)

    @override
    def take_slot(self, name: str, count: int, lease: float) -> Callable[[], None] | None:
        key = zlib.crc32(f"{SCHEMA} {name}".encode()) - 2**31
        with self._session() as connection:
            # A session can take its own lock twice.
            for slot in (
                number for number in range(count) if (key, number) not in self._held_slots
            ):
                row = connection.execute(
                    "SELECT pg_try_advisory_lock(%s, %s)", [key, slot]
                ).fetchone()
                if row and row[0]:
                    self._held_slots.add((key, slot))
                    return lambda: self._give_back(connection, key, slot)
        return None

    def _give_back(self, connection: psycopg.Connection, key: int, slot: int) -> None:
        with self._lock:
            if connection is not self._own:
                # The server freed it when the connection was lost.
                return
            self._held_slots.discard((key, slot))
            with contextlib.suppress(psycopg.OperationalError):
                connection.execute("SELECT pg_advisory_unlock(%s, %s)", [key, slot])

    @contextlib.contextmanager
    def _session(self) -> Any:
        """The connection that holds the slots; a new one if the last was lost."""
        with self._lock:
            if self._own is None or self._own.closed:
                self._held_slots.clear()
                self._own = psycopg.connect(self.url, autocommit=True, **_CONNECTION)
                _prepare(self._own)
            yield self._own


def _prepare(connection: psycopg.Connection) -> None:
    """Set up a new connection, and create the schema if it is missing."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [zlib.crc32(SCHEMA.encode())])
        # Without asking, as `IF NOT EXISTS` wants the right to create one in any case.
        if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
    _configure(connection)
    if connection.execute("SELECT to_regclass('pauses')").fetchone() == (None,):
        with contextlib.suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
            connection.execute(_PAUSES)


def _configure(connection: psycopg.Connection) -> None:
    # The bucket's times have no zone, and in one with summer time an hour would come twice.
    connection.execute(f"SET search_path = {SCHEMA}; SET timezone = 'UTC'")
    if not connection.autocommit:
        connection.commit()
