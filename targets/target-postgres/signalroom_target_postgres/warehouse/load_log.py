"""The log of loads: a row for each run and stream, in the database that is loaded into.

A stream's row is written in the transactions of its records, so that it is exact however a run
ends. Its end and its bookmark are written once the run is over.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import psycopg
from psycopg import Cursor, sql

from signalroom_target_postgres.errors import LoadError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from signalroom_target_postgres.connection.connector import PostgresConnector
    from signalroom_target_postgres.warehouse.counts import Counts

SCHEMA, TABLE = "signalroom", "loads"
#: The column that tells clients apart, as the taps of this project have it.
CLIENT_ID = "_client_id"
_NAME = f"{SCHEMA}.{TABLE}"
#: An advisory lock: two loaders that start at once create the table one after the other.
_LOCK = 0x5161A100

_CREATE_SCHEMA = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"
#: The statements that create the table.
CREATE = f"""
CREATE TABLE IF NOT EXISTS {_NAME} (
    run_id text NOT NULL,
    stream text NOT NULL,
    state_id text,
    extractor text,
    client_id text,
    table_schema text NOT NULL,
    table_name text NOT NULL,
    replication_key text,
    rows_read bigint NOT NULL DEFAULT 0,
    rows_new bigint,
    rows_updated bigint,
    rows_written bigint NOT NULL DEFAULT 0,
    rows_unchanged bigint,
    rows_removed bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    seconds double precision NOT NULL DEFAULT 0,
    bookmark_before text,
    bookmark_after text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text,
    PRIMARY KEY (run_id, stream)
);
CREATE INDEX IF NOT EXISTS loads_state_id ON {_NAME} (state_id, started_at);
COMMENT ON TABLE {_NAME} IS 'What each run loaded, by stream; written by target-postgres';
"""
#: A column that tables of earlier versions lack, and how it is added to them.
_UNCHANGED = "rows_unchanged"
ADD_UNCHANGED = f"ALTER TABLE {_NAME} ADD COLUMN IF NOT EXISTS {_UNCHANGED} bigint"
#: Other loaders keep the table locked for as long as they load: the next run tries again.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
_EXISTS = """
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'),
    ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND NOT attisdropped)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""
_SCHEMA_EXISTS = "SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %s"
_MAY_CREATE = "SELECT has_database_privilege(current_database(), 'CREATE')"
_COLUMNS = (
    *("run_id", "stream", "state_id", "extractor", "client_id", "table_schema", "table_name"),
    *("replication_key", "rows_read", "rows_new", "rows_updated", "rows_written", _UNCHANGED),
    *("rows_removed", "rows_rejected", "seconds", "bookmark_before", "started_at"),
)
_WRITE = sql.SQL(
    "INSERT INTO signalroom.loads AS old ({}) VALUES ({})"
    " ON CONFLICT (run_id, stream) DO UPDATE SET {}"
)
_FINISH = """
UPDATE signalroom.loads SET finished_at = now(), outcome = %s, bookmark_after = %s
WHERE run_id = %s AND stream = %s
"""


@dataclass(frozen=True)
class Pipeline:
    """The pipeline of the run, as Meltano's environment names it.

    Attributes:
        run_id: Meltano's run id, or a new one for this process.
        state_id: Meltano's state id; None without Meltano.
        extractor: The tap's name in the project.
    """

    run_id: str
    state_id: str | None
    extractor: str | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Pipeline:
        """Read the variables that Meltano sets for its plugins."""
        extractor = environ.get("MELTANO_EXTRACTOR_NAME")
        loader = environ.get("MELTANO_LOADER_NAME")
        parts = [
            environ.get("MELTANO_ENVIRONMENT"),
            f"{extractor}-to-{loader}",
            # Only from this variable: the loader does not know the option `--state-id-suffix`.
            environ.get("MELTANO_RUN_STATE_ID_SUFFIX"),
        ]
        return cls(
            run_id=environ.get("MELTANO_RUN_ID") or str(uuid.uuid4()),
            state_id=":".join(filter(None, parts)) if extractor and loader else None,
            extractor=extractor,
        )


