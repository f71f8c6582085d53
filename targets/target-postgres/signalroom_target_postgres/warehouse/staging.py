"""The temporary table from which rows are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.warehouse.counts import CountedInsert, RowCounts
from signalroom_target_postgres.warehouse.table import Table, column_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString


_NAME = "signalroom_staging"
#: The column that numbers rows, where they are numbered.
ORDINAL = "signalroom ordinal"

_NUMBER = sql.Identifier(ORDINAL)
_ALL = "{staging}"
# Of keys that the server compares as equal, as 1 and 1.0, the last row counts.
_LAST_OF_ALL = "(SELECT DISTINCT ON ({keys}) * FROM {staging} ORDER BY {keys}, ctid DESC) AS staged"
_LAST_OF_SOME = (
    "(SELECT DISTINCT ON ({keys}) * FROM {staging} WHERE {range}"
    " ORDER BY {keys}, {number} DESC) AS staged"
)
_RANGE = "{staging} WHERE {range} ORDER BY {number}"


class Staging:
    """An empty table with some of a table's columns, their types, and none of its constraints.

    Constraints are checked when rows are merged: the table's triggers may fill in missing values.

    Args:
        cursor: A cursor within a transaction.
        table: The table that rows are merged into.
        columns: The columns of the rows.
        numbered: Whether rows have numbers, so that some of them can be inserted.
        updates: The query for the rows of the table that were updated, as `TableTraits` has it.
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
    ) -> None:
        self._cursor = cursor
        self._table = table
        self._columns = columns
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

    def insert_all(self) -> RowCounts:
        """Insert the rows, or update those whose keys exist; count what was written."""
        try:
            with self._cursor.connection.transaction():
                return self._insert_from(_ALL)
        except errors.CardinalityViolation:
            if not self._table.keys:
                raise
            return self._insert_from(_LAST_OF_ALL)

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
        action = sql.SQL("DO UPDATE SET {}").format(
            sql.SQL(", ").join(
                sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in changes
            )
        )
        conflict = sql.SQL(" ON CONFLICT ({}) {}").format(
            column_list(keys), action if changes else sql.SQL("DO NOTHING")
        )
        # Identity columns take what is sent, as they do from COPY.
        return sql.SQL(
            "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
            " SELECT {columns} FROM {source}{conflict}"
        ).format(
            table=self._table.identifier,
            columns=column_list(self._columns),
            source=sql.SQL(source).format(
                staging=self.identifier, keys=column_list(keys), number=_NUMBER, **parts
            ),
            conflict=conflict if keys else sql.SQL(""),
        )
