"""Rows that were decoded for one column type, and are loaded into another.

A column may become wider while rows are staged. Their values are then converted as `ALTER TABLE`
converted the table's own rows: by the server, which alone can read its array literals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg import Cursor, sql

from signalroom_target_postgres.values.copy_format import encode_copy_text
from signalroom_target_postgres.values.sql_types import (
    cast_expression,
    conversion_function,
    type_sql,
)
from signalroom_target_postgres.warehouse.staging import ORDINAL

if TYPE_CHECKING:
    from collections.abc import Mapping


_TYPE = b"signalroom.type"
_NAME = sql.Identifier("pg_temp", "signalroom_retyped")


def tag_types(rows: pa.Table, types: Mapping[str, str]) -> pa.Table:
    """Note in rows which column types they were decoded for."""
    fields = [
        field.with_metadata({_TYPE: types[field.name]}) if field.name in types else field
        for field in rows.schema
    ]
    return pa.Table.from_arrays(rows.columns, schema=pa.schema(fields))


def has_types(rows: pa.Table, types: Mapping[str, str]) -> bool:
    """Whether rows were decoded for the types that the table's columns have.

    Args:
        rows: Rows with the types from `tag_types`.
        types: The types of the table's columns.
    """
    return all(
        (field.metadata or {}).get(_TYPE, b"").decode() == types.get(field.name)
        for field in rows.schema
    )


def convert_types(cursor: Cursor[Any], rows: pa.Table, types: Mapping[str, str]) -> pa.Table:
    """Convert columns of rows that were decoded for another type.

    Args:
        cursor: A cursor within a transaction.
        rows: The rows; without the types from `tag_types` they stay as they are.
        types: The types that the table's columns have now.
    """
    tagged = {field.name: (field.metadata or {}).get(_TYPE, b"").decode() for field in rows.schema}
    before = {name: type_ for name, type_ in tagged.items() if type_ and type_ != types[name]}
    for name, type_ in before.items():
        texts = _convert_column(cursor, rows.select([name]), type_, types[name])
        rows = rows.set_column(rows.column_names.index(name), name, texts)
    return rows


def _convert_column(cursor: Cursor[Any], rows: pa.Table, actual: str, to: str) -> pa.Array:
    (name,) = rows.column_names
    column, number = sql.Identifier(name), sql.Identifier(ORDINAL)
    numbered = rows.append_column(ORDINAL, pa.array(range(rows.num_rows), pa.int64()))
    create = sql.SQL("CREATE TEMPORARY TABLE {} ({} {}, {} bigint) ON COMMIT DROP")
    cursor.execute(create.format(_NAME, column, type_sql(actual), number))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_NAME)) as copy:
        for lines in encode_copy_text(numbered, types={name: actual}):
            copy.write(lines)
    select = sql.SQL("SELECT CAST({} AS text) FROM {} ORDER BY {}")
    with conversion_function(cursor, to):
        converted = cursor.execute(
            select.format(cast_expression(name, actual, to), _NAME, number)
        ).fetchall()
    cursor.execute(sql.SQL("DROP TABLE {}").format(_NAME))
    return pa.array([text for (text,) in converted], pa.string())
