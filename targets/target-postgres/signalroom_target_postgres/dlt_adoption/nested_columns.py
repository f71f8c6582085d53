"""Columns and tables that dlt made of nested data: `parent__child`, and child tables.

A stream has nested data in one column, as JSON, and some of it under another name. Nothing is
loaded into these columns and tables any more: the report names them, or a view replaces them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from signalroom_target_postgres.dlt_adoption.dlt_table import DltTable

SEPARATOR = "__"
# A value that did not fit a column's type has a column of its own, by the type's name in dlt:
# https://dlthub.com/docs/general-usage/schema#variant-columns (dlt 1.4, 1.31).
_VARIANT = re.compile(
    r"(?P<base>.+)__v_(text|double|bool|timestamp|bigint|binary|json|complex|decimal|wei|date|time)"
)
# Columns that dlt copied from a vendor's response, and that the stream has under another name.
_RENAMED = {("posthog", "events"): {"id": "uuid"}}
# Columns that the stream fills only with a setting of its tap.
_OPTIONAL = {("mautic", "emails"): {"custom_html": "include_html", "plain_text": "include_html"}}
_CHILDREN = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'r' AND starts_with(c.relname, %s) AND EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname IN ('_dlt_parent_id', '_dlt_list_idx')
      AND NOT a.attisdropped
) ORDER BY 1
"""


@dataclass(frozen=True)
class Source:
    """Where a stream has the data of a column that dlt created.

    Args:
        column: The column of the stream.
        path: The path of the value within it, if the column is JSON: parts of names, as dlt wrote
            them.
        is_blank_for_null: Whether the vendor sends an empty text in place of null.
    """

    column: str
    path: tuple[str, ...] = ()
    is_blank_for_null: bool = False


def nested_columns(table: DltTable, columns: Iterable[str]) -> list[str]:
    """Return the columns whose data the stream has elsewhere, in the table's order."""
    renamed = _RENAMED.get((table.schema, table.name), {})
    return [
        column
        for column in columns
        if (SEPARATOR in column.lstrip("_") and not column.startswith("_dlt_")) or column in renamed
    ]


def optional_columns(table: DltTable, columns: Iterable[str]) -> dict[str, str]:
    """Return the setting of the tap, by column, without which the stream does not fill it."""
    optional = _OPTIONAL.get((table.schema, table.name), {})
    return {column: optional[column] for column in columns if column in optional}


def child_tables(table: DltTable) -> list[str]:
    """Return the tables that dlt made of a table's lists, without their schema."""
    return [name for (name,) in table.fetch(_CHILDREN, table.schema, table.name + SEPARATOR)]


def base_of_variant(column: str) -> str | None:
    """Return the column whose other values a variant column has; None if it is not a variant.

    Args:
        column: The name of a column.
    """
    variant = _VARIANT.fullmatch(column)
    return variant["base"] if variant else None


def find_source(table: DltTable, column: str, types: dict[str, str]) -> Source | None:
    """Return where a stream has the data of a column that dlt created.

    Args:
        table: The table with the column.
        column: One of the table's `nested_columns`.
        types: The types of the table's columns, by name, once the stream was loaded.

    Returns:
        The column and path; None if the stream does not have it.
    """
    if (renamed := _RENAMED.get((table.schema, table.name), {}).get(column)) in types:
        return Source(str(renamed))
    name = base_of_variant(column) or column
    if field := _mautic_field(table.name, name, types):
        # https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Helper/CustomFieldValueHelper.php
        return Source(field, is_blank_for_null=name.endswith(f"{SEPARATOR}normalized_value"))
    # The longest column that is one: `a__b` may be a column itself. A part may begin with an
    # underscore and ends with none: `a___b` is `a` and `_b`.
    parts = name.split(SEPARATOR)
    for count in range(len(parts) - 1, 0, -1):
        parent = SEPARATOR.join(parts[:count])
        if types.get(parent) in {"json", "jsonb"}:
            return Source(parent, tuple(name.removeprefix(parent + SEPARATOR).split(SEPARATOR)))
    return None


def _mautic_field(table: str, name: str, types: dict[str, str]) -> str | None:
    """Return the column of a contact's or company's field, which dlt had by group.

    `fields__all__email` and `fields__core__email__value` are `email`, or `field_email` if the
    record has another column of that name.
    """
    if table not in {"contacts", "companies"} or not name.startswith("fields__"):
        return None
    group, _, rest = name.removeprefix("fields__").partition(SEPARATOR)
    alias, _, part = rest.partition(SEPARATOR)
    if part not in ({""} if group == "all" else {"value", "normalized_value"}):
        return None
    return next((column for column in (f"field_{alias}", alias) if column in types), None)
