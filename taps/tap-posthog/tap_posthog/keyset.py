"""Paging by keyset: the order of rows, and the condition for those behind a page's last one.

Rows are sorted by their time and, within a moment, by all that tells them apart: events may share
their uuid, too. ClickHouse's order of UUIDs is one of its own, so PostHog compares them as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is in the order of all.

    Attributes:
        moment: Its time, as ``utc_isoformat`` writes it.
        ties: What tells it from others of that moment, its id first.
    """

    moment: str
    ties: tuple[str, ...]


def place_of(row: Mapping[str, Any], key: str, ties: Sequence[str]) -> Place:
    """The place of a row.

    Args:
        row: With the time as ``utc_isoformat`` writes it.
        key: The column of the time.
        ties: The columns that tell rows of one moment apart, the id first.
    """
    # None of these columns is nullable at PostHog: whatever comes instead is before all values.
    return Place(str(row[key]), tuple(str(row[name] or "") for name in ties))


def behind(
    expressions: Sequence[str], parameters: Sequence[str], values: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The condition for rows behind others in the order of some expressions.

    Args:
        expressions: In the order of their weight.
        parameters: How HogQL reads the value of each, such as ``{after_0}``.
        values: What the last row has.

    Returns:
        HogQL, and what its placeholders ``after_0``, ``after_1``, ... stand for.
    """
    condition = ""
    for expression, parameter in reversed([*zip(expressions, parameters, strict=True)]):
        further = f" OR ({expression} = {parameter} AND ({condition}))" if condition else ""
        condition = f"{expression} > {parameter}{further}"
    return condition, {f"after_{number}": value for number, value in enumerate(values)}
