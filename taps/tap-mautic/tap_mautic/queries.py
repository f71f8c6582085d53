"""Mautic's filters and orders: https://devdocs.mautic.org/en/latest/rest_api/api_intro.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

STATS_PATH = "/api/stats/"
#: The key of the rows in each response of a table of statistics.
STATS_KEY = "stats"
#: Ids in one condition: servers accept addresses of up to 8 kB.
MAX_IDS = 200


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``where[]`` condition. Mautic silently ignores operators that it does not know.

    There is no "or": versions of Mautic read it differently.

    Attributes:
        column: In snake_case for contacts, companies and statistics; in camelCase elsewhere.
        operator: ``eq``, ``gt``, ``gte``, ``lte``, ``in``, ``isNotNull``.
        value: What to compare with; comma-separated values for ``in``.
    """

    column: str
    operator: str
    value: str | int = ""


def where(conditions: Iterable[Condition]) -> dict[str, str]:
    """Write conditions, all of which must hold, as query parameters."""
    return {
        f"where[{number}][{name}]": value
        for number, condition in enumerate(conditions)
        for name, value in (
            ("col", condition.column),
            ("expr", condition.operator),
            ("val", str(condition.value)),
        )
    }


def sort_stats(columns: Sequence[str], direction: str = "ASC") -> dict[str, str]:
    """Write the order of a table of statistics as query parameters.

    Args:
        columns: The columns to sort by, the most significant first.
        direction: Either ``ASC`` or ``DESC``, for all of them.
    """
    return {
        f"order[{number}][{name}]": value
        for number, column in enumerate(columns)
        for name, value in (("col", column), ("dir", direction))
    }


def sort_by_id(path: str, id_column: str = "id", direction: str = "ASC") -> dict[str, str]:
    """Write an order by id as query parameters, in the form that an endpoint takes.

    Args:
        path: The path of a list, or of a table of statistics.
        id_column: What filters and orders of the endpoint call the id.
        direction: Either ``ASC`` or ``DESC``.
    """
    if path.startswith(STATS_PATH):
        return sort_stats([id_column], direction)
    return {"orderBy": id_column, "orderByDir": direction}


def mysql_datetime(moment: datetime) -> str:
    """Write a time as MySQL has it: in UTC, to the second. Databases disagree on other forms."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
