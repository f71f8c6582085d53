"""Rows that were loaded after dlt's last load, and columns that are NULL in all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from psycopg import sql

from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable, list_columns

if TYPE_CHECKING:
    from collections.abc import Sequence


LOADED_AT = "_loaded_at"
_DLT_ID = "_dlt_id"


def loaded_since(table: DltTable, columns: Sequence[str]) -> sql.Composable | None:
    """Return a condition for rows that the new pipeline loaded, or loaded again.

    Each row of a SignalRoom tap has `_loaded_at`. Some dlt sources wrote it too.

    Args:
        table: The table to look into.
        columns: The columns of the table.

    Returns:
        The condition; None if nothing distinguishes them from dlt's rows.
    """
    if LOADED_AT not in columns:
        return None
    written_by_dlt = columns_of_dlt(table)
    if not written_by_dlt or LOADED_AT in written_by_dlt:
        return None
    return sql.SQL("{} IS NOT NULL").format(sql.Identifier(LOADED_AT))


def without_new_values(table: DltTable, columns: Sequence[str]) -> tuple[str, ...]:
    """Return columns of dlt that have values, but are NULL in all rows that came since.

    Rows of dlt's that were loaded again say nothing: there a column keeps dlt's value if the stream
    does not have it.

    Args:
        table: The table to look into.
        columns: The columns of the table.

    Returns:
        Their names; none before the first load.
    """
    if _DLT_ID not in columns:
        return ()
    since = sql.SQL("{} IS NULL").format(sql.Identifier(_DLT_ID))
    there = table.execute("SELECT EXISTS (SELECT FROM {table} WHERE {since})", since=since)
    if there.fetchone() == (False,):
        return ()
    of_dlt = columns_of_dlt(table) or columns
    filled = [name for name in columns if name in of_dlt and not name.startswith("_dlt_")]
    has = list_columns("count({}) > 0", filled)
    (new,) = table.execute("SELECT {has} FROM {table} WHERE {since}", has=has, since=since)
    (all_,) = table.execute("SELECT {has} FROM {table}", has=has)
    return tuple(
        column for column, is_new, is_any in zip(filled, new, all_, strict=True) if is_any > is_new
    )


def columns_of_dlt(table: DltTable) -> set[str]:
    """Return the columns that dlt created, by its own table of schemas; none without one."""
    versions = sql.Identifier(table.schema, "_dlt_version")
    name = versions.as_string(table.cursor)
    if table.fetch("SELECT to_regclass(%s)", name) == [(None,)]:
        return set()
    for (text,) in table.execute(
        "SELECT schema FROM {versions} ORDER BY version DESC", versions=versions
    ).fetchall():
        definition = json.loads(text).get("tables", {}).get(table.name)
        if definition:
            return set(definition.get("columns", {}))
    return set()
