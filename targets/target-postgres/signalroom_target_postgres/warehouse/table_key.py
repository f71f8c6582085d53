"""The primary key of an existing table: created, widened, or left with an error that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import Cursor, errors, sql

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.values.sql_types import type_sql
from signalroom_target_postgres.warehouse.table import Table, column_list, fetch_value

if TYPE_CHECKING:
    from collections.abc import Sequence


# All unique indexes over whole columns; the primary key is the first.
_UNIQUE_KEYS = """
SELECT index.indisprimary, array_agg(attname ORDER BY position), constraint_.conname,
    index.indexrelid::bigint, constraint_.oid::bigint, index.indisreplident, index.indisclustered
FROM pg_index AS index
CROSS JOIN LATERAL unnest(index.indkey[:index.indnkeyatts - 1]) WITH ORDINALITY
    AS part (number, position)
JOIN pg_attribute ON attrelid = index.indrelid AND attnum = part.number
LEFT JOIN pg_constraint AS constraint_
    ON constraint_.conindid = index.indexrelid AND constraint_.contype = 'p'
WHERE index.indrelid = %s AND index.indisunique AND index.indisvalid
    AND index.indpred IS NULL AND index.indexprs IS NULL AND index.indimmediate
GROUP BY index.indexrelid, index.indisprimary, constraint_.conname, constraint_.oid,
    index.indisreplident, index.indisclustered
ORDER BY index.indisprimary DESC
"""
# Foreign keys hold on to the index, and views that group by the key to the constraint.
_DEPENDENTS = """
SELECT DISTINCT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
WHERE deptype = 'n' AND (
    (refclassid = 'pg_class'::regclass AND refobjid = %s)
    OR (refclassid = 'pg_constraint'::regclass AND refobjid = %s)
)
ORDER BY 1
"""
# Types that compare different values as equal. `character(3)` is not one of them, as texts that
# it would compare as equal widen it; `bpchar` without a length is.
_LOOSE = """
SELECT attname, CASE
        WHEN collisdeterministic THEN format_type(atttypid, atttypmod)
        ELSE coalesce('collation ' || collname, format_type(atttypid, atttypmod))
    END
FROM pg_attribute
JOIN pg_type AS declared ON declared.oid = atttypid
JOIN pg_type AS base ON base.oid IN (declared.oid, declared.typbasetype)
LEFT JOIN pg_collation ON pg_collation.oid = attcollation
WHERE attrelid = %s AND attname = ANY(%s)
    AND (
        base.typname IN ('citext', 'interval') OR NOT collisdeterministic
        OR (base.typname = 'bpchar' AND greatest(atttypmod, declared.typtypmod) = -1)
    )
GROUP BY attnum, 1, 2
ORDER BY attnum
"""
_NOTHING = "Nothing of the stream was loaded."


class PrimaryKey(NamedTuple):
    """A table's primary key.

    Attributes:
        columns: The columns of the key, in their order.
        name: The name of the constraint.
        index_oid: The OID of the index.
        constraint_oid: The OID of the constraint.
        identifies: Whether it is the table's REPLICA IDENTITY USING INDEX.
        is_clustered: Whether CLUSTER uses its index.
    """

    columns: Sequence[str]
    name: str
    index_oid: int
    constraint_oid: int
    identifies: bool
    is_clustered: bool


def set_key(cursor: Cursor[Any], table: Table, oid: int) -> None:
    """Give a table the stream's key, if no unique index has it.

    A key with more columns than the old one is unique where that is. One with fewer would make
    one row of several, so only an empty table gets it.

    Args:
        cursor: A cursor within a transaction.
        table: The table, with its types and the keys that it is to have.
        oid: The OID of the table.

    Raises:
        LoadError: If the table cannot have that key.
    """
    _warn_loose_columns(cursor, table, oid)
    unique = cursor.execute(_UNIQUE_KEYS, (oid,)).fetchall()
    if any(set(columns) == set(table.keys) for _, columns, *_ in unique):
        return
    old = next((PrimaryKey(*parts) for is_primary, *parts in unique if is_primary), None)
    # Row-level security may hide rows, so that the table looks empty.
    may_hide = "SELECT row_security_active(%s::oid)"
    has_rows = table.has_rows(cursor) or bool(fetch_value(cursor, may_hide, (oid,)))
    if old is not None and has_rows:
        if set(table.keys) < set(old.columns):
            raise _key_narrower(cursor, table, old)
        if set(table.keys) > set(old.columns):
            _check_filled(cursor, table, old)
    was = _was(old)
    try:
        with cursor.connection.transaction():
            cursor.execute(_change(table, old))
    except (errors.UniqueViolation, errors.NotNullViolation) as error:
        empty = error.diag.column_name
        if empty and old is not None and set(table.keys) > set(old.columns):
            # In rows that row-level security hides.
            raise _not_filled(cursor, table, old, [empty]) from error
        raise _not_accepted(table, old, error) from error
    except (errors.DependentObjectsStillExist, errors.InvalidTableDefinition) as error:
        if old is None:
            raise
        raise _key_fixed(cursor, table, old, error) from error
    keys = ", ".join(table.keys)
    table.note(f"{table} was {was}; it is now keyed by {keys}")


def _warn_loose_columns(cursor: Cursor[Any], table: Table, oid: int) -> None:
    """Warn of key columns that compare different keys as equal."""
    for name, compares in cursor.execute(_LOOSE, (oid, [*table.keys])).fetchall():
        kind = compares if compares.startswith("collation ") else f"type {compares}"
        note = (
            f"The key column {name} of {table} is of the {kind}, which compares some different "
            "values as equal (upper and lower case, for example). Records whose keys differ only "
            "in that become one row"
        )
        table.note(note)


def _was(old: PrimaryKey | None) -> str:
    return f"keyed by {', '.join(old.columns)}" if old else "without a key"


def _change(table: Table, old: PrimaryKey | None) -> sql.Composed:
    """Return the statement that creates the key, with the old one's name, which may be in use."""
    keys = column_list(table.keys)
    if old is None:
        return sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table.identifier, keys)
    parts = ["ALTER TABLE {} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} PRIMARY KEY ({})"]
    if old.identifies:
        # Otherwise published tables could not be updated.
        parts.append("REPLICA IDENTITY USING INDEX {name}")
    if old.is_clustered:
        parts.append("CLUSTER ON {name}")
    return sql.SQL(", ".join(parts)).format(table.identifier, keys, name=sql.Identifier(old.name))


