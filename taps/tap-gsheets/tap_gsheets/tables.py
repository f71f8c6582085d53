"""From a tab's cells to a table: headers, blank rows, values as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

#: What a cell shows whose formula failed.
ERRORS = frozenset(("#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#ERROR!"))
#: What a cell shows whose formula Google is still working on.
LOADING = "Loading..."
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")


class UnreadableTabError(ValueError):
    """A tab is not a table now; its old rows must stay."""


class EmptyTabError(UnreadableTabError):
    """A tab holds nothing, or nothing below its header."""


@dataclass(frozen=True)
class Table:
    """Columns by their names, rows by their numbers in the sheet, and errors that became null."""

    columns: list[str]
    rows: list[tuple[int, list[str | None]]]
    errors: int


def column_letter(index: int) -> str:
    """Name a column as Google does: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def snake_case(text: str) -> str:
    """Make a name of a title, with no leading underscore: those names are the tap's own."""
    return re.sub(r"\W+", "_", _INVISIBLE.sub("", text)).strip("_").lower()


def cell_text(value: Any) -> str | None:
    """Write a cell as text; a blank cell is None, and 0 and an unticked box are not blank."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def read_table(values: list[list[Any]], header_row: int = 1) -> Table:
    """Read a tab.

    Args:
        values: Its rows from row 1 on. Google cuts blank cells and rows at their ends.
        header_row: The row with the columns' names, counted from 1.

    Returns:
        The table.

    Raises:
        EmptyTabError: If there are no rows.
        UnreadableTabError: If there is no header, or a formula is still being computed.
    """
    if not any(cell_text(value) for row in values for value in row):
        msg = "it is empty"
        raise EmptyTabError(msg)
    header = (
        [cell_text(value) for value in values[header_row - 1]] if len(values) >= header_row else []
    )
    if not any(header):
        msg = f"row {header_row} should hold the column names and is blank"
        raise UnreadableTabError(msg)
    errors = 0
    rows: list[tuple[int, list[str | None]]] = []
    filled: set[int] = set()
    for number, cells in enumerate(values[header_row:], start=header_row + 1):
        row = [cell_text(value) for value in cells]
        if not any(text is not None for text in row):
            continue
        for index, text in enumerate(row):
            if text == LOADING:
                msg = f"cell {column_letter(index)}{number} is still being computed"
                raise UnreadableTabError(msg)
            if text in ERRORS:
                row[index] = None
                errors += 1
            if text is not None:
                filled.add(index)
        rows.append((number, row))
    if not rows:
        msg = f"there are no rows below the header in row {header_row}"
        raise EmptyTabError(msg)
    kept = [
        index
        for index in range(max(len(header), max(filled) + 1))
        if index in filled or (index < len(header) and header[index])
    ]
    columns = _names(header, kept)
    aligned = [
        (number, [row[index] if index < len(row) else None for index in kept])
        for number, row in rows
    ]
    return Table(columns, aligned, errors)


def _names(header: list[str | None], kept: list[int]) -> list[str]:
    names: list[str] = []
    for index in kept:
        letter = column_letter(index).lower()
        title = (header[index] or "") if index < len(header) else ""
        name = snake_case(title) or f"column_{letter}"
        while name in names:
            name = f"{name}_{letter}"
        names.append(name)
    return names


def check_keys(table: Table, keys: list[str]) -> None:
    """See that a tab's natural key is one.

    Args:
        table: The tab's table.
        keys: Its key columns.

    Raises:
        UnreadableTabError: If a column is missing, or a key is blank or comes twice.
    """
    if missing := [key for key in keys if key not in table.columns]:
        msg = f"key column {missing[0]} is not among {', '.join(table.columns)}"
        raise UnreadableTabError(msg)
    places = [table.columns.index(key) for key in keys]
    seen: dict[tuple[str | None, ...], int] = {}
    for number, row in table.rows:
        key = tuple(row[place] for place in places)
        if None in key:
            msg = f"row {number} has no {keys[key.index(None)]}, which is a key column"
            raise UnreadableTabError(msg)
        if key in seen:
            msg = f"rows {seen[key]} and {number} have the same key ({', '.join(keys)})"
            raise UnreadableTabError(msg)
        seen[key] = number
