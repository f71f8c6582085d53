"""Filters and orders in a query, as PHP reads them and Mautic applies them."""

from __future__ import annotations

import html
import operator
import re
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.access import CrashError, no_column

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_NAME = re.compile(r"^(\w+)((?:\[\w*\])+)$")
_KEY = re.compile(r"\[(\w*)\]")
_OPERATORS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_COMPARISONS = _OPERATORS | {"like": "like", "notLike": "not like"}
_NULLS = {"isNull": "is null", "isNotNull": "is not null"}
_SETS = {"in": "in", "notIn": "not in"}


def parse_query(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A query with brackets as a tree.

    Args:
        pairs: Names and values, in order.
    """
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if not (match := _NAME.match(name)):
            tree[name] = value
            continue
        place = tree.setdefault(match[1], {})
        *keys, last = _KEY.findall(match[2])
        for key in keys:
            place = place.setdefault(key, {})
        place[last] = value
    return tree


def ordered_values(tree: Any) -> list[dict[str, Any]]:
    """The values of a tree by number, in order."""
    if not isinstance(tree, dict):
        return []
    return [tree[key] for key in sorted(tree, key=lambda key: int(key) if key.isdigit() else 0)]


def to_sql(
    clauses: list[dict[str, Any]],
    columns: Collection[str],
    *,
    escapes: bool,
    converts: bool = False,
) -> tuple[str, list[Any]]:
    """Write filters as SQL.

    Args:
        clauses: The filters of the query.
        columns: The columns of the table.
        escapes: Whether values are escaped as HTML before they are compared.
        converts: Whether names in camelCase are accepted, at the top.

    Returns:
        A condition and its values.

    Raises:
        ApiError: Mautic's own code would fail.
    """
    parts: list[str] = []
    values: list[Any] = []
    for clause in clauses:
        kind = _require(clause, "expr")
        if kind in {"orX", "andX"}:
            inner = [
                to_sql([part], columns, escapes=escapes)
                for part in ordered_values(clause.get("val"))
            ]
            word = " or " if kind == "orX" else " and "
            parts.append("(" + word.join(text or "1" for text, _ in inner) + ")")
            values += [value for _, new_values in inner for value in new_values]
            continue
        column = _require(clause, "col")
        if converts:
            column = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()
        if column not in columns:
            raise no_column(column, "where clause")
        text, new_values = _condition(column, kind, _value(clause, escapes=escapes))
        if text:
            parts.append(text)
            values += new_values
    return " and ".join(parts), values


def _require(clause: dict[str, Any], part: str) -> str:
    if not (value := clause.get(part)):
        msg = f'"{part}" is missing in the where clause array.'
        raise CrashError(msg)
    text: str = value
    return text


def _value(clause: dict[str, Any], *, escapes: bool) -> str:
    value = str(clause.get("val", ""))
    return html.escape(value, quote=True) if escapes else value


def _condition(column: str, kind: str, value: str) -> tuple[str, list[str]]:
    if kind in _COMPARISONS:
        return f'"{column}" {_COMPARISONS[kind]} ?', [value]
    if kind in _NULLS:
        return f'"{column}" {_NULLS[kind]}', []
    if kind in _SETS:
        items = value.split(",")
        return f'"{column}" {_SETS[kind]} ({", ".join("?" for _ in items)})', items
    # Mautic silently ignores other operators, so nothing is filtered.
    return "", []


def matches(clauses: list[dict[str, Any]], row: dict[str, Any], *, escapes: bool) -> bool:
    """Whether an entity, by its properties, matches all filters."""
    for clause in clauses:
        kind = _require(clause, "expr")
        if kind in {"orX", "andX"}:
            choose: Callable[[Iterable[bool]], bool] = any if kind == "orX" else all
            if not choose(
                matches([part], row, escapes=escapes) for part in ordered_values(clause.get("val"))
            ):
                return False
            continue
        column = _require(clause, "col")
        if column not in row:
            raise CrashError
        if not _holds(row[column], kind, _value(clause, escapes=escapes)):
            return False
    return True


def _holds(have: Any, kind: str, value: str) -> bool:
    if kind in _NULLS:
        return (have is None) == (kind == "isNull")
    if kind in _SETS:
        return (str(have) in value.split(",")) == (kind == "in")
    if kind not in _OPERATORS:
        return True
    if have is None:
        return False
    other: Any = value
    if isinstance(have, bool):
        have, other = int(have), int(value or 0)
    elif isinstance(have, int):
        other = int(value or 0)
    # Doctrine's names of operators, translated to those of Python's module.
    name = {"neq": "ne", "lte": "le", "gte": "ge"}.get(kind, kind)
    return bool(getattr(operator, name)(have, other))
