"""The primary key that a table is to have, and what conflicts with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_target_postgres.dlt_adoption.dlt_table import list_columns
from signalroom_target_postgres.errors import TargetPostgresError
from signalroom_target_postgres.warehouse.counts import count_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable

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
