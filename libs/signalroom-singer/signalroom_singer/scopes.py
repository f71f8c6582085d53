"""Scopes: what a tap says of the rows that it has read completely.

A STATE message may say which rows were sent completely since the last one that did: rows of the
table that meet its conditions and were not sent are gone at the vendor. signalroom-target-postgres
removes them, in the transaction in which it loads the others. Other targets ignore it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import StateMessage
from typing_extensions import override

from signalroom_singer.timestamps import utc_isoformat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

#: In a stream's schema: the tap sends scopes. In a STATE message: the scopes that are complete.
COMPLETE_SCOPES = "x-complete-scopes"

#: What a column's value meets.
Condition = Mapping[str, Any]
#: What rows of a scope meet, by column.
Conditions = Mapping[str, Condition]


def between(start: int | date | datetime, before: int | date | datetime) -> Condition:
    """Make the condition that a value is in a range.

    Args:
        start: The first number or day, or moment in UTC.
        before: The first number, day or moment after the range.
    """
    return {"from": _comparable(start), "before": _comparable(before)}


def since(start: int | date | datetime) -> Condition:
    """Make the condition that a value is in a range without an end; null is not.

    Args:
        start: The first number or day, or moment in UTC.
    """
    return {"from": _comparable(start)}


def before(end: int | date | datetime) -> Condition:
    """Make the condition that a value is in a range without a beginning; null is not.

    Args:
        end: The first number, day or moment after the range.
    """
    return {"before": _comparable(end)}


def or_null(condition: Condition) -> Condition:
    """Make a condition that null meets, too.

    Args:
        condition: What other values meet.
    """
    return {**condition, "or_null": True}


def one_of(values: Iterable[str | int]) -> Condition:
    """Make the condition that a value is one of a few.

    Args:
        values: The values, as records have them.
    """
    return {"in": [*values]}


def none_of(values: Iterable[str | int], *, prefix: str) -> Condition:
    """Make the condition that a text begins with another, and is none of a list.

    Args:
        values: The texts that it is not, as records have them.
        prefix: How the text begins.
    """
    return {"prefix": prefix, "not_in": [*values]}


def without_prefix(prefix: str) -> Condition:
    """Make the condition that a text does not begin with another.

    Args:
        prefix: How the text does not begin.
    """
    return {"without_prefix": prefix}


def _comparable(value: int | date | datetime) -> int | str:
    if isinstance(value, int):
        return value
    return utc_isoformat(value) if isinstance(value, datetime) else value.isoformat()


@dataclass(slots=True)
class ScopesMessage(StateMessage):
    """A STATE message with scopes that are complete.

    Args:
        value: The tap's state, which these records are part of.
        scopes: The scopes: for each, the stream's name and its conditions.
    """

    scopes: Sequence[Mapping[str, Any]]

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, "value": self.value, COMPLETE_SCOPES: self.scopes}
