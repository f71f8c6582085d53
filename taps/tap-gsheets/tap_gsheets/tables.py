"""From a tab's cells to a table: headers, blank rows, merged and failed cells, text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from signalroom_singer.cards import CardFindings
from tap_gsheets.cells import Moment, cell_text, is_blank
from tap_gsheets.columns import column_letter, column_names, find_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_gsheets.types import Declared

#: What a cell shows whose formula failed.
ERRORS = frozenset(("#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!"))
#: What a cell shows whose formula Google is still working on.
LOADING = "Loading..."


class UnreadableTabError(ValueError):
    """A tab is not a table now; its old rows must stay."""


class EmptyTabError(UnreadableTabError):
    """A tab holds nothing, or nothing below its header."""

    def __init__(self, message: str, table: Table | None = None) -> None:
        """Keep the table.

        Args:
            message: For the user.
            table: Its columns, if it has a header: for whom no rows are all right.
        """
        super().__init__(message)
        self.table = table


class LoadingError(UnreadableTabError):
    """Google still computes a cell; in a moment it will be done."""


@dataclass(frozen=True)
class Table:
    """A tab's rows.

    Attributes:
        columns: The columns' names.
        rows: The rows, each with its number in the sheet.
        errors: How many cells became null whose formula failed.
        titles: The columns' titles, as they are in the sheet; empty where there is none.
        types: The types of those columns that have one.
        doubtful: How many cells of a column are another day to Google than by the column's format.
        cards: The card data that was found.
    """

    columns: list[str]
    rows: list[tuple[int, list[Any]]]
    errors: int = 0
    titles: list[str] = field(default_factory=list)
    types: dict[str, Declared] = field(default_factory=dict)
    doubtful: dict[str, int] = field(default_factory=dict)
    cards: CardFindings = field(default_factory=CardFindings)

    def find(self, asked: str, setting: str) -> str:
        """Find the column that a setting means.

        Args:
            asked: Its title or name.
            setting: The setting's name, for errors.

        Raises:
            UnreadableTabError: If there is no such column, or more than one.
        """
        try:
            return find_column(asked, self.columns, self.titles)
        except LookupError as error:
            msg = f"column {asked!r} of the setting {setting} {error.args[0]}"
            raise UnreadableTabError(msg) from None


@dataclass(frozen=True)
class Layout:
    """How a tab is to be read.

    Attributes:
        header_row: The row of the range with the columns' names, counted from 1.
        top: How many rows of the sheet are above the range.
        left: How many columns of the sheet are left of it.
        errors: What becomes of failed formulas: ``null``, ``keep`` or ``fail``.
        merges: Merged cells to fill, as Google tells them.
    """

    header_row: int = 1
    top: int = 0
    left: int = 0
    errors: str = "null"
    merges: Sequence[Mapping[str, int]] = ()

    def cell(self, row: int, column: int) -> str:
        """Name a cell of the range as Google does."""
        return f"{column_letter(self.left + column)}{self.top + row + 1}"


def read_table(
    values: list[list[Any]],
    layout: Layout | None = None,
    declared: Mapping[str, Declared] | None = None,
) -> Table:
    """Read a tab.

    Args:
        values: The rows of its range. Google cuts blank cells and rows at their ends.
        layout: How to read it.
        declared: The types of some columns, by their titles or names; all others are text.

    Returns:
        The table.

    Raises:
        EmptyTabError: If it is empty, or there are no rows below a good header.
        LoadingError: If a formula is still being computed.
        UnreadableTabError: If there is no header, or a value is not of its column's type.
    """
    layout = layout or Layout()
    if not any(cell_text(value) for row in values for value in row):
        msg = "it is empty"
        raise EmptyTabError(msg)
    values = filled(values, layout)
    header = _header(values, layout)
    rows, used, errors = _rows(values, layout)
    kept = [
        index
        for index in range(max(len(header), max(used, default=-1) + 1))
        if index in used or (index < len(header) and header[index])
    ]
    titles = [(header[index] or "") if index < len(header) else "" for index in kept]
    columns = column_names(titles, [column_letter(layout.left + index) for index in kept])
    table = Table(columns, [], errors, titles)
    for asked, one in (declared or {}).items():
        name = table.find(asked, "columns")
        if name in table.types:
            msg = f"column {name} is twice in the setting columns"
            raise UnreadableTabError(msg)
        table.types[name] = one
        place = kept[columns.index(name)]
        cells = (row[place] for _, row in rows if place < len(row))
        if doubtful := sum(map(one.is_doubtful, cells)):
            table.doubtful[name] = doubtful
    table.rows.extend(_aligned(rows, kept, columns, table.types, layout))
    if not table.rows:
        msg = f"there are no rows below the header in row {layout.top + layout.header_row}"
        raise EmptyTabError(msg, table)
    return table


def _header(values: list[list[Any]], layout: Layout) -> list[str | None]:
    at = layout.header_row
    header = [cell_text(value) for value in values[at - 1]] if len(values) >= at else []
    if not any(header):
        msg = f"row {layout.top + at} should hold the column names and is blank"
        raise UnreadableTabError(msg)
    for index, title in enumerate(header):
        if title == LOADING or title in ERRORS:
            # A column of another name would be made of it.
            msg = f"the header in cell {layout.cell(at - 1, index)} is {title}"
            raise (LoadingError if title == LOADING else UnreadableTabError)(msg)
    return header


def _rows(
    values: list[list[Any]], layout: Layout
) -> tuple[list[tuple[int, list[Any]]], set[int], int]:
    """The rows that are not blank, by their place; the columns they fill; the errors in them."""
    rows: list[tuple[int, list[Any]]] = []
    used: set[int] = set()
    errors = 0
    for place, cells in enumerate(values[layout.header_row :], start=layout.header_row):
        row = [None if value == "" else value for value in cells]
        for index, value in enumerate(row):
            if value is None or (isinstance(value, Moment) and not value.shown):
                continue
            used.add(index)
            if value == LOADING:
                msg = f"cell {layout.cell(place, index)} is still being computed"
                raise LoadingError(msg)
            if value in ERRORS and layout.errors != "keep":
                if layout.errors == "fail":
                    msg = f"cell {layout.cell(place, index)} is {value}"
                    raise UnreadableTabError(msg)
                row[index] = None
                errors += 1
        if not all(map(is_blank, cells)):
            rows.append((place, row))
    return rows, used, errors


def filled(values: list[list[Any]], layout: Layout) -> list[list[Any]]:
    """Write the value of a merged cell into all it covers; Google sends it once."""
    rows = [list(row) for row in values] if layout.merges else values
    for merge in layout.merges:
        # A bound that is missing is at the sheet's edge.
        top = merge.get("startRowIndex", 0) - layout.top
        left = merge.get("startColumnIndex", 0) - layout.left
        if not (0 <= top < len(rows) and 0 <= left < len(rows[top])):
            continue
        value = rows[top][left]
        bottom = min(merge.get("endRowIndex", len(rows) + layout.top) - layout.top, len(rows))
        widest = max(len(row) for row in rows)
        right = merge.get("endColumnIndex", widest + layout.left) - layout.left
        for row in rows[top:bottom]:
            row.extend([""] * (right - len(row)))
            row[left:right] = [value if cell == "" else cell for cell in row[left:right]]
    return rows


def _aligned(
    rows: list[tuple[int, list[Any]]],
    kept: list[int],
    columns: list[str],
    types: dict[str, Declared],
    layout: Layout,
) -> list[tuple[int, list[Any]]]:
    readers = [types[name].read if name in types else cell_text for name in columns]
    aligned = []
    for place, row in rows:
        found = []
        for index, read, name in zip(kept, readers, columns, strict=True):
            value = row[index] if index < len(row) else None
            try:
                found.append(None if value is None else read(value))
            except ValueError as error:
                msg = (
                    f"cell {layout.cell(place, index)} ({name}) holds {_kind(value)}, which is "
                    f"{error}. "
                    "Correct the cell, or the column's type or format in the setting columns"
                )
                raise UnreadableTabError(msg) from None
        aligned.append((layout.top + place + 1, found))
    return aligned


def _kind(value: Any) -> str:
    """Say what a cell holds, without its value, for messages: they end in logs and tables."""
    if isinstance(value, Moment):
        return f"a date or time shown in {len(value.shown)} characters"
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return "a tick box" if isinstance(value, bool) else "a number"


def check_keys(table: Table, asked: Sequence[str]) -> list[str]:
    """See that a tab's natural key is one.

    Args:
        table: The tab's table.
        asked: Its key columns, by their titles or names.

    Returns:
        The columns' names.

    Raises:
        UnreadableTabError: If a column is missing, or a key is blank or comes twice.
    """
    keys = [*dict.fromkeys(table.find(one, "primary_keys") for one in asked)]
    places = [table.columns.index(key) for key in keys]
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in table.rows:
        key = tuple(row[place] for place in places)
        if None in key:
            msg = f"row {number} has no {keys[key.index(None)]}, which is a key column"
            raise UnreadableTabError(msg)
        if key in seen:
            msg = f"rows {seen[key]} and {number} have the same key ({', '.join(keys)})"
            raise UnreadableTabError(msg)
        seen[key] = number
    return keys
