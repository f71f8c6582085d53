"""Cells as Google sends them, and as text.

In a response with displayed values dates are text; in one with serial numbers they are numbers like
any other. Only both together tell which cells are dates, and which dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class DateCell:
    """A cell that is a date, a time of day or a duration to Google.

    Attributes:
        displayed: The text that people see.
        serial: Days since 1899-12-30, by the sheet's clock.
    """

    displayed: str
    serial: float


class ConcurrentEditError(ValueError):
    """Two responses show different states of a tab."""


def is_blank(value: Any) -> bool:
    """Whether a cell shows nothing; 0 and an unchecked box are not blank."""
    return value is None or value == "" or (isinstance(value, DateCell) and not value.displayed)


def cell_text(value: Any) -> str | None:
    """Convert a cell to text; a blank cell is None."""
    if isinstance(value, DateCell):
        value = value.displayed
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def merge_reads(computed: _Rows, serials: _Rows, values: _Rows, *, strict: bool = True) -> _Rows:
    """Merge the responses for the same range, to find out which cells are dates.

    Args:
        computed: Numbers as they are, dates as text.
        serials: Numbers as they are, dates as serial numbers.
        values: What cells without a date are loaded as: ``computed``, or everything as displayed.
        strict: Whether numbers that differ between responses are an edit; otherwise those of
            ``values`` count, as Google may recompute a formula for each response.

    Returns:
        The cells of ``values``, with a ``DateCell`` for each date.

    Raises:
        ConcurrentEditError: If somebody edited the tab between the responses; the message is the
            first row that differs, counted from 0.
    """
    height = max(len(computed), len(serials), len(values))
    return [
        _merge_row(
            number, *(_get(rows, number, []) for rows in (computed, serials, values)), strict=strict
        )
        for number in range(height)
    ]


def _merge_row(
    number: int, computed: list[Any], serials: list[Any], values: list[Any], *, strict: bool
) -> list[Any]:
    if computed == serials:
        return values
    cells = []
    for index in range(max(len(computed), len(serials), len(values))):
        plain, serial = _get(computed, index, ""), _get(serials, index, "")
        value = _get(values, index, "")
        # A date may be displayed as an empty text too.
        if isinstance(plain, str) and _is_number(serial):
            cells.append(DateCell(str(value), serial))
            continue
        if plain != serial and (strict or not (_is_number(plain) and _is_number(serial))):
            raise ConcurrentEditError(number)
        cells.append(value)
    return cells


def _get(items: list[Any], index: int, default: Any) -> Any:
    return items[index] if index < len(items) else default


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
