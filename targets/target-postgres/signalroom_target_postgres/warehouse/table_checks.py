"""Checks of a stream before its table is created or altered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql

from signalroom_target_postgres.errors import LimitError, LoadError
from signalroom_target_postgres.warehouse.naming import NAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection

    from signalroom_target_postgres.warehouse.table import Table

logger = logging.getLogger(__name__)

# MaxHeapAttributeNumber and INDEX_MAX_KEYS: https://www.postgresql.org/docs/18/limits.html
_MAX_COLUMNS = 1600
_MAX_KEY_COLUMNS = 32
_RENAME = {
    "schema": "Choose another by the setting default_target_schema.",
    "table": "Rename it in the setting stream_maps of the tap or the loader (`__alias__`).",
    "column": "Rename it in the setting stream_maps of the tap or the loader.",
}


def check_names(table: Table, columns: Collection[str]) -> None:
    """Check the names of a table, its columns and its key.

    Args:
        table: The table to create or alter.
        columns: The stream's columns.

    Raises:
        LimitError: If PostgreSQL cannot have one of them.
        LoadError: If the table or a column has no name, or the key is not among the columns.
    """
    if not table.name:
        msg = (
            f"The table of stream {table.stream!r} would have no name. Rename the stream in the "
            "setting stream_maps (`__alias__`)."
        )
        raise LoadError(msg)
    names = [("schema", table.schema or ""), ("table", table.name)]
    for kind, name in [*names, *(("column", column) for column in columns)]:
        is_long = len(name.encode()) > NAME_BYTES
        if is_long or "\0" in name:
            why = (
                f"is too long for PostgreSQL, which has {NAME_BYTES} bytes for one"
                if is_long
                else "has the character NUL, which PostgreSQL's names cannot have"
            )
            msg = (
                f"Stream {table.stream!r} is not loaded: the name of its {kind} {name!r} {why}. "
                f"{_RENAME[kind]}"
            )
            raise LimitError(msg)
    if len(table.keys) > _MAX_KEY_COLUMNS:
        msg = (
            f"Stream {table.stream!r} is not loaded: its key has {len(table.keys)} columns, and "
            f"PostgreSQL's have at most {_MAX_KEY_COLUMNS}. Choose fewer by `__key_properties__` "
            "in the setting stream_maps, or set load_method to append-only."
        )
        raise LimitError(msg)
    if "" in columns:
        msg = f"A column of {table} has no name. Rename it, by the tap's setting stream_maps."
        raise LoadError(msg)
    if missing := [key for key in table.keys if key not in columns]:
        msg = (
            f"The key columns {', '.join(missing)} of {table} are not among the stream's columns. "
            "Select them in the tap's catalog, or name others by `__key_properties__` in the "
            "setting stream_maps."
        )
        raise LoadError(msg)


def check_width(table: Table, count: int, dropped: int = 0) -> None:
    """Check how many columns a table would have.

    Args:
        table: The table to create or alter.
        count: How many columns it would have.
        dropped: How many of them were dropped, which still count.

    Raises:
        LimitError: If they are too many for PostgreSQL.
    """
    if count <= _MAX_COLUMNS:
        return
    of_old = (
        f" {dropped:,} of them were dropped and count until the table is made again by CREATE "
        "TABLE ... AS."
        if dropped
        else ""
    )
    msg = (
        f"Stream {table.stream!r} is not loaded: its table {table} would have {count:,} columns, "
        f"and PostgreSQL's have at most {_MAX_COLUMNS:,}.{of_old} Select fewer fields of the "
        "stream in the tap's catalog, remove some by the setting stream_maps (`__NULL__`), or "
        "let objects be one column (flattening_enabled: false)."
    )
    raise LimitError(msg)


def check_previous(
    cursor: Cursor[Any],
    table: Table,
    columns: Collection[str],
    previous: Table,
    owner: str | None,
) -> None:
    """Check that a stream has no table under another name before a new one is created.

    Args:
        cursor: The cursor that quotes names in statements.
        table: The table to create.
        columns: The stream's columns.
        previous: The table that the stream may have had before.
        owner: The stream of this run whose table that is now.

    Raises:
        LoadError: If it may be the stream's.
    """
    present = previous.types.keys()
    if not (set(table.keys) <= present if table.keys else set(columns) & present):
        return
    if owner is not None:
        logger.warning(
            "Stream %s starts with a new table, %s: %s is the table of stream %s. Earlier "
            "versions loaded both into it; for rows from before run a full refresh of %s",
            *(table.stream, table, previous, owner, table.stream),
        )
        return
    rename, source = [], previous.identifier
    if table.schema and table.schema != previous.schema:
        move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        rename.append(move.format(source, sql.Identifier(table.schema)))
        source = sql.Identifier(table.schema, previous.name)
    if table.name != previous.name:
        change = sql.SQL("ALTER TABLE {} RENAME TO {}")
        rename.append(change.format(source, sql.Identifier(table.name)))
    create = sql.SQL("CREATE TABLE {} ()").format(table.identifier)
    msg = (
        f"The table of stream {table.stream!r} is {table}, which does not exist; {previous} does, "
        "and may be its table from a version that named tables by the last part of the stream's "
        f"name. If it is, rename it: {sql.SQL('; ').join(rename).as_string(cursor)}; or set "
        "`table_naming` to last-part to keep such names. If it is not, create an empty table: "
        f"{create.as_string(cursor)}. Nothing of the stream was loaded."
    )
    raise LoadError(msg)
