"""Tables of statistics: values are text, and errors come with a status of 200."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.access import CrashError, may_view, no_column
from signalroom_sandbox.mautic.tables import tables_of
from signalroom_sandbox.mautic.where import ordered_values, to_sql

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.call import Call

_DEFAULT_LIMIT = 100


def list_stats(call: Call) -> Any:
    """A page of a table; for an unknown table, all tables with their columns."""
    table = call.path.get("table", "")
    tables = tables_of(call.switches.version)
    tables.pop(call.switches.missing_table, None)
    if table not in tables:
        columns = {name: sorted(names) for name, names in tables.items()}
        return {"availableTables": sorted(tables), "tableColumns": columns}
    hidden = call.switches.audit_hidden and table == "audit_log"
    if hidden or not may_view(call.client, table):
        text = f"You do not have the view permission to load data from the {table} table"
        return {"errors": [{"message": text, "code": 403}]}
    try:
        return _page(call, table)
    except CrashError as crash:
        return {"errors": [crash.cause]}


def _page(call: Call, table: str) -> Any:
    columns = call.world.columns(table)
    text, values = to_sql(call.filters, columns, escapes=True)
    condition = text or "1"
    start, limit = call.page(_DEFAULT_LIMIT)
    orders = [
        (item.get("col"), item.get("dir", "asc"))
        for item in ordered_values(call.query.get("order"))
    ]
    for name, _ in orders:
        if name not in columns:
            raise no_column(str(name), "order clause")
    order = ", ".join(
        f'"{name}" {"desc" if way.lower() == "desc" else "asc"}' for name, way in orders
    )
    call.mautic.request_count += 1
    ((total,),) = call.world.query(f"select count(*) from {table} where {condition}", values)
    rows = call.world.query(
        f"select * from {table} where {condition} "
        f"order by {order or f'(rowid * 7919 + {call.mautic.request_count}) % 101'} "
        f"limit {limit} offset {start}",
        values,
    )
    # Nulls are left out.
    stats = [
        {name: str(value) for name, value in dict(row).items() if value is not None} for row in rows
    ]
    return {"total": str(call.total(total)), "stats": stats}
