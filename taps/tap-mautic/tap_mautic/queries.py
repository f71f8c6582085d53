"""Mautic's filters and orders: https://devdocs.mautic.org/en/latest/rest_api/api_intro.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

#: Ids in one condition: servers take addresses of 8 kB.
MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class Is:
    """A condition. Mautic passes over operators that it does not know: write them exactly.

    There is none for one or the other: how Mautic reads such is not the same everywhere.

    Attributes:
        column: In snake_case for contacts, companies and tables; in camelCase elsewhere.
        operator: ``eq``, ``gt``, ``gte``, ``in``, ``isNotNull``.
        value: What to compare with; texts with commas for ``in``.
    """

    column: str
    operator: str
    value: str | int = ""


def where(conditions: Iterable[Is]) -> dict[str, str]:
    """Write conditions, all of which must hold, as a query has them."""
    return {
        f"where[{number}][{name}]": value
        for number, condition in enumerate(conditions)
        for name, value in (
            ("col", condition.column),
            ("expr", condition.operator),
            ("val", str(condition.value)),
        )
    }


def order(columns: Sequence[str], way: str = "ASC") -> dict[str, str]:
    """Write an order, as tables of statistics take it.

    Args:
        columns: By what.
        way: ``ASC`` or ``DESC``.
    """
    return {
        f"order[{number}][{name}]": value
        for number, column in enumerate(columns)
        for name, value in (("col", column), ("dir", way))
    }


def moment(at: datetime) -> str:
    """A moment as MySQL has it: in UTC, to the second. Databases differ about other forms."""
    return at.strftime("%Y-%m-%d %H:%M:%S")
