"""The primary key that a table is to have, and what conflicts with it: NULL, and duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable, list_columns
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.values.sql_types import type_sql
from signalroom_target_postgres.warehouse.counts import count_rows
from signalroom_target_postgres.warehouse.naming import with_suffix
from signalroom_target_postgres.warehouse.table import column_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_LOAD_ID = "_dlt_load_id"
_SUFFIX = "__duplicates"
# Distinguishes our table of duplicates from a child table that dlt made of a field `duplicates`.
_REMARK = "Older rows of the same key, moved here by signalroom-postgres take-over"
# Those on expressions have a column 0, which has no name.
_UNIQUE = """
SELECT i.indexrelid::regclass::text, c.conname, i.indisprimary,
       array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = %s AND i.indisunique AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, c.conname, i.indisprimary ORDER BY 1
"""


def find_uniques(table: DltTable, oid: int) -> list[tuple[Any, ...]]:
    """Return a table's unique indexes: name, constraint, whether it is the primary key, columns."""
    return table.fetch(_UNIQUE, oid)


def has_key(table: DltTable, key: Sequence[str], uniques: Sequence[tuple[Any, ...]]) -> bool:
    """Whether a table has the key.

    Args:
        table: The table to check.
        key: The key columns, in any order.
        uniques: The result of `find_uniques`.

    Raises:
        TargetPostgresError: If it has another primary key.
    """
    for _, constraint, primary, parts in uniques:
        if not primary:
            continue
        if set(parts) == set(key):
            return True
        drop = table.as_text(
            "ALTER TABLE {table} DROP CONSTRAINT {name}", name=sql.Identifier(constraint)
        )
        msg = (
            f"{table} has another primary key, ({', '.join(parts)}), than "
            f"({', '.join(key)}): give that one if it is the stream's, or else remove "
            f"it first: {drop}"
        )
        raise TargetPostgresError(msg)
    return False


def check_nulls(table: DltTable, key: Sequence[str]) -> None:
    """Fail if a key column is NULL in some rows.

    Args:
        table: The table to check.
        key: The columns that may not be NULL.

    Raises:
        TargetPostgresError: If a column is NULL in some rows.
    """
    if not key:
        return
    counts = list_columns("count(*) FILTER (WHERE {} IS NULL)", key)
    (null_counts,) = table.execute("SELECT {counts} FROM {table}", counts=counts)
    empty = {column: count for column, count in zip(key, null_counts, strict=True) if count}
    if empty:
        where = list_columns("{} IS NULL", list(empty), " OR ")
        query = table.as_text("SELECT * FROM {table} WHERE {where}", where=where)
        nulls = ", ".join(f"{column} in {count_rows(count)}" for column, count in empty.items())
        msg = (
            f"{table} has NULL in its key ({nulls}), so that nothing tells these rows "
            f"from new ones: give them a value or delete them, and run this again; {query} "
            "shows them. Nothing was changed."
        )
        raise TargetPostgresError(msg)


class DuplicateArchive:
    """The table of duplicates of a table that dlt created."""

    def __init__(self, table: DltTable) -> None:
        self._table = table
        self._name = with_suffix(table.name, _SUFFIX)
        self._archive = sql.Identifier(table.schema, self._name)

    def __str__(self) -> str:
        return f"{self._table.schema}.{self._name}"

    def move_older(self, key: Sequence[sql.Composable], types: Mapping[str, str]) -> int:
        """Move all rows but the newest of each key.

        Args:
            key: Expressions for the key columns.
            types: The types of the table's columns by name, as the server's `format_type` names
                them.

        Returns:
            How many rows were moved.

        Raises:
            TargetPostgresError: If another table has the name of this one.
        """
        newest: sql.Composable = sql.SQL("ctid DESC")
        if _LOAD_ID in types:
            # When dlt began to load it, in seconds; other texts are ignored.
            newest = sql.SQL(
                "CASE WHEN {load}::text ~ '^[0-9]+(\\.[0-9]+)?$' THEN {load}::text::numeric END"
                " DESC NULLS LAST, ctid DESC"
            ).format(load=sql.Identifier(_LOAD_ID))
        ranks = self._table.compose(
            "SELECT ctid AS place, row_number() OVER (PARTITION BY {parts} ORDER BY {newest})"
            " AS rank FROM {table}",
            parts=sql.SQL(", ").join(key),
            newest=newest,
        )
        ((count,),) = self._table.execute(
            "SELECT count(*) FROM ({ranks}) r WHERE r.rank > 1", ranks=ranks
        )
        if not count:
            return 0
        self._make(types)
        moved = self._table.execute(
            "WITH moved AS (DELETE FROM {table} t USING ({ranks}) r"
            " WHERE t.ctid = r.place AND r.rank > 1 RETURNING t.*)"
            " INSERT INTO {archive} ({columns}) SELECT {columns} FROM moved",
            ranks=ranks,
            archive=self._archive,
            columns=column_list([*types]),
        )
        return moved.rowcount

    def _make(self, types: Mapping[str, str]) -> None:
        """Create the table, or add columns to that of an earlier take-over."""
        remarks = self._table.fetch(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            self._table.schema,
            self._name,
        )
        if not remarks:
            self._table.execute("CREATE TABLE {archive} (LIKE {table})", archive=self._archive)
            remark = sql.Literal(_REMARK)
            comment = "COMMENT ON TABLE {archive} IS {remark}"
            self._table.execute(comment, archive=self._archive, remark=remark)
        elif remarks != [(_REMARK,)]:
            msg = (
                f"{self}, the table for duplicates, exists and was not created by this command: "
                "rename it, and run this again. Nothing was changed."
            )
            raise TargetPostgresError(msg)
        for name, type_ in types.items():
            self._table.execute(
                "ALTER TABLE {archive} ADD COLUMN IF NOT EXISTS {name} {type_}",
                archive=self._archive,
                name=sql.Identifier(name),
                type_=type_sql(type_),
            )
