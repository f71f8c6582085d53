"""PostgreSQL's types, as `format_type` names them, and which can hold what another holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from psycopg.sql import Composable
    from sqlalchemy.types import TypeEngine

TIMESTAMPTZ = "timestamp with time zone"

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's is untyped
# Where SQLAlchemy's name is not the server's. A moment without a zone means nothing certain.
_NAMES = {
    "timestamp without time zone": TIMESTAMPTZ,
    "decimal": "numeric",
    "varchar": "text",
    "time": "time without time zone",
}
_FAMILIES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "boolean": "boolean",
    "text": "text",
    "character varying": "text",
    "character": "text",
    "citext": "text",
    "name": "text",
    "date": "date",
    "timestamp without time zone": "timestamp",
    TIMESTAMPTZ: "timestamp",
    "time without time zone": "time",
    "time with time zone": "time",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "json",
    "bytea": "bytes",
}
# Families whose types take any value as it comes, or are not ours to change.
_HOLD_ALL = {"text", "json", "other", "bytes"}
# A family and another whose values it holds too.
_HELD = {("number", "integer"), ("timestamp", "date")}
_WIDER = {("integer", "number"): "numeric", ("date", "timestamp"): TIMESTAMPTZ}
_INTEGERS = ("smallint", "integer", "bigint", "numeric")


def type_name(type_: TypeEngine[object]) -> str:
    """Name a SQLAlchemy type as the server does.

    Args:
        type_: The type.

    Returns:
        Its name, as `bigint` or `text[]`.
    """
    name = type_.compile(dialect=_DIALECT).lower()
    element, array = (name[:-2], "[]") if name.endswith("[]") else (name, "")
    return _NAMES.get(element, element) + array


def family(name: str) -> str:
    """Tell what kind of values a type holds.

    Args:
        name: The type's name.

    Returns:
        `integer`, `number`, `boolean`, `text`, `date`, `timestamp`, `time`, `uuid`, `json`,
        `bytes`, `array`, or `other` for types that only their owner knows.
    """
    if name.endswith("[]"):
        return "array"
    # Without length and precision: timestamp(3) with time zone, numeric(38,9).
    head, _, tail = name.partition("(")
    return _FAMILIES.get(head + tail.partition(")")[2], "other")


def widened(actual: str, wanted: str) -> str:
    """Find the type that holds a column's values and those to come.

    A column is changed only where it has to be: a legacy column of text, of `varchar(20)` or of
    `timestamp` without a zone stays what the queries on it expect.

    Args:
        actual: The column's type.
        wanted: The type the stream's schema asks for.

    Returns:
        The column's type if it holds both, else the one it should become.
    """
    old, new = family(actual), family(wanted)
    if old in _HOLD_ALL or new == "other" or (old, new) in _HELD:
        result = actual
    elif old == new == "array":
        result = f"{widened(actual[:-2], wanted[:-2])}[]"
    elif "array" in {old, new} or new == "json":
        result = "jsonb"
    elif old == new == "integer":
        result = max(actual, wanted, key=_INTEGERS.index)
    elif old == new:
        result = actual
    else:
        result = _WIDER.get((old, new), "text")
    return result


def conversion(column: str, to: str) -> Composable:
    """Say how a column's values become another type's.

    Args:
        column: The column's name.
        to: The type from `widened`.

    Returns:
        The expression for `ALTER COLUMN ... USING`.
    """
    if to == "jsonb":
        return sql.SQL("to_jsonb({})").format(sql.Identifier(column))
    if to == TIMESTAMPTZ:
        return sql.SQL("{}::timestamp AT TIME ZONE 'UTC'").format(sql.Identifier(column))
    # A type's name has no bind parameter; these come from this module or from the server.
    return sql.SQL("{}::{}").format(sql.Identifier(column), type_sql(to))


def type_sql(name: str) -> Composable:
    """A type's name as a part of a statement.

    Args:
        name: From this module, or from the server's `format_type`, which quotes it.

    Returns:
        The part.
    """
    return sql.SQL(name)