@dataclass(frozen=True)
class LogEntry:
    """The start of a stream in this run.

    Attributes:
        stream: The stream's name.
        table: The schema and the name of its table.
        client_id: The client of the rows, where the stream's schema has one.
        replication_key: The column that its bookmark is of.
        bookmark: The bookmark that it had before the run.
        started_at: When it began, in UTC.
    """

    stream: str
    table: tuple[str, str]
    client_id: str | None
    replication_key: str | None
    bookmark: str | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class LoadLog:
    """Writes the log; where it cannot, it warns once, and records are loaded all the same.

    Args:
        logger: The logger for that warning.
        enabled: Whether to write the log.
        environ: The variables that Meltano sets.
    """

    def __init__(
        self, logger: logging.Logger, *, enabled: bool, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._logger = logger
        self._pipeline = Pipeline.of(environ)
        self._usable = enabled
        self._entries: dict[str, LogEntry] = {}
        self._prepared = False
        #: The columns that the table has.
        self._columns: Sequence[str] = _COLUMNS

    def begin(self, connector: PostgresConnector, entry: LogEntry) -> None:
        """Note that a stream begins; create the table with the first."""
        if entry.table == (SCHEMA, TABLE):
            self._give_up("a stream is loaded into the table of that name")
        if not self._usable:
            return
        if not self._prepared:
            self._prepared = True
            try:
                problem = connector.run_transaction(self._prepare)
            except LoadError as error:
                problem = str(error)
            if problem:
                self._give_up(problem)
                return
        self._entries.setdefault(entry.stream, entry)

    def write(self, cursor: Cursor[Any], stream: str, counts: Counts) -> None:
        """Write a stream's counts.

        Args:
            cursor: A cursor within the transaction that loads the records.
            stream: The stream's name.
            counts: The stream's counts, once it is committed.
        """
        entry = self._entries.get(stream)
        if not self._usable or entry is None:
            return
        values = self._values(entry, counts)
        statement = _write(self._columns)
        self._try(
            cursor, lambda: cursor.execute(statement, [values[name] for name in self._columns])
        )

    def finish(
        self,
        connector: PostgresConnector,
        counts: Mapping[str, Counts],
        bookmarks: Mapping[str, Any],
        outcome: str,
    ) -> None:
        """Write that the run is over.

        Args:
            connector: The connection to the database.
            counts: The counts of each stream.
            bookmarks: The bookmarks of the last state that was emitted, by stream.
            outcome: How the run ended: `loaded`, `failed` or `stopped`.
        """
        if not self._usable:
            return

        def work(cursor: Cursor[Any]) -> None:
            for stream, stream_counts in counts.items():
                self.write(cursor, stream, stream_counts)
                self._end(cursor, stream, bookmarks.get(stream), outcome)

        try:
            connector.run_transaction(work)
        except click.ClickException as error:
            # Everything is loaded, and its state was emitted.
            self._give_up(str(error))

    def _prepare(self, cursor: Cursor[Any]) -> str:
        """Create the table if it does not exist, or add the column that it lacks.

        Args:
            cursor: A cursor within a transaction of its own.

        Returns:
            Why the table cannot be used; an empty text if it can.
        """
        table = cursor.execute(_EXISTS, (SCHEMA, TABLE)).fetchone()
        if table is None:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            table = cursor.execute(_EXISTS, (SCHEMA, TABLE)).fetchone()
        if table is None:
            return _create(cursor)
        may_use, columns = table
        if not may_use:
            role = cursor.connection.info.user
            grants = (
                f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}; "
                f"GRANT SELECT, INSERT, UPDATE ON {_NAME} TO {role}"
            )
            return f"{role} may not write to it ({grants})"
        earlier = [name for name in _COLUMNS if name != _UNCHANGED]
        is_earlier = _UNCHANGED not in columns and {*earlier} <= {*columns}
        if is_earlier and (problem := _add_column(cursor)):
            self._columns = earlier
            self._logger.info(
                "%s has no column for the rows that did not change (%s); its owner can add it: %s",
                *(_NAME, problem, ADD_UNCHANGED),
            )
        return ""

    def _end(self, cursor: Cursor[Any], stream: str, reached: Any, outcome: str) -> None:
        bookmark = None if reached is None else str(reached)
        values = [outcome, bookmark, self._pipeline.run_id, stream]
        if self._usable:
            self._try(cursor, lambda: cursor.execute(_FINISH, values))

    def _values(self, entry: LogEntry, counts: Counts) -> dict[str, Any]:
        written = counts.written
        schema, table = entry.table
        # Unknown if the server does not say which rows existed before.
        is_known = not written.merged
        return {
            "run_id": self._pipeline.run_id,
            "stream": entry.stream,
            "state_id": self._pipeline.state_id,
            "extractor": self._pipeline.extractor,
            "client_id": entry.client_id,
            "table_schema": schema,
            "table_name": table,
            "replication_key": entry.replication_key,
            "rows_read": counts.read,
            "rows_new": written.new if is_known else None,
            "rows_updated": written.updated if is_known else None,
            "rows_written": written.rows_written,
            _UNCHANGED: written.unchanged,
            "rows_removed": counts.removed + (counts.replaced or 0),
            "rows_rejected": counts.rejected,
            "seconds": round(counts.seconds, 3),
            "bookmark_before": entry.bookmark,
            "started_at": entry.started_at,
        }

    def _try(self, cursor: Cursor[Any], work: Callable[[], object]) -> None:
        if problem := _attempt(cursor, work):
            self._give_up(problem)

    def _give_up(self, problem: str) -> None:
        if self._usable:
            self._usable = False
            self._logger.warning(
                "The log of loads, %s, is not written: %s. Records are loaded, but "
                "`signalroom status` shows no rows of this run. Grant what is missing, or set "
                "load_log to false.",
                *(_NAME, problem),
            )


