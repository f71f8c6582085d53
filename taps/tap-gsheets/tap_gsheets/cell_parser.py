"""Parses the cells of a tab: header, blank rows, merged cells, formula errors, types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_gsheets.cells import DateCell, cell_text, is_blank
from tap_gsheets.column_names import column_letter, column_names
from tap_gsheets.table import EmptyTabError, LoadingError, Table, UnreadableTabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_gsheets.column_types import ColumnType

#: Texts of cells whose formula failed.
FORMULA_ERRORS = frozenset(
    ("#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!")
)
#: Text of a cell whose formula Google is still computing.
LOADING = "Loading..."


@dataclass(frozen=True)
class TabLayout:
    """How to parse a tab.

    Attributes:
        header_row: The row of the range with the columns' titles, counted from 1.
        top: How many rows of the sheet are above the range.
        left: How many columns of the sheet are left of the range.
        error_cells: How to load formula errors: ``null``, ``keep`` or ``fail``.
        merges: Merged cells to fill, as Google describes them.
    """

    header_row: int = 1
    top: int = 0
    left: int = 0
    error_cells: str = "null"
    merges: Sequence[Mapping[str, int]] = ()

    def cell_name(self, row: int, column: int) -> str:
        """Name a cell of the range as Google does."""
        return f"{column_letter(self.left + column)}{self.top + row + 1}"


def parse_table(
    values: list[list[Any]],
    layout: TabLayout | None = None,
    types: Mapping[str, ColumnType] | None = None,
) -> Table:
    """Parse the cells of a tab.

    Args:
        values: The rows of the range; Google drops blank cells and rows at the end.
        layout: How to parse the tab.
        types: The types of some columns, by title or name; all others are text.

    Returns:
        The table with the rows that are not blank.

    Raises:
        EmptyTabError: If the tab is empty, or has no rows below its header.
        LoadingError: If Google is still computing a formula.
        UnreadableTabError: If there is no header, or a cell does not fit its column's type.
    """
    layout = layout or TabLayout()
    if not any(cell_text(value) for row in values for value in row):
        msg = "it is empty"
        raise EmptyTabError(msg)
    values = fill_merged_cells(values, layout)
    header = _parse_header(values, layout)
    rows, used, error_count = _find_rows(values, layout)
    positions = [
        position
        for position in range(max(len(header), max(used, default=-1) + 1))
        if position in used or (position < len(header) and header[position])
    ]
    titles = [(header[position] or "") if position < len(header) else "" for position in positions]
    letters = [column_letter(layout.left + position) for position in positions]
    table = Table(column_names(titles, letters), [], error_count, titles)
    for text, column_type in (types or {}).items():
        name = table.find_column(text, "columns")
        if name in table.types:
            msg = f"column {name} is twice in the setting columns"
            raise UnreadableTabError(msg)
        table.types[name] = column_type
        position = positions[table.columns.index(name)]
        cells = (row[position] for _, row in rows if position < len(row))
        if count := sum(map(column_type.is_ambiguous_date, cells)):
            table.ambiguous_dates[name] = count
    table.rows.extend(_convert_rows(rows, positions, table, layout))
    if not table.rows:
        msg = f"there are no rows below the header in row {layout.top + layout.header_row}"
        raise EmptyTabError(msg, table)
    return table


def _parse_header(values: list[list[Any]], layout: TabLayout) -> list[str | None]:
    number = layout.header_row
    header = [cell_text(value) for value in values[number - 1]] if len(values) >= number else []
    if not any(header):
        msg = f"row {layout.top + number} should hold the column names and is blank"
        raise UnreadableTabError(msg)
    for position, title in enumerate(header):
        if title == LOADING or title in FORMULA_ERRORS:
            # The column would get another name.
            msg = f"the header in cell {layout.cell_name(number - 1, position)} is {title}"
            raise (LoadingError if title == LOADING else UnreadableTabError)(msg)
    return header


def _find_rows(
    values: list[list[Any]], layout: TabLayout
) -> tuple[list[tuple[int, list[Any]]], set[int], int]:
    """Find the rows that are not blank, the columns with values, and the count of errors."""
    rows: list[tuple[int, list[Any]]] = []
    used: set[int] = set()
    error_count = 0
    for number, cells in enumerate(values[layout.header_row :], start=layout.header_row):
        row = [None if value == "" else value for value in cells]
        for position, value in enumerate(row):
            if value is None or (isinstance(value, DateCell) and not value.displayed):
                continue
            used.add(position)
            if value == LOADING:
                msg = f"cell {layout.cell_name(number, position)} is still being computed"
                raise LoadingError(msg)
            if value in FORMULA_ERRORS and layout.error_cells != "keep":
                if layout.error_cells == "fail":
                    msg = f"cell {layout.cell_name(number, position)} is {value}"
                    raise UnreadableTabError(msg)
                row[position] = None
                error_count += 1
        if not all(map(is_blank, cells)):
            rows.append((number, row))
    return rows, used, error_count


def fill_merged_cells(values: list[list[Any]], layout: TabLayout) -> list[list[Any]]:
    """Copy the value of merged cells to all cells that they cover; Google sends it once."""
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


def _convert_rows(
    rows: list[tuple[int, list[Any]]], positions: list[int], table: Table, layout: TabLayout
) -> list[tuple[int, list[Any]]]:
    types = table.types
    converters = [types[name].convert if name in types else cell_text for name in table.columns]
    converted = []
    for number, row in rows:
        values = []
        for position, convert, name in zip(positions, converters, table.columns, strict=True):
            value = row[position] if position < len(row) else None
            try:
                values.append(None if value is None else convert(value))
            except ValueError as error:
                msg = (
                    f"cell {layout.cell_name(number, position)} ({name}) holds "
                    f"{_describe_cell(value)}, which is {error}. Correct the cell, or the column's "
                    "type or format in the setting columns"
                )
                raise UnreadableTabError(msg) from None
        converted.append((layout.top + number + 1, values))
    return converted


def _describe_cell(value: Any) -> str:
    """Describe a cell without its value, for messages: they end up in logs and tables."""
    if isinstance(value, DateCell):
        return f"a date or time shown in {len(value.displayed)} characters"
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return "a checkbox" if isinstance(value, bool) else "a number"
