"""Columns of dlt that a stream does not declare: new rows have their values in `_extra`.

dlt made a column of each field that a vendor sent. A tap keeps fields that its stream has no
column for in one JSON column, by the vendor's name for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.dlt_adoption.names import dlt_name
from signalroom_target_postgres.dlt_adoption.nested_columns import (
    SEPARATOR,
    Source,
    base_of_variant,
)
from signalroom_target_postgres.dlt_adoption.new_rows import columns_of_dlt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable

EXTRA = "_extra"


def extra_sources(table: DltTable, types: Mapping[str, str]) -> dict[str, Source]:
    """Return where in `_extra` new rows have the values of dlt's columns.

    That includes columns that the stream does declare, if a value did not fit the declared type.

    Args:
        table: The table to look into.
        types: The types of the table's columns, by name.

    Returns:
        The source of each column whose field is in `_extra` in at least one row; none before the
        first load.
    """
    if types.get(EXTRA) not in {"json", "jsonb"}:
        return {}
    fields = {dlt_name(key) for key in table.json_keys(EXTRA)}
    candidates = columns_of_dlt(table) or types
    paths = {
        column: tuple((base_of_variant(column) or column).split(SEPARATOR))
        for column in types
        if column in candidates and not column.startswith("_dlt_")
    }
    return {column: Source(EXTRA, path) for column, path in paths.items() if path[0] in fields}
