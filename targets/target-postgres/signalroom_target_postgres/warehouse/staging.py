"""The temporary table from which rows are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.rows.metadata import LOADED_AT
from signalroom_target_postgres.warehouse.counts import CountedInsert, RowCounts
from signalroom_target_postgres.warehouse.table import Table, column_list, fetch_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString


_NAME = "signalroom_staging"
#: The column that numbers rows, where they are numbered.
ORDINAL = "signalroom ordinal"

_NUMBER = sql.Identifier(ORDINAL)
_ALL = "{staging} AS staged{unless_same}"
# Of keys that the server compares as equal, as 1 and 1.0, the last row counts.
_LAST_OF_ALL = "(SELECT DISTINCT ON ({keys}) * FROM {staging} ORDER BY {keys}, ctid DESC) AS staged"
_LAST_OF_SOME = (
    "(SELECT DISTINCT ON ({keys}) * FROM {staging} WHERE {range}"
    " ORDER BY {keys}, {number} DESC) AS staged"
)
# Compared by their bytes, which values of every type can be, and 1.0 is another number than 1.00
# (https://www.postgresql.org/docs/18/functions-comparisons.html, "Composite Type Comparison").
_IS_SAME = "record_image_eq(ROW({values}), ROW({new_values}))"
# A subquery for each row, which looks it up by its key, as ON CONFLICT does: a join would read a
# large table as a whole. Rows without a time are another loader's, such as dlt's.
_IS_THERE = "(SELECT {is_same} FROM {table} AS t WHERE {same_key} AND {loaded_at} IS NOT NULL)"
_UNLESS_SAME = " WHERE {is_there} IS NOT TRUE"
# Spares the look-up, but locks the rows that are the same, which writes to their pages.
_UPDATE_UNLESS_SAME = " WHERE {is_same} IS NOT TRUE OR {loaded_at} IS NULL"
# If none of so many rows, taken here and there, is in the table as it is, hardly any is.
_SAMPLE = 256
_ANY_SAME = (
    "SELECT EXISTS (SELECT FROM (SELECT * FROM {staging} WHERE random() < %s OFFSET 0) AS staged"
    " WHERE {is_there})"
)
_RANGE = "{staging} AS staged WHERE {range} ORDER BY {number}"


class Staging:
    """An empty table with some of a table's columns, their types, and none of its constraints.

    Constraints are checked when rows are merged: the table's triggers may fill in missing values.

    Args:
        cursor: A cursor within a transaction.
        table: The table that rows are merged into.
        columns: The columns of the rows.
        numbered: Whether rows have numbers, so that some of them can be inserted.
        updates: The query for the rows of the table that were updated, as `TableTraits` has it.
        compared: The columns of which one has to differ, or the row is not written again; None if
            each row is. Only if no two rows have the same key to the server, and the table says in
            `_loaded_at` when they were loaded.
    """

    identifier = sql.Identifier("pg_temp", _NAME)

    def __init__(
        self,
        cursor: Cursor[Any],
        table: Table,
        columns: Sequence[str],
        *,
        numbered: bool = False,
        updates: bytes | None = None,
        compared: Sequence[str] | None = None,
    ) -> None:
        self._cursor = cursor
        self._table = table
        self._columns = columns
        self._compared = compared
        # Whether rows are looked up before they are inserted, to leave out those that are the same.
        self._looks_up = compared is not None
        keys = table.keys
        #: Inserts rows, or updates those whose keys exist.
        self.insert = CountedInsert(updates, updating=bool(keys and {*columns} - {*keys}))
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self.identifier))
        create = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {}{} FROM {} WITH NO DATA"
        cursor.execute(
            sql.SQL(create).format(
                sql.Identifier(_NAME),
                column_list(columns),
                sql.SQL(", 0::bigint AS {}").format(_NUMBER) if numbered else sql.SQL(""),
                table.identifier,
            )
        )

    def insert_all(self, rows: int) -> RowCounts:
        """Insert the rows, or update those whose keys exist; count what was written.

        Args:
            rows: How many rows there are.
        """
        self._looks_up = self._compared is not None and self._has_same(rows)
        try:
            with self._cursor.connection.transaction():
                return self._insert_from(_ALL)
        except errors.CardinalityViolation:
            if not self._table.keys:
                raise
            return self._insert_from(_LAST_OF_ALL)

    def _has_same(self, rows: int) -> bool:
        """Whether the table seems to have some of the rows as they are."""
        if rows <= _SAMPLE:
            return True
        query = sql.SQL(_ANY_SAME).format(staging=self.identifier, is_there=self._is_there())
        return bool(fetch_value(self._cursor, query, (_SAMPLE / rows,)))

    def _insert_from(self, source: LiteralString) -> RowCounts:
        statement = self._compose_insert(source).as_bytes(self._cursor)
        self._cursor.execute(self.insert.around(statement), prepare=False)
        return self.insert.counts(self._cursor)

    def index(self) -> tuple[bytes, bytes]:
        """Index the rows' numbers.

        Returns:
            The statement that inserts some rows, or updates those whose keys exist: its parts
            before and after the condition that they meet.
        """
        index = sql.SQL("CREATE UNIQUE INDEX ON {} ({})")
        self._cursor.execute(index.format(self.identifier, _NUMBER))
        source = _LAST_OF_SOME if self._table.keys else _RANGE
        # Composed once: a statement over many columns takes as long to compose as to run.
        statement = self._compose_insert(source, range=sql.SQL("\0")).as_bytes(self._cursor)
        before, _, after = self.insert.around(statement).partition(b"\0")
        return before, after

    @staticmethod
    def numbers(start: int, stop: int) -> bytes:
        """Return the condition that selects some rows.

        Args:
            start: The first row's number.
            stop: The number after the last row's.
        """
        return f'"{ORDINAL}" >= {start} AND "{ORDINAL}" < {stop}'.encode()

    def drop(self) -> None:
        """Drop the table; there may be another in the same transaction."""
        self._cursor.execute(sql.SQL("DROP TABLE {}").format(self.identifier))

    def _compose_insert(self, source: LiteralString, **parts: sql.Composable) -> sql.Composed:
        keys = self._table.keys
        changes = [name for name in self._columns if name not in keys]
        action = sql.SQL("DO UPDATE SET {}{}").format(
            sql.SQL(", ").join(
                sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in changes
            ),
            self._update_unless_same(source),
        )
        conflict = sql.SQL(" ON CONFLICT ({}) {}").format(
            column_list(keys), action if changes else sql.SQL("DO NOTHING")
        )
        # Identity columns take what is sent, as they do from COPY.
        return sql.SQL(
            "INSERT INTO {table} AS t ({columns}) OVERRIDING SYSTEM VALUE"
            " SELECT {columns} FROM {source}{conflict}"
        ).format(
            table=self._table.identifier,
            columns=column_list(self._columns),
            source=sql.SQL(source).format(
                staging=self.identifier,
                keys=column_list(keys),
                number=_NUMBER,
                unless_same=self._unless_same(),
                **parts,
            ),
            conflict=conflict if keys else sql.SQL(""),
        )

    def _unless_same(self) -> sql.Composable:
        """The condition that leaves out rows which the table has as they are."""
        if self._compared is None or not self._looks_up:
            return sql.SQL("")
        return sql.SQL(_UNLESS_SAME).format(is_there=self._is_there())

    def _update_unless_same(self, source: str) -> sql.Composable:
        """The condition that leaves them as they are, if they have not been left out."""
        if self._compared is None or self._looks_up or source != _ALL:
            return sql.SQL("")
        return sql.SQL(_UPDATE_UNLESS_SAME).format(
            is_same=self._is_same("excluded"), loaded_at=sql.Identifier("t", LOADED_AT)
        )

    def _is_there(self) -> sql.Composable:
        same_key = [
            sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Identifier("staged", name))
            for name in self._table.keys
        ]
        return sql.SQL(_IS_THERE).format(
            is_same=self._is_same("staged"),
            table=self._table.identifier,
            same_key=sql.SQL(" AND ").join(same_key),
            loaded_at=sql.Identifier("t", LOADED_AT),
        )

    def _is_same(self, new: str) -> sql.Composable:
        """Whether a row has the values of the table's row, `t`."""

        def of(alias: str) -> sql.Composable:
            names = self._compared or ()
            return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)

        return sql.SQL(_IS_SAME).format(values=of("t"), new_values=of(new))