def _check_filled(cursor: Cursor[Any], table: Table, old: PrimaryKey) -> None:
    """Check that no row lacks a value in a column that the key gets."""
    added = [name for name in table.keys if name not in old.columns]
    lacks = sql.SQL(", ").join(
        sql.SQL("bool_or({} IS NULL)").format(sql.Identifier(name)) for name in added
    )
    row = cursor.execute(sql.SQL("SELECT {} FROM {}").format(lacks, table.identifier)).fetchone()
    if empty := [name for name, lacking in zip(added, row or (), strict=False) if lacking]:
        raise _not_filled(cursor, table, old, empty)


def _key_error(table: Table, old: PrimaryKey | None, problem: str) -> LoadError:
    keys = ", ".join(table.keys)
    return LoadError(f"{table} is {_was(old)}, and the stream's key is {keys}. {problem}")


def _not_filled(
    cursor: Cursor[Any], table: Table, old: PrimaryKey, empty: Sequence[str]
) -> LoadError:
    # The transaction is rolled back, and with it a column that was added.
    add = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}")
    fill = sql.SQL("UPDATE {} SET {column} = ... WHERE {column} IS NULL")
    steps: list[sql.Composable] = [
        step
        for name in empty
        for step in (
            add.format(table.identifier, sql.Identifier(name), type_sql(table.types[name])),
            fill.format(table.identifier, column=sql.Identifier(name)),
        )
    ]
    statements = sql.SQL("; ").join([*steps, _change(table, old)]).as_string(cursor)
    problem = (
        f"Its primary key is not widened, as rows have no value in {', '.join(empty)}. Fill in the "
        f"value that these rows have at their source, and make the key: {statements}. Or load into "
        f"another schema (`default_target_schema`). {_NOTHING}"
    )
    return _key_error(table, old, problem)


def _key_narrower(cursor: Cursor[Any], table: Table, old: PrimaryKey) -> LoadError:
    missing = ", ".join(name for name in old.columns if name not in table.keys)
    problem = (
        f"Rows that differ only in {missing} would become one. Keep the old key (undo the change "
        "of the tap's settings that made it another, or name its columns in `__key_properties__` "
        "in the setting stream_maps), or load into another schema (`default_target_schema`). If no "
        f"two rows share {', '.join(table.keys)}, and none are to come, change the key: "
        f"{_change(table, old).as_string(cursor)}. {_NOTHING}"
    )
    return _key_error(table, old, problem)


def _not_accepted(table: Table, old: PrimaryKey | None, error: errors.Error) -> LoadError:
    reason = f"several rows have the same {', '.join(table.keys)}"
    if isinstance(error, errors.NotNullViolation):
        reason = f"rows have no value in {error.diag.column_name}"
    problem = (
        f"The table cannot have that key: {reason}. Remove or complete the rows that conflict with "
        f"it (`signalroom-postgres take-over {table}` does so for tables that dlt made), or load "
        "into another schema (`default_target_schema`)."
    )
    return _key_error(table, old, problem)


def _key_fixed(
    cursor: Cursor[Any], table: Table, old: PrimaryKey, error: errors.Error
) -> LoadError:
    rows = cursor.execute(_DEPENDENTS, (old.index_oid, old.constraint_oid)).fetchall()
    if rows:
        advice = (
            f"{', '.join(name for (name,) in rows)} depends on it. Drop what depends on it, run "
            "again, and create it again for the new key"
        )
    else:
        # The key belongs to a table that this one is a partition of, or inherits from.
        advice = (
            f"{error.diag.message_primary}. Change the key of the table that it comes from, or "
            "load into that table"
        )
    problem = (
        f"The primary key cannot change: {advice}; or load into another schema "
        f"(`default_target_schema`). {_NOTHING}"
    )
    return _key_error(table, old, problem)
