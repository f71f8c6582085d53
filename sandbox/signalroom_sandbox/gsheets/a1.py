"""Ranges in A1 notation: https://developers.google.com/workspace/sheets/api/guides/concepts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signalroom_sandbox.gsheets.errors import ApiError

if TYPE_CHECKING:
    from signalroom_sandbox.gsheets.world import Sheet, Spreadsheet

_CORNER = re.compile(r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]*)?$")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True)
class Area:
    """Cells of a tab, counted from 0; ends are not part of it."""

    sheet: Sheet
    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        """As Google's responses have it."""
        title = self.sheet.title
        if not _PLAIN.match(title) or _is_cell(title):
            title = "'" + title.replace("'", "''") + "'"
        first = f"{letters(self.left)}{self.top + 1}"
        last = f"{letters(self.right - 1)}{self.bottom}"
        return f"{title}!{first}" if first == last else f"{title}!{first}:{last}"


def letters(index: int) -> str:
    """A column's letters; 0 is A."""
    text, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text


def _index(text: str) -> int:
    number = 0
    for letter in text.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _is_cell(text: str) -> bool:
    corner = _CORNER.match(text)
    return bool(corner and corner[1] and corner[2])


def parse(book: Spreadsheet, text: str) -> Area:
    """Find a range.

    Args:
        book: In which spreadsheet.
        text: The range as it was requested.

    Raises:
        ApiError: There is none, or it begins beyond the grid.
    """
    unparsable = ApiError(400, f"Unable to parse range: {text}")
    quoted = re.match(r"'((?:[^']|'')*)'(?:!(.*))?$", text, re.DOTALL)
    if quoted:
        sheet, cells = book.sheet_titled(quoted[1].replace("''", "'")), quoted[2]
    elif "!" in text:
        title, _, cells = text.partition("!")
        sheet = book.sheet_titled(title)
    elif text in book.named:
        sheet, cells = book.sheet_titled(book.named[text][0]), book.named[text][1]
    elif _is_cell(text) or ":" in text:
        sheet, cells = next((s for s in book.sheets if not s.hidden), None), text
    else:
        sheet, cells = book.sheet_titled(text), None
    if sheet is None or sheet.kind != "GRID":
        raise unparsable
    if cells in book.named:
        title, cells = book.named[cells or ""]
        sheet = book.sheet_titled(title) or sheet
    return _area(sheet, cells, unparsable)


def _area(sheet: Sheet, cells: str | None, unparsable: ApiError) -> Area:
    if cells is None:
        return Area(sheet, 0, 0, sheet.rows, sheet.columns)
    first, colon, last = cells.partition(":")
    begin, end = _CORNER.match(first), _CORNER.match(last if colon else first)
    if not first or not begin or not end or (not colon and not _is_cell(first)):
        raise unparsable
    tops = [int(corner[2]) - 1 for corner in (begin, end) if corner[2]]
    lefts = [_index(corner[1]) for corner in (begin, end) if corner[1]]
    # A corner without a row or a column leaves that end open.
    top = min(tops, default=0)
    left = min(lefts, default=0)
    bottom = max(tops) + 1 if end[2] and tops else sheet.rows
    right = max(lefts) + 1 if end[1] and lefts else sheet.columns
    if top >= sheet.rows or left >= sheet.columns:
        raise ApiError(
            400,
            f"Range ({_quoted_range(sheet, cells)}) exceeds grid limits. Max rows: {sheet.rows}, "
            f"max columns: {sheet.columns}",
        )
    return Area(sheet, top, left, min(bottom, sheet.rows), min(right, sheet.columns))


def _quoted_range(sheet: Sheet, cells: str) -> str:
    return "'" + sheet.title.replace("'", "''") + "'!" + cells
