"""The history of a table: each version of its rows, in `<table>__history`.

A version is current as long as its `valid_to` is null. It ends, in the transaction of the rows,
when the row has other values or is removed.

A history is complete if its current versions are the rows of the table. Its comment says so, as a
run without history cannot know which rows it would have to end: it changes that comment, and the
next run with history compares all rows.
"""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.metadata import LOADED_AT
from signalroom_target_postgres.values.sql_types import TIMESTAMPTZ, type_family
from signalroom_target_postgres.warehouse.companions import (
    create_companion,
    follow_columns,
    notice_new_tables,
)
from signalroom_target_postgres.warehouse.row_keys import (
    ROW_KEYS,
    create_row_keys,
    drop_row_keys,
)
from signalroom_target_postgres.warehouse.table import Table, column_list, fetch_value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString

logger = logging.getLogger(__name__)

#: The suffix of the table that versions go into.
SUFFIX = "__history"
#: The columns that say when a version began, and when it ended: null for the current one.
VALID_FROM, VALID_TO = "valid_from", "valid_to"
#: The comment on a history whose current versions are the rows of its table.
COMPLETE = "Versions of rows, kept by target-postgres; complete"
_INTERRUPTED = "Versions of rows; a run of target-postgres without history wrote the table since"
# What the Singer SDK adds to records.
_METADATA_PREFIX = "_sdc_"
# INDEX_MAX_KEYS, less the column `valid_to`: https://www.postgresql.org/docs/18/limits.html
_MAX_INDEXED_KEYS = 31
# Families whose equality distinguishes all values that a vendor would.
_EXACT = {"integer", "number", "boolean", "date", "timestamp", "time", "uuid", "bytes"}

_STATUS = """
SELECT row_security_active(to_regclass(%s)::oid), obj_description(to_regclass(%s), 'pg_class')
"""
# Current versions are together at its end, and those that ended since a moment before them.
_CREATE_INDEX = "CREATE INDEX ON {} ({})"
_OPEN_ALL = """
INSERT INTO {history} ({columns}, {valid_from})
SELECT {columns}, {since} FROM {table} AS t WHERE {is_present}
"""
_NOTE_ALL = """
INSERT INTO {row_keys}
SELECT {keys} FROM {table} UNION ALL SELECT {keys} FROM {history} WHERE {valid_to} IS NULL
"""
_CLOSE_KEYLESS = (
    "UPDATE {} SET {} = clock_timestamp() WHERE {} IS NULL AND NOT (ROW({}) IS NOT NULL)"
)
# Of all rows the server joins whole tables.
_JOINS = """
LEFT JOIN {table} AS t ON {row_has_key} AND {is_present}
LEFT JOIN (SELECT ctid AS "signalroom version", * FROM {history}) AS h
    ON {version_has_key} AND h.{valid_to} IS NULL
"""
# Of a batch, each key is looked up by the indexes, as the upsert of its row did (OFFSET keeps the
# server from a join): by its estimates it would rather read all of a long history.
_LOOKUPS = """
LEFT JOIN LATERAL (
    SELECT * FROM {table} AS t WHERE {row_has_key} AND {is_present} OFFSET 0
) AS t ON true
LEFT JOIN LATERAL (
    SELECT ctid AS "signalroom version", * FROM {history} AS h
    WHERE {version_has_key} AND h.{valid_to} IS NULL OFFSET 0
) AS h ON true
"""
# The time is later than the lock on the table, so that later transactions have later times.
_COMPARE = """
CREATE TEMPORARY TABLE {changed} ON COMMIT DROP AS
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS at)
SELECT moment.at AS "signalroom moment", h."signalroom version",
    t.{key} IS NOT NULL AS "signalroom present", {row}
FROM moment CROSS JOIN (SELECT DISTINCT * FROM {row_keys} ORDER BY {keys}) AS k
{joins}
WHERE (t.{key} IS NULL) <> (h.{key} IS NULL) OR {differs}
"""
# An array of their places finds the versions without reading others.
_END = """
UPDATE {history} SET {valid_to} = (SELECT max("signalroom moment") FROM {changed})
WHERE ctid = ANY(ARRAY(
    SELECT "signalroom version" FROM {changed} WHERE "signalroom version" IS NOT NULL
))
"""
_BEGIN = """
INSERT INTO {history} ({columns}, {valid_from})
SELECT {columns}, "signalroom moment" FROM {changed} WHERE "signalroom present"
"""
_CHANGED = sql.Identifier("signalroom_changed")


