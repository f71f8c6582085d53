"""Scopes: which rows of a table a tap has read completely.

A tap whose schema has `x-complete-scopes` says in its STATE messages, under the same name, which
rows it has sent completely since the last of them:

    {"type": "STATE", "value": {...}, "x-complete-scopes": [
        {"stream": "conversions", "where": {
            "converted_at": {"from": "2026-01-01T05:00:00Z", "before": "2026-01-02T05:00:00Z"},
            "advertiser_id": {"in": [7]}}}]}

Rows that meet all conditions and that the tap has not sent are gone at their source. Without
`where` the records so far are of no complete scope, and those that follow may be. With
`"deleted": true` the source itself says that such rows were deleted. With `"page": true` the scope
is a page of a list, which may lose all rows of a page at once. Other targets ignore all of this,
and load the records as they always do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from psycopg import sql

from signalroom_target_postgres.values.sql_types import type_family, type_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_Value = str | int | float | bool
#: Families of types whose values are equal where their texts, or their numbers, are.
_COMPARABLE = {"text", "integer", "number", "date", "uuid"}
_DAY_LENGTH = len("2026-01-31")
#: How many values of a list a message names.
_MAX_NAMES = 5


class Condition(
    msgspec.Struct, frozen=True, rename={"start": "from", "in_": "in"}, forbid_unknown_fields=True
):
    """What a field's value meets: all that is set.

    Args:
        start: The first value of a range.
        before: The first value after a range.
        in_: The values that it may have.
        not_in: The values that it may not have.
        prefix: What texts begin with.
        without_prefix: What texts do not begin with.
        or_null: Whether null meets it, too.
    """

    start: _Value | UnsetType = UNSET
    before: _Value | UnsetType = UNSET
    in_: tuple[_Value, ...] | UnsetType = UNSET
    not_in: tuple[_Value, ...] | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    without_prefix: str | UnsetType = UNSET
    or_null: bool = False

    @property
    def is_range(self) -> bool:
        """Whether it is a range with both ends, and nothing else."""
        return self == Condition(start=self.start, before=self.before) and UNSET not in (
            self.start,
            self.before,
        )

    def __str__(self) -> str:
        parts = []
        if self.start is not UNSET:
            parts.append(f"from {self.start}")
        if self.before is not UNSET:
            parts.append(f"before {self.before}")
        for word, values in (("in", self.in_), ("not in", self.not_in)):
            if values is not UNSET:
                names = [*map(str, values[:_MAX_NAMES]), *["..."] * (len(values) > _MAX_NAMES)]
                parts.append(f"{word} ({', '.join(names)})")
        if self.prefix is not UNSET:
            parts.append(f"beginning with {self.prefix}")
        if self.without_prefix is not UNSET:
            parts.append(f"not beginning with {self.without_prefix}")
        if self.or_null:
            parts.append("or null")
        return " ".join(parts)


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a stream that were read completely.

    Args:
        stream: The stream's name.
        where: What these rows meet, by field; no condition for all rows, and None for no row.
        deleted: Whether the source says that they were deleted: their share is that of all rows.
        page: Whether they are a page of a list: their share is that of the run.
    """

    stream: str
    where: dict[str, Condition] | None = None
    deleted: bool = False
    page: bool = False

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """What these rows meet, by field."""
        return self.where or {}

    @property
    def parts(self) -> Iterator[Scope]:
        """What is read by itself: each value, where a list is all that the scope is."""
        if self.where and len(self.where) == 1:
            ((field, condition),) = self.where.items()
            if condition.in_ and condition == Condition(in_=condition.in_):
                for value in condition.in_:
                    yield replace(self, where={field: Condition(in_=(value,))})
                return
        yield self

    def __str__(self) -> str:
        text = " and ".join(f"{field} {condition}" for field, condition in self.conditions.items())
        return text or "all rows"


_decode = msgspec.json.Decoder(list[Scope]).decode


def decode_scopes(text: msgspec.Raw | bytes) -> Sequence[Scope]:
    """Decode the scopes of a STATE message.

    Args:
        text: The JSON of a list, as the message has it.

    Raises:
        msgspec.MsgspecError: If it has conditions that this version does not know.
    """
    return _decode(text)


def merge_scopes(scopes: Sequence[Scope]) -> list[Scope]:
    """Join scopes that differ in one range or list alone, so that a query has fewer conditions.

    Args:
        scopes: Scopes of one stream.

    Returns:
        Fewer scopes, or as many, of the same rows.
    """
    merged: list[Scope] = []
    for scope in sorted(scopes, key=_order):
        joined = _join(merged[-1], scope) if merged else None
        if joined is None:
            merged.append(scope)
        else:
            merged[-1] = joined
    return merged


