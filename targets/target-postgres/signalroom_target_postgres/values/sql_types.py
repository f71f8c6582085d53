"""PostgreSQL's types, as `format_type` names them, and which can hold what another holds."""

from __future__ import annotations

from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any

from psycopg import Cursor, sql
from sqlalchemy.dialects import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.types import TypeEngine

TIMESTAMPTZ = "timestamp with time zone"

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's is untyped
# Where SQLAlchemy's name is not the server's. A timestamp without a zone is ambiguous.
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
# Families whose types hold any value, or must not be changed.
_HOLD_ANYTHING = {"text", "json", "other", "bytes"}
# A family and another whose values it holds too.
_ALSO_HOLDS = {("number", "integer"), ("timestamp", "date")}
_WIDER = {("integer", "number"): "numeric", ("date", "timestamp"): TIMESTAMPTZ}
_INTEGERS = ("smallint", "integer", "bigint", "numeric")


def type_name(type_: TypeEngine[object]) -> str:
    """Return the server's name of a SQLAlchemy type, as `bigint` or `text[]`."""
    name = type_.compile(dialect=_DIALECT).lower()
    element, array = (name[:-2], "[]") if name.endswith("[]") else (name, "")
    element, bracket, arguments = element.partition("(")
    return f"{_NAMES.get(element, element)}{bracket}{arguments.replace(' ', '')}{array}"


def type_family(name: str) -> str:
    """Return the family of a type: the kind of values that it holds.

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


def common_type(actual: str, needed: str) -> str:
    """Return the type that holds a column's values and those to come.

    A column is changed only where it has to be: a legacy column of text, of `varchar(20)` or of
    `timestamp` without a zone stays what the queries on it expect.

    Args:
        actual: The type of the column.
        needed: The type that the stream's schema needs.

    Returns:
        The column's type if it holds both, else the one it should become.
    """
    old, new = type_family(actual), type_family(needed)
    if old in _HOLD_ANYTHING or new == "other" or (old, new) in _ALSO_HOLDS:
        result = actual
    elif old == new == "array":
        result = f"{common_type(actual[:-2], needed[:-2])}[]"
    elif "array" in {old, new} or new == "json":
        result = "jsonb"
    elif old == new == "integer":
        result = max(actual, needed, key=_INTEGERS.index)
    elif old == new:
        result = actual
    else:
        result = _WIDER.get((old, new), "text")
    return result


def is_held(needed: str, actual: str) -> bool:
    """Whether a column of one type holds the values of another."""
    return common_type(actual, needed) == actual


def common_type_of(types: Iterable[str]) -> str:
    """Return the type for a new column that holds the values of several types.

    It holds each value as it is written: what does not fit together is `text`, and `jsonb` with
    objects or arrays among it.

    Args:
        types: One or more types.
    """
    # Sorted, as the types come from sets and each run has to return the same result.
    return reduce(_common_of_two, sorted(set(types)))


def _common_of_two(first: str, second: str) -> str:
    families = {type_family(first), type_family(second)}
    if first == second:
        result = first
    elif families == {"array"}:
        result = f"{_common_of_two(first[:-2], second[:-2])}[]"
    elif families & {"array", "json"}:
        result = "jsonb"
    elif families == {"integer"}:
        result = max(first, second, key=_INTEGERS.index)
    elif families <= {"integer", "number"}:
        result = "numeric"
    elif families == {"date", "timestamp"}:
        result = TIMESTAMPTZ
    else:
        result = "text"
    return result


# Makes `jsonb[]` of any array. No cast does, and `USING` takes no subquery.
_JSON_ITEMS_FUNCTION = """
CREATE OR REPLACE FUNCTION pg_temp.signalroom_json_items(items jsonb) RETURNS jsonb[]
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT coalesce(array_agg(nullif(item, 'null') ORDER BY place), '{}')
    FROM jsonb_array_elements(items) WITH ORDINALITY AS element (item, place)
$$
"""


@contextmanager
def conversion_function(cursor: Cursor[Any], to: str) -> Iterator[None]:
    """Create the function that a `cast_expression` calls, and drop it afterwards.

    Args:
        cursor: A cursor within a transaction.
        to: The type that values are converted to; only `jsonb[]` takes a function.
    """
    if to != "jsonb[]":
        yield
        return
    cursor.execute(_JSON_ITEMS_FUNCTION)
    yield
    cursor.execute("DROP FUNCTION pg_temp.signalroom_json_items")


def cast_expression(column: str, actual: str, to: str) -> sql.Composable:
    """Return the expression that converts a column, for `ALTER COLUMN ... USING`.

    It needs the `conversion_function` of the type.

    Args:
        column: The name of the column.
        actual: The type of the column.
        to: The type from `common_type`.
    """
    name = sql.Identifier(column)
    element = to.removesuffix("[]")
    if to == "jsonb":
        return sql.SQL("to_jsonb({})").format(name)
    if element == "jsonb":
        return sql.SQL("pg_temp.signalroom_json_items(to_jsonb({}))").format(name)
    if to == TIMESTAMPTZ:
        return sql.SQL("{}::timestamp AT TIME ZONE 'UTC'").format(name)
    # A type's name has no bind parameter; these come from this module or from the server.
    if element == "numeric" and actual.removesuffix("[]") in {"real", "double precision"}:
        # The cast from a float keeps 6 or 15 digits; its text has all of them.
        text = type_sql(to.replace("numeric", "text"))
        return sql.SQL("{}::{}::{}").format(name, text, type_sql(to))
    return sql.SQL("{}::{}").format(name, type_sql(to))


def type_sql(name: str) -> sql.Composable:
    """Return a type's name as a part of a statement.

    Args:
        name: A name from this module, or from the server's `format_type`, which quotes it.
    """
    return sql.SQL(name)