def is_named(stream: str, patterns: Iterable[str]) -> bool:
    """Whether a stream is one of those that the setting `history_streams` names.

    Args:
        stream: The stream's name, after stream maps.
        patterns: Names, or patterns such as `daily_*`.
    """
    return any(fnmatchcase(stream, pattern) for pattern in patterns)


class History:
    """Keeps the versions of the rows of a table with a key.

    Args:
        table: The table that the rows are loaded into.
        deletion_column: The column that marks a deleted row. Where the table has it, rows that it
            marks are gone.
    """

    def __init__(self, table: Table, deletion_column: str) -> None:
        self._rows = table
        self._deletion_column = deletion_column

    @property
    def table(self) -> Table:
        """The table of the versions."""
        return self._rows.companion(SUFFIX)

    def begin(self, cursor: Cursor[Any]) -> None:
        """Make the history complete: create it, or follow the table.

        Args:
            cursor: A cursor within a transaction, before it writes or removes rows of the table.

        Raises:
            LoadError: If the table cannot have a history.
        """
        rows, history = self._rows, self.table
        # Who writes the history has this lock: it takes none of its own.
        rows.lock(cursor)
        notice_new_tables(cursor)
        names = [table.identifier.as_string(cursor) for table in (rows, history)]
        hides_rows, comment = cursor.execute(_STATUS, names).fetchone() or (False, None)
        present = history.read_types(cursor)
        self._check(history, hides_rows=hides_rows)
        if not present:
            self._create(cursor, history)
            return
        has_changed = follow_columns(cursor, history, rows)
        # Somebody may have emptied the table, or created it anew.
        if has_changed or comment != COMPLETE or not rows.has_rows(cursor):
            self._compare_all(cursor)
        if comment != COMPLETE:
            _comment(cursor, history, COMPLETE)

    def _check(self, history: Table, *, hides_rows: bool) -> None:
        rows = self._rows
        problem = ""
        if hides_rows:
            problem = (
                f"row-level security may hide rows of {rows} from the loader's user, which would "
                "count as removed. Let the user bypass it (ALTER ROLE ... BYPASSRLS)"
            )
        elif names := [name for name in (VALID_FROM, VALID_TO) if name in rows.types]:
            problem = (
                f"{rows} has the column {' and '.join(names)}, which is the history's. Rename the "
                "field by the setting `stream_maps`"
            )
        elif history.types and not {VALID_FROM, VALID_TO} <= history.types.keys():
            problem = f"{history} is another table. Rename that"
        if problem:
            msg = (
                f"Stream {rows.stream!r} cannot have a history: {problem}, or remove the stream "
                "from `history_streams`. Nothing of the batch was loaded."
            )
            raise LoadError(msg)

    def _create(self, cursor: Cursor[Any], history: Table) -> None:
        """Create the history; the rows of the table are its first versions."""
        rows = self._rows
        create_companion(cursor, history, rows, (VALID_FROM, VALID_TO))
        indexed = [VALID_TO, *rows.keys[:_MAX_INDEXED_KEYS]]
        cursor.execute(sql.SQL(_CREATE_INDEX).format(history.identifier, column_list(indexed)))
        since: sql.Composable = sql.SQL("clock_timestamp()")
        if rows.types.get(LOADED_AT) == TIMESTAMPTZ:
            # Without those that are null.
            since = sql.SQL("least({}, {})").format(sql.Identifier("t", LOADED_AT), since)
        cursor.execute(
            sql.SQL(_OPEN_ALL).format(
                history=history.identifier,
                table=rows.identifier,
                columns=column_list([*rows.types]),
                valid_from=sql.Identifier(VALID_FROM),
                since=since,
                is_present=self._is_present,
            )
        )
        _comment(cursor, history, COMPLETE)
        logger.info("Versions of the rows of %s are kept in %s from now on", rows, history)

    def _compare_all(self, cursor: Cursor[Any]) -> None:
        """Compare all rows of the table with the current versions."""
        rows, history = self._rows, self.table
        valid_to = sql.Identifier(VALID_TO)
        create_row_keys(cursor, rows)
        cursor.execute(
            sql.SQL(_NOTE_ALL).format(
                row_keys=ROW_KEYS,
                keys=column_list(rows.keys),
                table=rows.identifier,
                history=history.identifier,
                valid_to=valid_to,
            )
        )
        # Of a column that the key has since, earlier versions have no value.
        keys = column_list(rows.keys)
        close = sql.SQL(_CLOSE_KEYLESS).format(history.identifier, valid_to, valid_to, keys)
        cursor.execute(close)
        self._write(cursor, _JOINS)
        drop_row_keys(cursor)

    def write(self, cursor: Cursor[Any]) -> None:
        """End the versions of rows that changed or are gone, and begin those of new values.

        Args:
            cursor: A cursor within the transaction of the rows, after all of them. `ROW_KEYS` has
                their keys.
        """
        self._write(cursor, _LOOKUPS)

    def _write(self, cursor: Cursor[Any], joins: LiteralString) -> None:
        rows = self._rows
        names = {
            "changed": _CHANGED,
            "columns": column_list([*rows.types]),
            "history": self.table.identifier,
            "table": rows.identifier,
            "valid_from": sql.Identifier(VALID_FROM),
            "valid_to": sql.Identifier(VALID_TO),
        }
        compare = sql.SQL(_COMPARE).format(
            **names,
            key=sql.Identifier(rows.keys[0]),
            keys=column_list(rows.keys),
            row_keys=ROW_KEYS,
            row=_columns_of("t", rows.types),
            joins=sql.SQL(joins).format(
                **names,
                row_has_key=self._has_key("t"),
                version_has_key=self._has_key("h"),
                is_present=self._is_present,
            ),
            differs=self._differs,
        )
        if cursor.execute(compare, prepare=False).rowcount:
            for statement in (_END, _BEGIN):
                cursor.execute(sql.SQL(statement).format(**names), prepare=False)
        cursor.execute(sql.SQL("DROP TABLE {}").format(_CHANGED))

    def _has_key(self, alias: str) -> sql.Composable:
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(alias, key), sql.Identifier("k", key))
            for key in self._rows.keys
        )

    @property
    def _is_present(self) -> sql.Composable:
        """The condition that a row is not marked as deleted."""
        if self._deletion_column not in self._rows.types:
            return sql.SQL("true")
        return sql.SQL("{} IS NULL").format(sql.Identifier("t", self._deletion_column))

    @property
    def _differs(self) -> sql.Composable:
        """The condition that a row has other values than its version."""
        rows = self._rows
        types = {
            name: rows.base_type(name)
            for name in rows.types
            if name not in rows.keys and name != LOADED_AT and not name.startswith(_METADATA_PREFIX)
        }
        if not types:
            return sql.SQL("false")
        row, version = (
            sql.SQL(", ").join(_comparable(alias, name, type_) for name, type_ in types.items())
            for alias in ("t", "h")
        )
        return sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(row, version)


