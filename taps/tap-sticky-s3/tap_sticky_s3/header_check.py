"""Recognizes by their first lines files that are not what the settings say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from signalroom_singer import parse_number
from tap_sticky_s3.csv.column_names import plain_name
from tap_sticky_s3.csv.dialect import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from tap_sticky_s3.csv.dialect import Dialect

_QUOTES = "\"'`"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]+")
_ID = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|https?://\S+|[0-9]{1,3}(\.[0-9]{1,3}){3}",
    re.IGNORECASE,
)  # a UUID, a URL or an IP address
_CURRENCY_SIGNS = "$\u20ac\u00a3\u00a5"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}.*")
_YEARS, _YEAR_DIGITS = range(1900, 2101), 4
_MAX_TITLE_CELLS = 2
_NO_HEADER = "its first line is a row of values: the header is missing. Have it delivered with one."
#: Advice for false alarms.
LOAD_ANYWAY = "If the file is as it should be, set `check_header` to false."


@dataclass(frozen=True)
class FilePreview:
    """The header of a file, and what its first lines show.

    Attributes:
        header: The cells of the header.
        quote_problem: Problem with the quotes of the header; empty if there is none.
        header_problem: Why the first line is probably not a header; empty if it may be one.
        has_values: Whether a cell of the header is a number, a date or an id.
    """

    header: tuple[str, ...]
    quote_problem: str = ""
    header_problem: str = ""
    has_values: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The plain names of its columns, without empty ones."""
        return _plain_names(self.header)


def preview_file(
    header: Sequence[str], rows: Sequence[Sequence[str]], known: frozenset[str], dialect: Dialect
) -> FilePreview:
    """Check the first lines of a file for signs that they are not as expected.

    Args:
        header: The cells of the file's header.
        rows: The rows after the header, or the first of them.
        known: Plain names of the table's columns. If the header has any, the rows do not matter.
        dialect: The file's delimiter and quotes.
    """
    cells = _intern_header(tuple(header))
    quote_problem = _find_quote_problem(cells, dialect)
    if quote_problem or _plain_names(cells) & known:
        return FilePreview(cells, quote_problem)
    problem = _find_delimiter_problem(cells, rows, dialect) or _find_title_problem(cells, rows)
    return FilePreview(
        cells,
        header_problem=problem or _find_missing_header(cells, rows),
        has_values=any(_value_type(cell) not in {"", "text"} for cell in cells),
    )


