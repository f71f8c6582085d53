"""Rows that were loaded since dlt loaded, and columns that have no value in any of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from psycopg import sql

from signalroom_target_postgres.dlt_adoption.statements import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.sql import Composable

    from signalroom_target_postgres.dlt_adoption.statements import Statements

LOADED_AT = "_loaded_at"
_DLT_ID = "_dlt_id"


def loaded_since(
    statements: Statements, schema: str, table: str, columns: Sequence[str]
) -> Composable | None:
    """Tell rows that the new pipeline loaded, or loaded again, from those that dlt loaded last.

    Each row of a SignalRoom tap has `_loaded_at`. Some dlt sources wrote it too.

    Args:
        statements: To ask with.
        schema: The table's schema.
        table: The table.
        columns: What it has.

    Returns:
        A condition; None if nothing tells them apart.
    """
    if LOADED_AT not in columns:
        return None
    written_by_dlt = _columns_of_dlt(statements, schema, table)
    if not written_by_dlt or LOADED_AT in written_by_dlt:
        return None
    return sql.SQL("{} IS NOT NULL").format(sql.Identifier(LOADED_AT))


def without_new_values(statements: Statements, columns: Sequence[str]) -> tuple[str, ...]:
    """Find columns that dlt filled, and that are NULL in all rows that came since.

    Rows of dlt's that were loaded again say nothing: there a column keeps dlt's value if the stream
    does not have it.

    Args:
        statements: Such as have the ``{table}``.
        columns: What it has.

    Returns:
        Their names; none before the first load.
    """
    if _DLT_ID not in columns:
        return ()
    since = sql.SQL("{} IS NULL").format(sql.Identifier(_DLT_ID))
    there = statements.do("SELECT EXISTS (SELECT FROM {table} WHERE {since})", since=since)
    if there.fetchone() == (False,):
        return ()
    asked = [column for column in columns if not column.startswith("_dlt_")]
    has = listed("count({}) > 0", asked)
    (new,) = statements.do("SELECT {has} FROM {table} WHERE {since}", has=has, since=since)
    (all_,) = statements.do("SELECT {has} FROM {table}", has=has)
    return tuple(
        column for column, is_new, is_any in zip(asked, new, all_, strict=True) if is_any > is_new
    )


def _columns_of_dlt(statements: Statements, schema: str, table: str) -> set[str]:
    """Ask dlt's own table of schemas which columns it made; none if there is no such table."""
    versions = sql.Identifier(schema, "_dlt_version")
    name = versions.as_string(statements.cursor)
    if statements.rows("SELECT to_regclass(%s)", name) == [(None,)]:
        return set()
    for (text,) in statements.do(
        "SELECT schema FROM {versions} ORDER BY version DESC", versions=versions
    ).fetchall():
        found = json.loads(text).get("tables", {}).get(table)
        if found:
            return set(found.get("columns", {}))
    return set()