def interrupt_history(cursor: Cursor[Any], table: Table) -> None:
    """Note that a run without history writes a table that has one.

    Args:
        cursor: A cursor within the transaction of the rows.
        table: The table that they are loaded into.
    """
    table.lock(cursor)
    history = table.companion(SUFFIX)
    name = history.identifier.as_string(cursor)
    comment = fetch_value(cursor, "SELECT obj_description(to_regclass(%s), 'pg_class')", (name,))
    if comment != COMPLETE:
        return
    try:
        with cursor.connection.transaction():
            _comment(cursor, history, _INTERRUPTED)
    except errors.InsufficientPrivilege:
        logger.warning(
            "The setting history_streams does not name %s, which has a history: %s does not get "
            "what this run changes, and only its owner can note that. Let the owner drop or "
            "rename it, or set its comment to null",
            *(table, history),
        )


def _comment(cursor: Cursor[Any], history: Table, text: str) -> None:
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(history.identifier, text))


def _columns_of(alias: str, names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)


def _comparable(alias: str, column: str, type_: str) -> sql.Composable:
    """Make of a column what differs wherever its values do."""
    identifier = sql.Identifier(alias, column)
    element = type_.removesuffix("[]")
    if element == "jsonb" or type_family(element) in _EXACT:
        return identifier
    # Some texts and intervals are equal though they are written otherwise; json has no equality.
    return sql.SQL('CAST({} AS text) COLLATE "C"').format(identifier)