def _join(first: Scope, second: Scope) -> Scope | None:
    """Make one scope of two; None if one cannot have the same rows."""
    if first == second:
        return first
    field = _joined_field(first)
    if field is None or field != _joined_field(second):
        return None
    others = [
        (scope.deleted, scope.page, {**scope.conditions, field: None}) for scope in (first, second)
    ]
    if others[0] != others[1]:
        return None
    condition, following = first.conditions[field], second.conditions[field]
    if condition.in_ is not UNSET and following.in_ is not UNSET:
        condition = Condition(in_=(*condition.in_, *following.in_))
    elif condition.before == following.start:
        condition = Condition(start=condition.start, before=following.before)
    else:
        return None
    return replace(first, where={**first.conditions, field: condition})


def _joined_field(scope: Scope) -> str | None:
    """The field that scopes may differ in: the one with a range, or the only one with a list."""
    conditions = scope.conditions
    ranges = [field for field, condition in conditions.items() if condition.is_range]
    if len(ranges) == 1:
        return ranges[0]
    (field, condition), *others = conditions.items() if conditions else [("", Condition())]
    is_list = condition.in_ is not UNSET and condition == Condition(in_=condition.in_)
    return field if is_list and not others else None


def _order(scope: Scope) -> tuple[bool, bool, str, str, tuple[float, str]]:
    """What sorts scopes: all that is not their range or list, then where the range starts."""
    field = _joined_field(scope)
    conditions = scope.conditions
    others = [f"{name} {conditions[name]}" for name in sorted(conditions) if name != field]
    start = "" if field is None or conditions[field].in_ is not UNSET else conditions[field].start
    # Numbers by their size, so that the pages of a list are joined.
    place = (start, "") if isinstance(start, int | float) else (0.0, str(start))
    return (scope.deleted, scope.page, field or "", " and ".join(others), place)


@dataclass(frozen=True)
class ScopeColumns:
    """Makes conditions on a table's columns of those on a stream's fields.

    Args:
        names: The column of each field.
        types: The type of each column, as the server names it.
    """

    names: Mapping[str, str]
    types: Mapping[str, str]

    def unusable_field(self, scope: Scope) -> str | None:
        """The first field of a scope that has no column with such an order; None if all have."""
        return next(
            (field for field in scope.conditions if not self._is_usable(field, scope)), None
        )

    def _is_usable(self, field: str, scope: Scope) -> bool:
        type_ = self.types.get(self.names.get(field, ""))
        if type_ is None:
            return False
        condition = scope.conditions[field]
        ends = [end for end in (condition.start, condition.before) if end is not UNSET]
        family = type_family(type_)
        if not ends:
            return family in _COMPARABLE
        if family in {"date", "text"}:
            # A column of days cannot tell moments apart, and texts of moments have no order.
            return all(len(str(end)) == _DAY_LENGTH for end in ends)
        return family in {"timestamp", "integer", "number"}

    def condition(self, scope: Scope) -> sql.Composable:
        """Make the condition of a scope, on the columns of a table with the alias `t`.

        Args:
            scope: A scope without an unusable field.
        """
        parts = [self._part(field, condition) for field, condition in scope.conditions.items()]
        return sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")

    def _part(self, field: str, condition: Condition) -> sql.Composable:
        parts = [*self._comparisons(field, condition)]
        every: sql.Composable = sql.SQL(" AND ").join(parts) if parts else sql.SQL("true")
        if not condition.or_null:
            return every
        column = sql.Identifier("t", self.names[field])
        return sql.SQL("({} IS NULL OR ({}))").format(column, every)

    def _comparisons(self, field: str, condition: Condition) -> Iterator[sql.Composable]:
        name = self.names[field]
        family = type_family(self.types[name])
        column: sql.Composable = sql.Identifier("t", name)
        text = sql.SQL("CAST({} AS text)").format(column)
        # The texts of days are compared by their characters.
        ordered = sql.SQL('{} COLLATE "C"').format(text) if family == "text" else column
        type_ = sql.SQL("text") if family == "text" else type_sql(self.types[name])
        for operator, end in ((">=", condition.start), ("<", condition.before)):
            if end is not UNSET:
                yield sql.SQL("{} {} CAST({} AS {})").format(
                    ordered, sql.SQL(operator), sql.Literal(str(end)), type_
                )
        for operator, values in (("= ANY", condition.in_), ("<> ALL", condition.not_in)):
            if values is UNSET:
                continue
            # The server writes UUIDs in small letters.
            text_of = (lambda value: str(value).lower()) if family == "uuid" else str
            texts = sql.Literal([text_of(value) for value in values])
            is_number = family in {"integer", "number"}
            # As text, a key of text is found by its index.
            compared = column if is_number or self.types[name] == "text" else text
            yield sql.SQL("{} {}(CAST({} AS {}))").format(
                compared,
                sql.SQL(operator),
                texts,
                sql.SQL(f"{self.types[name] if is_number else 'text'}[]"),
            )
        for operator, prefix in (("=", condition.prefix), ("<>", condition.without_prefix)):
            if prefix is not UNSET:
                yield sql.SQL("left({}, {}) {} {}").format(
                    text, len(prefix), sql.SQL(operator), sql.Literal(prefix)
                )
