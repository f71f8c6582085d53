"""Values of JSON, converted to the type of a column that dlt created; NULL where that fails.

dlt keeps a value that does not fit its column in a variant column: a conversion that fails must
never end a query.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from signalroom_target_postgres.values.sql_types import type_sql

_INTEGER = r"^[+-]?\d{1,18}(\.0+)?$"
_NUMBER = r"^[+-]?\d{1,100}(\.\d{1,100})?([eE][+-]?\d{1,2})?$"
# Valid dates, leap years included: PostgreSQL has no cast that gives NULL before 16.
_DAY = (
    r"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d"
    r"|2[0-8]))|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
_ZONE = r"([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)"
_YEAR = "(?!0000)"
_DATE = f"^{_YEAR}{_DAY}$"
_MOMENT = f"^{_YEAR}{_DAY}[Tt ]{_TIME}{_ZONE}?$"
_MOMENT_OR_DAY = f"^{_YEAR}{_DAY}([Tt ]{_TIME}{_ZONE}?)?$"
_SCALAR: LiteralString = "CASE WHEN jsonb_typeof({v}) NOT IN ('object', 'array') THEN {t} END"
_GUARDED: dict[str, tuple[str, LiteralString]] = {
    "smallint": (r"^[+-]?\d{1,4}(\.0+)?$", "{t}::numeric::smallint"),
    "integer": (r"^[+-]?\d{1,9}(\.0+)?$", "{t}::numeric::integer"),
    "bigint": (_INTEGER, "{t}::numeric::bigint"),
    "numeric": (_NUMBER, "{t}::numeric"),
    "double precision": (_NUMBER, "{t}::double precision"),
    "boolean": ("^([Tt]rue|[Ff]alse)$", "{t}::boolean"),
    "date": (_DATE, "{t}::date"),
    # dlt takes a moment without a zone for UTC's.
    "timestamp with time zone": (
        _MOMENT_OR_DAY,
        "CASE WHEN {t} ~ {zone} THEN {t}::timestamptz ELSE {t}::timestamp AT TIME ZONE 'UTC' END",
    ),
    "timestamp without time zone": (
        _MOMENT,
        "CASE WHEN {t} ~ {zone} THEN {t}::timestamptz AT TIME ZONE 'UTC' ELSE {t}::timestamp END",
    ),
}


def convert_to(type_: str, actual: str, value: sql.Composable) -> sql.Composable | None:
    """Return an expression that converts a value to a type.

    Args:
        type_: The type that dlt gave the column, as the server's `format_type` names it.
        actual: The type of the value.
        value: An expression for the value.

    Returns:
        The expression; None for a type that dlt does not use.
    """
    if type_ == actual:
        return value
    if type_ in {"json", "jsonb"}:
        return sql.SQL("to_jsonb({})::{}").format(value, type_sql(type_))
    base = type_.partition("(")[0]
    stored = _as_json(actual, base, value)
    text = sql.SQL("({} #>> '{{}}')").format(stored)
    if is_text(type_):
        plain = sql.SQL(_SCALAR).format(v=stored, t=text)
        return sql.SQL("({})::{}").format(plain, type_sql(type_))
    if base not in _GUARDED and type_ not in _GUARDED:
        return None
    pattern, cast = _GUARDED.get(type_) or _GUARDED[base]
    read = sql.SQL(cast).format(t=text, zone=sql.Literal(f"{_ZONE}$"))
    return sql.SQL("CASE WHEN {} ~ {} THEN {} END").format(text, sql.Literal(pattern), read)


def is_text(type_: str) -> bool:
    """Whether a type holds any text.

    Args:
        type_: The type, as the server's `format_type` names it.
    """
    return type_.partition("(")[0] in {"character varying", "text"}


def _as_json(actual: str, target: str, value: sql.Composable) -> sql.Composable:
    if actual == "jsonb":
        return value
    if actual == "boolean" and (is_text(target) or target == "bigint"):
        # As Mautic writes it.
        return sql.SQL("to_jsonb({}::integer)").format(value)
    if actual.endswith("[]") and actual != "jsonb[]":
        # As Mautic writes several choices.
        return sql.SQL("to_jsonb(array_to_string({}, '|'))").format(value)
    return sql.SQL("to_jsonb({})").format(value)