def _write(columns: Sequence[str]) -> sql.Composed:
    """Write the statement that inserts a stream's row, or updates its counts."""
    counted = [name for name in columns if name.startswith("rows_") or name == "seconds"]
    return _WRITE.format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in counted
        ),
    )


def _create(cursor: Cursor[Any]) -> str:
    """Create the table.

    Returns:
        Why it cannot be created; an empty text if it was.
    """
    role = cursor.connection.info.user
    schema = cursor.execute(_SCHEMA_EXISTS, (SCHEMA,)).fetchone()
    (may_create,) = schema or cursor.execute(_MAY_CREATE).fetchone() or (False,)
    if not may_create:
        target = f"SCHEMA {SCHEMA}" if schema else f"DATABASE {cursor.connection.info.dbname}"
        return f"{role} may not create it (GRANT CREATE ON {target} TO {role})"

    def create() -> None:
        if schema is None:
            cursor.execute(_CREATE_SCHEMA)
        cursor.execute(CREATE)

    return _attempt(cursor, create)


def _add_column(cursor: Cursor[Any]) -> str:
    """Add the column that tables of earlier versions lack.

    Returns:
        Why it cannot be added; an empty text if it was.
    """

    def add() -> None:
        cursor.execute(_LOCK_TIMEOUT)
        cursor.execute(ADD_UNCHANGED)

    return _attempt(cursor, add)


def _attempt(cursor: Cursor[Any], work: Callable[[], object]) -> str:
    """Run work in a savepoint, so that the records' transaction survives if it fails.

    Returns:
        What the server says against it; an empty text if nothing.
    """
    try:
        with cursor.connection.transaction():
            work()
    except psycopg.Error as error:
        if cursor.connection.broken or cursor.connection.closed:
            raise
        return str(error).splitlines()[0]
    return ""
