"""Arrow tables into a PostgreSQL table, by COPY."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, LiteralString

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors, sql

from signalroom_target_postgres.ahead import ahead
from signalroom_target_postgres.arrowjson import record_json
from signalroom_target_postgres.copytext import copy_text
from signalroom_target_postgres.destination import names
from signalroom_target_postgres.records import Misfit
from signalroom_target_postgres.sqltypes import family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Cursor
    from psycopg.sql import Composed, Identifier

    from signalroom_target_postgres.columns import Column
    from signalroom_target_postgres.destination import Destination

_STAGING_NAME = "signalroom_staging"
_STAGING = sql.Identifier("pg_temp", _STAGING_NAME)
_ORDINAL = "signalroom ordinal"
_COLUMN = re.compile(r", column (?P<column>[^:]+)")


@dataclass
class Writer:
    """Writes batches of a stream's rows, within the caller's transaction.

    Args:
        destination: The table.
        columns: Its columns by name, as the stream has them.
        replace_nul: Whether NUL becomes U+FFFD, which PostgreSQL can store.
    """

    destination: Destination
    columns: Mapping[str, Column]
    replace_nul: bool = True
    #: Whether no row is expected to be there already, so that COPY can go straight into the table.
    fresh: bool = False
    #: Whether to make lines in another thread while others are sent.
    threaded: bool = True
    #: Rows the server refused.
    misfits: list[Misfit] = field(default_factory=list)

    def write(self, cursor: Cursor[Any], rows: pa.Table) -> None:
        """Insert rows, or update those whose keys are there; the last of a key wins.

        Args:
            cursor: Within a transaction.
            rows: Columns of the stream, all or some.
        """
        keys = self.destination.keys
        if not keys:
            self._copy(cursor, self.destination.identifier, rows)
            return
        rows = last_of_each(rows, keys)
        self.destination.lock(cursor)
        if self.fresh:
            before = len(self.misfits)
            try:
                with cursor.connection.transaction():
                    self._copy(cursor, self.destination.identifier, rows)
            except errors.UniqueViolation:
                # Someone else's rows, or this stream's own from before.
                self.fresh = False
                del self.misfits[before:]
            else:
                return
        self._merge(cursor, rows)

    def _merge(self, cursor: Cursor[Any], rows: pa.Table) -> None:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_STAGING))
        # With the table's own constraints, so that COPY finds the rows that they forbid.
        cursor.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING CONSTRAINTS INCLUDING DEFAULTS"
                " INCLUDING GENERATED INCLUDING IDENTITY) ON COMMIT DROP"
            ).format(sql.Identifier(_STAGING_NAME), self.destination.identifier)
        )
        self._copy(cursor, _STAGING, rows)
        try:
            with cursor.connection.transaction():
                cursor.execute(self._upsert(rows.column_names, "{staging}"))
        except errors.CardinalityViolation:
            # Keys that the server holds for equal, as the numbers 1 and 1.0: the last one counts.
            cursor.execute(
                self._upsert(
                    rows.column_names,
                    "(SELECT DISTINCT ON ({keys}) * FROM {staging}"
                    " ORDER BY {keys}, ctid DESC) AS staged",
                )
            )
        cursor.execute(sql.SQL("DROP TABLE {}").format(_STAGING))

    def _upsert(self, columns: Sequence[str], source: LiteralString) -> Composed:
        keys = self.destination.keys
        changes = sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
            for name in columns
            if name not in keys
        )
        action = sql.SQL("DO UPDATE SET {}").format(changes) if set(columns) - set(keys) else None
        return sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {source}"
            " ON CONFLICT ({keys}) {action}"
        ).format(
            table=self.destination.identifier,
            columns=names(columns),
            source=sql.SQL(source).format(staging=_STAGING, keys=names(keys)),
            keys=names(keys),
            action=action or sql.SQL("DO NOTHING"),
        )

    def _copy(self, cursor: Cursor[Any], into: Identifier, rows: pa.Table) -> None:
        """COPY; rows that the server refuses are left out and kept in `misfits`."""
        try:
            with cursor.connection.transaction():
                self._copy_all(cursor, into, rows)
        except (errors.DataError, errors.NotNullViolation, errors.CheckViolation) as error:
            if rows.num_rows == 1:
                self.misfits.append(self._refused(rows, error))
                return
            # Halves: the server names a line, but not always the right one.
            middle = rows.num_rows // 2
            for half in (rows.slice(0, middle), rows.slice(middle)):
                self._copy(cursor, into, half)

    def _copy_all(self, cursor: Cursor[Any], into: Identifier, rows: pa.Table) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(into, names(rows.column_names))
        text = copy_text(rows, json=self._json, replace_nul=self.replace_nul)
        with cursor.copy(statement) as copy:
            for lines in ahead(text) if self.threaded else text:
                copy.write(lines)

    @cached_property
    def _json(self) -> set[str]:
        return {name for name, column in self.columns.items() if family(column.type) == "json"}

    def _refused(self, row: pa.Table, error: errors.Error) -> Misfit:
        """Describe a refused row; without its values, which the server's messages quote."""
        fields = [self.columns[name].source for name in row.column_names]
        json = {self.columns[name].source for name in self._json}
        record = record_json(row.rename_columns(fields), json)
        found = _COLUMN.search((error.diag.context or "").partition("\n")[0])
        column = error.diag.column_name or (found["column"] if found else None)
        if isinstance(error, errors.NotNullViolation):
            return Misfit(record, "it is null, which the table does not allow", column)
        if isinstance(error, errors.CheckViolation):
            constraint = error.diag.constraint_name
            return Misfit(record, f"the table's constraint {constraint} forbids it")
        what = (error.diag.message_primary or "").partition(":")[0]
        return Misfit(record, f"PostgreSQL refused it: {what}", column)


def last_of_each(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Keep the last row of each key.

    Args:
        rows: Rows.
        keys: Columns.

    Returns:
        The rows, in their order, without those that a later one replaces.
    """
    keyed = rows.select([*keys]).append_column(_ORDINAL, pa.array(range(rows.num_rows), pa.int64()))
    last = keyed.group_by([*keys]).aggregate([(_ORDINAL, "max")])
    if last.num_rows == rows.num_rows:
        return rows
    indices = last.column(f"{_ORDINAL}_max")
    return rows.take(indices.take(pc.array_sort_indices(indices.combine_chunks())))
