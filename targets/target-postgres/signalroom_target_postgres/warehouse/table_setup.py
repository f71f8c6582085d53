"""Creates the table of a stream, or alters it: adds columns, widens them, sets the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.connection.server_messages import redact_message
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values import sql_types
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.warehouse import table_checks
from signalroom_target_postgres.warehouse.table import Table, column_list, fetch_value
from signalroom_target_postgres.warehouse.table_key import set_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_target_postgres.values.schema_types import DeclaredType
    from signalroom_target_postgres.warehouse.naming import TableName

# Objects that depend on a column's type: views, rules, triggers, policies, generated columns.
_DEPENDENTS = """
SELECT DISTINCT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
LEFT JOIN pg_attrdef ON classid = 'pg_attrdef'::regclass AND pg_attrdef.oid = objid
WHERE refclassid = 'pg_class'::regclass AND refobjid = %s AND attname = %s
    AND (classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
        'pg_attrdef'::regclass) OR (objid = refobjid AND objsubid > 0))
    AND adnum IS DISTINCT FROM refobjsubid
ORDER BY 1
"""
# Dropped columns keep their numbers.
_COLUMNS_EVER = "SELECT max(attnum) FROM pg_attribute WHERE attrelid = %s"


class ColumnFixedError(LoadError):
    """A column's type cannot change.

    Args:
        column: The column, with its table.
        to: The type that it needs.
        reason: Why it cannot have it, and what to do.
    """

    def __init__(self, column: str, to: str, reason: str) -> None:
        super().__init__(f"Column {column} has to become {to}, and cannot: {reason}.")
        self.reason = f"the column cannot become {to}: {reason}"


def prepare_table(
    cursor: Cursor[Any],
    table: Table,
    declared: Mapping[str, DeclaredType],
    previous: TableName | None,
    owner: str | None,
    *,
    keep_fixed: bool,
) -> bool:
    """Create a table, or add columns, widen types, and set the key.

    Args:
        cursor: A cursor within a transaction.
        table: The table, with the key that it is to have.
        declared: What the stream's schema declares, by column.
        previous: The table that the stream may have had before, under another name.
        owner: The stream of this run whose table that is now.
        keep_fixed: Whether a column that cannot become wider stays as it is.

    Returns:
        Whether it is a new table.

    Raises:
        LoadError: If the table cannot be what the stream needs.
    """
    table_checks.check_names(table, declared)
    # The notes of a failed attempt were rolled back with it.
    table.notes.clear()
    table.lock(cursor)
    oid = table.oid(cursor)
    if oid is None:
        if previous is not None:
            before = Table(*previous)
            before.read_types(cursor)
            table_checks.check_previous(cursor, table, declared, before, owner)
        table_checks.check_width(table, len(declared))
        _create(cursor, table, declared)
    else:
        _adapt(cursor, table, oid, declared, keep_fixed=keep_fixed)
    table.read_types(cursor)
    return oid is None


def widen_column(cursor: Cursor[Any], table: Table, column: str, to: str) -> None:
    """Give a column a wider type.

    Args:
        cursor: A cursor within a transaction.
        table: The table of the column.
        column: The column's name.
        to: The type whose values it is to hold too.

    Raises:
        ColumnFixedError: If a view or something else depends on the type.
    """
    table.notes.clear()
    table.lock(cursor)
    _widen(cursor, table, column, to)


def _widen(cursor: Cursor[Any], table: Table, column: str, to: str) -> None:
    # Another loader may have widened it meanwhile, perhaps further.
    table.read_types(cursor)
    actual = table.types[column]
    if actual == (wider := _wider_type(table.base_type(column), to)):
        return
    try:
        change_type(cursor, table, column, wider)
    except (errors.NotSupportedError, errors.ProgrammingError, errors.DataError) as error:
        raise _column_fixed_error(cursor, table, column, wider, error) from error
    table.note(f"Column {column} of {table} becomes {wider} (was {actual})")
    table.read_types(cursor)


def change_type(cursor: Cursor[Any], table: Table, column: str, to: str) -> None:
    """Give a column another type, in a savepoint.

    Args:
        cursor: A cursor within a transaction.
        table: The table of the column, with its types.
        column: The column's name.
        to: The new type.
    """
    # With this, the text of a float has all of its digits.
    cursor.execute("SET LOCAL extra_float_digits = 1")
    statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}").format(
        *(table.identifier, sql.Identifier(column)),
        *(sql_types.type_sql(to), sql_types.cast_expression(column, table.types[column], to)),
    )
    with sql_types.conversion_function(cursor, to), cursor.connection.transaction():
        cursor.execute(statement)


def _wider_type(actual: str, to: str) -> str:
    """Return the type that holds a column's values and those of another type."""
    limit = limit_of(actual)
    return to if limit is not None and limit.wider == to else sql_types.common_type(actual, to)


def _column_fixed_error(
    cursor: Cursor[Any], table: Table, column: str, to: str, error: errors.Error
) -> ColumnFixedError:
    reason = redact_message(error, [table.name, column])
    rows = cursor.execute(_DEPENDENTS, (table.oid(cursor), column)).fetchall()
    if rows:
        reason += f" ({', '.join(name for (name,) in rows)})"
    advice = "Drop what depends on it, run again, and create it again"
    if isinstance(error, errors.InsufficientPrivilege):
        advice = "Let the table's owner widen it, or make the loader's user its owner"
    return ColumnFixedError(f"{column!r} of {table}", to, f"{reason}. {advice}")


def _create(cursor: Cursor[Any], table: Table, declared: Mapping[str, DeclaredType]) -> None:
    if table.schema:
        exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
        if not fetch_value(cursor, exists, (table.schema,)):
            # Queried first: without the right to create schemas, IF NOT EXISTS fails too.
            statement = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}")
            cursor.execute(statement.format(sql.Identifier(table.schema)))
    parts = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql_types.type_sql(type_.type))
        for name, type_ in declared.items()
    ]
    if table.keys:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(column_list(table.keys)))
    create = sql.SQL("CREATE TABLE {} ({})")
    cursor.execute(create.format(table.identifier, sql.SQL(", ").join(parts)))


def _adapt(
    cursor: Cursor[Any],
    table: Table,
    oid: int,
    declared: Mapping[str, DeclaredType],
    *,
    keep_fixed: bool,
) -> None:
    present = table.read_types(cursor)
    if new := declared.keys() - present:
        ever = int(fetch_value(cursor, _COLUMNS_EVER, (oid,)) or 0)
        table_checks.check_width(table, ever + len(new), ever - len(present))
    for name, type_ in declared.items():
        if name in new:
            add = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
            identifier = sql.Identifier(name)
            cursor.execute(add.format(table.identifier, identifier, sql_types.type_sql(type_.type)))
            table.note(f"Added column {name} ({type_.type}) to {table}", is_warning=False)
        elif name not in table.fixed and type_.types_held_by(table.types[name]) is None:
            # A column that holds some of the values is widened by the first one that does not fit.
            try:
                _widen(cursor, table, name, type_.type)
            except ColumnFixedError as error:
                if not keep_fixed:
                    raise
                table.note(str(error))
                table.fixed[name] = error.reason
    if table.keys:
        if new:
            table.read_types(cursor)
        set_key(cursor, table, oid)
