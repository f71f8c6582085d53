"""Cells as Google sends them, and as text.

Asked for what is shown, Google sends dates as text; asked for serial numbers, as numbers like any
other. Only both answers together say which cells are dates, and which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """A cell that is a date, a time of day or a duration to Google.

    Attributes:
        shown: As people see it.
        serial: Its serial day, by the sheet's clock.
    """

    shown: str
    serial: float


class EditedError(ValueError):
    """Two answers are of different states of a tab."""


def is_blank(value: Any) -> bool:
    """Whether a cell shows nothing; 0 and an unticked box are not blank."""
    return value is None or value == "" or (isinstance(value, Moment) and not value.shown)


def cell_text(value: Any) -> str | None:
    """Write a cell as text; a blank cell is None."""
    if isinstance(value, Moment):
        value = value.shown
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def with_moments(computed: _Rows, serials: _Rows, shown: _Rows, *, strict: bool = True) -> _Rows:
    """Put two or three answers for one range together.

    Args:
        computed: Numbers as they are, dates as text.
        serials: Numbers as they are, dates too.
        shown: What is wanted of the cells that are not dates: ``computed``, or everything as text.
        strict: Whether numbers that are not the same are a sign of an edit: else those of
            formulas, which Google may compute for each answer, are those of ``shown``.

    Returns:
        The cells of ``shown``, with a ``Moment`` for each that is a date.

    Raises:
        EditedError: If somebody edited the tab in between; the message names the first row, from 0.
    """
    height = max(len(computed), len(serials), len(shown))
    return [
        _row(number, *(_at(rows, number, []) for rows in (computed, serials, shown)), strict=strict)
        for number in range(height)
    ]


def _row(
    number: int, computed: list[Any], serials: list[Any], shown: list[Any], *, strict: bool
) -> list[Any]:
    if computed == serials:
        return shown
    found = []
    for index in range(max(len(computed), len(serials), len(shown))):
        plain, serial = _at(computed, index, ""), _at(serials, index, "")
        seen = _at(shown, index, "")
        # A date may also be shown as nothing at all.
        if isinstance(plain, str) and _is_number(serial):
            found.append(Moment(str(seen), serial))
            continue
        if plain != serial and (strict or not (_is_number(plain) and _is_number(serial))):
            raise EditedError(number)
        found.append(seen)
    return found


def _at(items: list[Any], index: int, blank: Any) -> Any:
    return items[index] if index < len(items) else blank


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
