"""The sums of a stream's table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from psycopg import sql

from signalroom_cli.database import make_loader
from signalroom_cli.reconcile.comparison import ReconcileError
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID
from signalroom_target_postgres.warehouse.naming import columns_of
from signalroom_target_postgres.warehouse.scopes import Scope, ScopeColumns, decode_scopes
from signalroom_target_postgres.warehouse.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from psycopg import Cursor

    from signalroom_cli.reconcile.comparison import VendorTotals

#: Rows with a time in it are gone at the vendor (setting `removed_rows: mark`).
_DELETED_AT = "_sdc_deleted_at"


def table_of(settings: Mapping[str, Any], stream: str) -> Table:
    """Find the table that the loader loads a stream into.

    Args:
        settings: The loader's settings by name, with the schema of the tap.
        stream: The stream's name.
    """
    return Table(*make_loader(settings).run.naming.of(stream))


def read_sums(
    cursor: Cursor[Any], vendor: VendorTotals, table: Table
) -> dict[str, dict[str, Decimal]]:
    """Add up a table by day.

    Args:
        cursor: A cursor on the database.
        vendor: The totals of the vendor: their columns, days and conditions.
        table: The table of the stream.

    Returns:
        The sums by column, by day such as 2026-01-31; days without rows are missing.

    Raises:
        ReconcileError: If the table, or a column of it, does not exist.
    """
    if not table.read_types(cursor):
        msg = f"there is no table {table} yet: run the tap first"
        raise ReconcileError(msg)
    names = columns_of([vendor.day_column, *vendor.columns, *vendor.where, CLIENT_ID], table.types)
    if missing := {names[name] for name in vendor.columns} - table.types.keys():
        msg = f"{table} has no column {', '.join(sorted(missing))}"
        raise ReconcileError(msg)
    scope = _scope(vendor, table)
    columns = ScopeColumns(names, table.types)
    if field := columns.unusable_field(scope):
        msg = f"{table} has no column {field} that rows can be selected by"
        raise ReconcileError(msg)
    condition = columns.condition(scope)
    if _DELETED_AT in table.types:
        condition = sql.SQL("{} and t.{} is null").format(condition, sql.Identifier(_DELETED_AT))
    query = sql.SQL("select t.{}::text, {} from {} as t where {} group by 1").format(
        sql.Identifier(names[vendor.day_column]),
        sql.SQL(", ").join(
            sql.SQL("coalesce(sum(t.{}), 0)::numeric").format(sql.Identifier(names[column]))
            for column in vendor.columns
        ),
        table.identifier,
        condition,
    )
    return {
        day: dict(zip(vendor.columns, sums, strict=True))
        for day, *sums in cursor.execute(query).fetchall()
    }


def _scope(vendor: VendorTotals, table: Table) -> Scope:
    """The rows of the vendor's totals: without a client, those that no client has."""
    where = dict(vendor.where)
    if vendor.client_id is not None:
        where[CLIENT_ID] = {"in": [vendor.client_id]}
    elif CLIENT_ID in table.types:
        where[CLIENT_ID] = {"in": [], "or_null": True}
    (scope,) = decode_scopes(json.dumps([{"stream": vendor.stream, "where": where}]).encode())
    return scope
