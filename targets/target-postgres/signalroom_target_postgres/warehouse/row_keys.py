"""The keys of the rows that a transaction writes or removes, in a temporary table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_target_postgres.warehouse.table import Table, column_list

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = "signalroom_keys"
#: The temporary table. It has the columns of the key; a key may be there several times.
ROW_KEYS = sql.Identifier("pg_temp", _NAME)


def create_row_keys(cursor: Cursor[Any], table: Table) -> sql.Identifier:
    """Create the temporary table, which is gone after the transaction.

    Args:
        cursor: A cursor within a transaction.
        table: The table that has the rows.

    Returns:
        The name of the temporary table.
    """
    create = "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA"
    names = sql.Identifier(_NAME), column_list(table.keys), table.identifier
    cursor.execute(sql.SQL(create).format(*names))
    return ROW_KEYS


def drop_row_keys(cursor: Cursor[Any]) -> None:
    """Drop the temporary table; there may be another in the same transaction."""
    cursor.execute(sql.SQL("DROP TABLE {}").format(ROW_KEYS))


def noting_keys(statement: sql.Composable, keys: Sequence[str]) -> sql.Composed:
    """Have a statement that removes rows note their keys.

    Args:
        statement: A DELETE or an UPDATE, without RETURNING.
        keys: The columns of the key, in the order that the temporary table has.

    Returns:
        A statement with the same number of rows.
    """
    return sql.SQL("WITH gone AS ({} RETURNING {}) INSERT INTO {} SELECT * FROM gone").format(
        statement, column_list(keys), ROW_KEYS
    )
