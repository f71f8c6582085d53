"""Translates the HogQL that readers need into DuckDB's SQL; other queries are errors.

sqlglot parses ClickHouse's dialect. Where the two engines differ, ClickHouse's semantics are kept:
UUIDs are compared by their second half first, and text that is compared with a moment is read in
the project's time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import sqlglot
from sqlglot import exp

from signalroom_sandbox.posthog.access import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

_ROWS, _MOST_ROWS = 100, 50_000
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_UUIDS = frozenset({"uuid", "person_id", "id"})
_MOMENTS = frozenset({"timestamp", "created_at", "$start_timestamp", "$end_timestamp"})
_INTERNAL = frozenset({"team_id", "visible_at"})
_FUNCTIONS = frozenset({"tostring", "todatetime64", "touuid", "todate", "totimezone"})
_PERSONS = "persons"
_AGGREGATES = frozenset({"uniqexact"})
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ)
_OFFSET = (
    "OFFSET is not supported on queries made with a personal API key. Page by keyset on "
    "`timestamp`, or use batch exports."
)


@dataclass(frozen=True)
class Query:
    """A query for DuckDB.

    Attributes:
        sql: Text of the query.
        limit: The most rows; one more is read where the query named no limit.
        is_limited: Whether it named a limit.
        seconds: From the first moment it names to the last.
        measure: A query for the first and the last moment of creation, where the query is on
            persons: PostHog puts all that match together first, and then pages them.
    """

    sql: str
    limit: int
    is_limited: bool
    seconds: float
    measure: str = ""


def translate(
    text: str,
    values: dict[str, Any],
    *,
    team: int,
    zone: str,
    now: datetime,
    columns: Mapping[str, AbstractSet[str]],
    row_cap: int = _MOST_ROWS,
) -> Query:
    """Translate HogQL into DuckDB's SQL.

    Args:
        text: A SELECT on one table.
        values: Values of its ``{placeholders}``.
        team: Id of the project that is queried.
        zone: The project's time zone.
        now: The clock; rows that become visible later are left out.
        columns: The columns of each table.
        row_cap: The most rows; more are cut off silently.

    Raises:
        ApiError: PostHog would reject it.
    """
    tree = _parse(_PLACEHOLDER.sub(lambda match: _literal(values, match.group(1)), text))
    if any(tree.find_all(exp.Offset)):
        raise ApiError(400, "invalid_input", _OFFSET)
    tables = [*tree.find_all(exp.Table)]
    if not isinstance(tree, exp.Select) or len(tables) != 1:
        _refuse("Only a SELECT from one table is understood here")
    table = tables[0].name
    if table not in columns:
        _refuse(f"Unknown table `{table}`")
    _check_names(tree, columns[table])
    moments = _translate_values(tree, ZoneInfo(zone))
    limit_node = tree.args.get("limit")
    limit = min(int(limit_node.expression.this) if limit_node else _ROWS, row_cap)
    tree.limit(limit if limit_node else limit + 1, copy=False)
    for ordered in tree.find_all(exp.Ordered):
        # Both ClickHouse and DuckDB sort text by its bytes; there are no nulls.
        ordered.set("nulls_first", None)
    visible = (
        f"select * from {table} where team_id = {team} "  # noqa: S608 - numbers and known names
        f"and visible_at <= timestamp '{now.isoformat(sep=' ')}'"
    )
    rows = exp.Subquery(this=sqlglot.parse_one(visible, dialect="duckdb"), alias=table)
    tables[0].replace(rows.copy())
    span = (max(moments) - min(moments)).total_seconds() if moments else float("inf")
    measure = _measure(rows, tree) if table == _PERSONS else ""
    return Query(tree.sql("duckdb"), limit, limit_node is not None, span, measure)


def _measure(rows: exp.Expr, tree: exp.Expr) -> str:
    """A query for the first and the last creation of the persons that a query matches.

    posthog/hogql/database/schema/persons.py: the conditions on persons choose the ids, and all
    versions of these are aggregated, whatever the LIMIT.
    """
    measure = exp.select("min(created_at)", "max(created_at)").from_(rows)
    if where := tree.args.get("where"):
        measure = measure.where(where.this.copy())
    return measure.sql("duckdb")


def _parse(text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, dialect="clickhouse")
    except sqlglot.errors.ParseError as error:
        _refuse(f"Syntax error: {str(error).splitlines()[0]}")


def _refuse(detail: str) -> NoReturn:
    raise ApiError(400, "invalid_input", detail) from None


def _literal(values: dict[str, Any], name: str) -> str:
    if name not in values:
        _refuse(f"Placeholder {{{name}}} has no value")
    value = values[name]
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _check_names(tree: exp.Expr, known: AbstractSet[str]) -> None:
    aliases = {alias.alias for alias in tree.find_all(exp.Alias)}
    for column in tree.find_all(exp.Column):
        if column.name not in (known - _INTERNAL) | aliases:
            _refuse(f"Unable to resolve field: {column.name}")
    if any(tree.find_all(exp.Star)):
        _refuse("* is not understood here: PostHog's columns change")
    for function in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc):
        if function.name.lower() not in _FUNCTIONS | _AGGREGATES:
            _refuse(f"Unsupported function call '{function.name}(...)'")


@dataclass
class _Moments:
    """Reads moments as ClickHouse does, and collects them."""

    zone: ZoneInfo
    values: list[datetime] = field(default_factory=list)

    def read(self, text: str, zone: ZoneInfo | None = None, precision: int = 6) -> exp.Expr:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            _refuse(f"Cannot parse DateTime from {text!r}")
        utc = moment.replace(tzinfo=zone or self.zone).astimezone(UTC).replace(tzinfo=None)
        unit = 10 ** (6 - precision)
        self.values.append(utc.replace(microsecond=utc.microsecond // unit * unit))
        literal = f"timestamp '{self.values[-1].isoformat(sep=' ')}'"
        return sqlglot.parse_one(literal, dialect="duckdb")


def _translate_values(tree: exp.Expr, zone: ZoneInfo) -> list[datetime]:
    """Translate functions, UUIDs and moments in place, and return the moments."""
    moments = _Moments(zone)
    for column in [*tree.find_all(exp.Column)]:
        if column.name in _UUIDS and _is_compared(column):
            column.replace(_uuid_order(column))
    # Innermost last: a day depends on the zone of its moment.
    while function := tree.find(exp.Anonymous, exp.AnonymousAggFunc):
        function.replace(_translate_function(function, moments))
    for comparison in [*tree.find_all(*_COMPARISONS)]:
        column, text = comparison.this, comparison.expression
        is_text = isinstance(text, exp.Literal) and text.is_string
        if is_text and isinstance(column, exp.Column) and column.name in _MOMENTS:
            text.replace(moments.read(text.this))
    return moments.values


def _translate_function(function: exp.Expr, moments: _Moments) -> exp.Expr:
    first, *rest = function.expressions
    match function.name.lower():
        case "uniqexact":
            arguments = ", ".join(argument.sql("duckdb") for argument in function.expressions)
            return sqlglot.parse_one(f"count(distinct ({arguments}))", dialect="duckdb")
        case "totimezone":
            # Stored moments are UTC: only a day depends on the zone.
            copied: exp.Expr = first.copy()
            return copied
        case "todate":
            return _day(function, moments.zone)
        case "todatetime64":
            zone = ZoneInfo(rest[1].this) if len(rest) > 1 else None
            return moments.read(first.this, zone, int(rest[0].this))
        case "touuid":
            return _uuid_order(first)
        case _:
            return exp.Cast(this=first.copy(), to=exp.DataType.build("varchar"))


def _day(function: exp.Expr, zone: ZoneInfo) -> exp.Expr:
    """The day of a moment, in the zone that it was put into, or the project's."""
    moment, name = function.expressions[0], zone.key
    if isinstance(moment, exp.Anonymous) and moment.name.lower() == "totimezone":
        moment, name = moment.expressions[0], moment.expressions[1].this
    utc = f"({moment.sql('duckdb')}) at time zone 'UTC'"
    return sqlglot.parse_one(f"(({utc}) at time zone '{name}')::date", dialect="duckdb")


def _is_compared(column: exp.Column) -> bool:
    """Whether a UUID is compared or sorted by as a UUID, and not as text."""
    parent = column.parent
    while isinstance(parent, (exp.Paren, exp.Tuple)):
        parent = parent.parent
    return isinstance(parent, (*_COMPARISONS, exp.Ordered))


def _uuid_order(value: exp.Expr) -> exp.Expr:
    text = value.sql("duckdb")
    halves = f"replace(substr({text}, 20), '-', '') || replace(substr({text}, 1, 18), '-', '')"
    return exp.Paren(this=sqlglot.parse_one(halves, dialect="duckdb"))
