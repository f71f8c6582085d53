"""Paging by keyset: the order of rows, and the condition for those after a page's last one.

Rows are sorted by their time and, within a moment, by everything that tells them apart: events may
share their uuid, too. ClickHouse has its own order of UUIDs, so PostHog compares them as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self


@dataclass(frozen=True, slots=True)
class KeysetCursor:
    """Where a row is in the order of all rows.

    Args:
        moment: The row's time, as ``utc_isoformat`` writes it.
        ties: What tells the row from others of that moment, its id first.
    """

    moment: str
    ties: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any], key: str, ties: Sequence[str]) -> Self:
        """Make the cursor of a row.

        Args:
            row: The row, with its time as ``utc_isoformat`` writes it.
            key: The column of the time.
            ties: The columns that tell rows of one moment apart, the id first.
        """
        # None of these columns is nullable at PostHog: a null sorts before all values.
        return cls(str(row[key]), tuple(str(row[name] or "") for name in ties))


def condition_after(
    expressions: Sequence[str], parameters: Sequence[str], values: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """Write the condition for rows after another one, in the order of some expressions.

    Args:
        expressions: What rows are sorted by, the most significant first.
        parameters: How HogQL reads the value of each, such as ``{after_0}``.
        values: The values of the row that they come after.

    Returns:
        HogQL, and the values of its placeholders ``after_0``, ``after_1``, ...
    """
    condition = ""
    for expression, parameter in reversed([*zip(expressions, parameters, strict=True)]):
        ties = f" OR ({expression} = {parameter} AND ({condition}))" if condition else ""
        condition = f"{expression} > {parameter}{ties}"
    return condition, {f"after_{number}": value for number, value in enumerate(values)}