@lru_cache(maxsize=256)
def _intern_header(header: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same tuple for equal headers: thousands of files have the same one."""
    return header


@lru_cache(maxsize=256)
def _plain_names(header: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(None, map(plain_name, header)))


def find_problems(
    previews: Mapping[str, FilePreview], known: Iterable[str], table: str, *, has_files: bool
) -> dict[str, str]:
    """Find the files that are not what the settings say.

    A file that shares a column with the table is as expected. If the table has no file yet, and no
    file shares a column, its columns are those of the largest group of files without a problem.

    Args:
        previews: The first lines of files, by key, the oldest first.
        known: Plain names of the table's columns.
        table: Name of the table, for messages.
        has_files: Whether files of the table were loaded; otherwise `known` is what to expect.

    Returns:
        By key, the problem as a sentence that quotes no cell.
    """
    problems = {
        key: preview.quote_problem for key, preview in previews.items() if preview.quote_problem
    }
    rest = {key: preview for key, preview in previews.items() if key not in problems}
    names = {*known}
    if not has_files and not any(preview.names & names for preview in rest.values()):
        for key, preview in rest.items():
            missing = _NO_HEADER if names and preview.has_values else ""
            if problem := preview.header_problem or missing:
                problems[key] = problem
        rest = {key: preview for key, preview in rest.items() if key not in problems}
        names = _largest_group([preview.names for preview in rest.values()])
    for key, preview in _find_unrelated(rest, names).items():
        problems[key] = preview.header_problem or (
            _NO_HEADER
            if preview.has_values
            else f"its header shares no column with the table {table}: it is missing, or the file "
            "is of another kind. Have it delivered with its header, or leave it out by `pattern`."
        )
    return problems


def _find_unrelated(previews: Mapping[str, FilePreview], names: set[str]) -> dict[str, FilePreview]:
    """Find the files that share no column with a table, nor with other files that do."""
    unrelated = {key: preview for key, preview in previews.items() if preview.names}
    while related := [key for key, preview in unrelated.items() if preview.names & names]:
        for key in related:
            names |= unrelated.pop(key).names
    return unrelated


def _largest_group(files: Sequence[frozenset[str]]) -> set[str]:
    """The columns of the largest group of files that share columns; among equals, of the oldest."""
    groups: list[tuple[set[str], int]] = []
    for names in files:
        joined, count = {*names}, 1
        others = []
        for group, size in groups:
            if group & joined:
                joined, count = joined | group, count + size
            else:
                others.append((group, size))
        groups = [*others, (joined, count)]
    groups.sort(key=lambda group: -group[1])
    return groups[0][0] if groups else set()


def _find_quote_problem(header: Sequence[str], dialect: Dialect) -> str:
    cells = [cell for cell in header if cell]
    for quote in _QUOTES:
        if quote != dialect.quotechar and all(
            len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells
        ):
            return f"the cells of its header are between {quote} and {quote}. Set `quotechar`."
    return ""


def _find_delimiter_problem(
    header: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect
) -> str:
    cells = _trim(header)
    text = "".join(cells)
    others = [char for char in DELIMITERS if char != dialect.delimiter and char in text]
    if len(cells) != 1:
        counts = {len(row) for row in (header, *rows)}
        if rows and len(counts) > 1:
            # At least as often as the configured one: both may also be in cells.
            for other in (char for char in others if text.count(char) >= len(cells)):
                if {"".join(row).count(other) for row in rows} == {text.count(other)}:
                    label = DELIMITERS[other]
                    return f"each of its first lines has {label} equally often. Set `delimiter`."
        return ""
    inside = [char for char in others if not rows or any(char in "".join(row) for row in rows)]
    if not inside:
        return ""
    most = max(inside, key=text.count)
    return f"its header is one cell, with {DELIMITERS[most]} in it. Set `delimiter`."


def _find_title_problem(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    count = len(_trim(header))
    wide = [row for row in rows if len(_trim(row)) >= max(2 * count, 2)]
    if (count <= _MAX_TITLE_CELLS and 2 * len(wide) > len(rows)) or _has_header_below(count, rows):
        return (
            f"its first line has {count} cell{'s' if count > 1 else ''}, lines after it have more: "
            "a title above the header? Have it delivered without."
        )
    return ""


def _has_header_below(count: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row of words has more cells than the first line, and values below it."""
    for number, row in enumerate(rows):
        words = _trim(row)
        if len(words) > count:
            below = [[_value_type(cell) for cell in lower] for lower in rows[number + 1 :]]
            return {*map(_value_type, words)} == {"text"} and any(
                {types[column] for types in below} in ({"number"}, {"date"})
                for column in range(len(words))
                if below and all(len(types) > column for types in below)
            )
    return False


def _find_missing_header(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Check whether the first line is a row like the others, by the types of its cells."""
    types = [_value_type(cell) for cell in header]
    values = typed = 0
    for number, value_type in enumerate(types):
        cells = [row[number] for row in rows if number < len(row)]
        below = {_value_type(cell) for cell in cells} - {""}
        if value_type not in {"", "text"}:
            # A price as a header has counts below it.
            is_header = "." in header[number] and not any("." in cell for cell in cells)
            is_number_header = value_type == "number" and is_header
            values += not rows or (below == {value_type} and not is_number_header)
        elif value_type == "text" and below == {"date"} and _is_word(header[number]):
            return ""
        elif value_type == "text" and len(below) == 1 and below != {"text"}:
            typed += 1
    # Tables with a column for each year, month or hour have numbers as headers.
    numbers = [
        _parse_number(cell)
        for cell, value_type in zip(header, types, strict=True)
        if value_type == "number"
    ]
    if types and _is_sequence(numbers, has_label=types[0] in {"", "text"}):
        values -= len(numbers)
    enough = values > 4 * typed if rows else 2 * values > len([*filter(None, types)])
    return _NO_HEADER if values > 0 and enough else ""


def _value_type(cell: str) -> str:
    text = cell.strip()
    if not text:
        return ""
    if "@" in text and _EMAIL.fullmatch(text):
        return "e-mail"
    if _ID.fullmatch(text):
        return "id"
    if text[0] not in "+-.0123456789" and text[0] not in _CURRENCY_SIGNS:
        return "text"
    try:
        number = _parse_number(text)
    except ValueError:
        return "date" if _DATE.fullmatch(text) else "text"
    # Years may be headers.
    return "text" if len(text) == _YEAR_DIGITS and number in _YEARS else "number"


def _parse_number(text: str) -> Decimal:
    """Parse a number, or an amount with a currency sign."""
    return parse_number(text.strip().lstrip(_CURRENCY_SIGNS))


def _is_word(text: str) -> bool:
    """Whether it can be a header, and is not a placeholder for a missing value."""
    return plain_name(text) not in {"", "n", "n_a", "na", "nan", "nil", "none", "null", "unknown"}


def _is_sequence(numbers: Sequence[Decimal], *, has_label: bool) -> bool:
    """Whether numbers are small integers that rise, or fall in equal steps.

    Without a label in the first column they have to be at least three, in equal steps.
    """
    rises = [after - before for before, after in pairwise(numbers)]
    are_small = all(number == int(number) and 0 <= number <= _YEARS[-1] for number in numbers)
    are_even = len({*rises}) == 1 and len(rises) > 1
    if not has_label:
        return are_small and are_even
    return are_small and (all(rise > 0 for rise in rises) or len({*rises}) == 1)


def _trim(cells: Sequence[str]) -> Sequence[str]:
    """Drop blank cells from the end."""
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return cells[:count]
