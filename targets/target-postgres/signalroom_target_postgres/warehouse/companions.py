"""Tables beside a stream's own that have its columns, as the archive and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.connection.server_messages import redact_message
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values.sql_types import type_sql
from signalroom_target_postgres.warehouse.table_setup import change_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.warehouse.table import Table


def notice_new_tables(cursor: Cursor[Any]) -> None:
    """Have the session notice tables that others created while it waited for a lock.

    `to_regclass` goes by the names that the session has in its cache, also of tables that do not
    exist. Only a statement that would lock a table, and finds none, reads what others changed
    (`RangeVarGetRelidExtended` in PostgreSQL's namespace.c).

    Args:
        cursor: A cursor within a transaction that has the lock.
    """
    cursor.execute("DROP TABLE IF EXISTS pg_temp.signalroom_none")


def create_companion(
    cursor: Cursor[Any], companion: Table, table: Table, moments: Sequence[str]
) -> None:
    """Create an empty table with the columns of another, and without its constraints.

    Args:
        cursor: A cursor within a transaction.
        companion: The table to create.
        table: The table whose columns it gets.
        moments: Further columns, of the type timestamptz.
    """
    columns = [sql.SQL("now() AS {}").format(sql.Identifier(name)) for name in moments]
    create = "CREATE TABLE {} AS SELECT t.*, {} FROM {} AS t WITH NO DATA"
    names = companion.identifier, sql.SQL(", ").join(columns), table.identifier
    cursor.execute(sql.SQL(create).format(*names))
    companion.read_types(cursor)


def follow_columns(cursor: Cursor[Any], companion: Table, table: Table) -> bool:
    """Give a table the columns and the types that another has now.

    Args:
        cursor: A cursor within a transaction.
        companion: The table to alter, with its types.
        table: The table whose columns it gets, with its types.

    Returns:
        Whether it did not have them.

    Raises:
        LoadError: If a column cannot have the type.
    """
    differing = {
        name: type_ for name, type_ in table.types.items() if companion.types.get(name) != type_
    }
    for name, type_ in differing.items():
        if name in companion.types:
            _change_type(cursor, companion, table, name)
        else:
            names = companion.identifier, sql.Identifier(name), type_sql(type_)
            cursor.execute(sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(*names))
    if differing:
        companion.read_types(cursor)
    return bool(differing)


def _change_type(cursor: Cursor[Any], companion: Table, table: Table, column: str) -> None:
    actual, to = companion.types[column], table.types[column]
    try:
        change_type(cursor, companion, column, to)
    except (errors.NotSupportedError, errors.ProgrammingError, errors.DataError) as error:
        if isinstance(error, errors.InsufficientPrivilege):
            raise
        msg = (
            f"Column {column!r} of {table} is {to} now, and that of {companion} cannot become it "
            f"(it is {actual}): {redact_message(error, [companion.name, column])}. Drop what "
            "depends on it, such as a view, run again, and create it again; or rename "
            f"{companion}: a new table is then begun. Nothing of the batch was loaded."
        )
        raise LoadError(msg) from error
