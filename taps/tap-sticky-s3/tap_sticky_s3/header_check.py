"""Files that are not what the settings say, recognised by their first lines before a load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from signalroom_singer import number_in
from tap_sticky_s3.csv.column_names import plain_name
from tap_sticky_s3.csv.dialect import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from tap_sticky_s3.csv.dialect import Dialect

_QUOTES = "\"'`"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]+")
_NO_NAME = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|https?://\S+|[0-9]{1,3}(\.[0-9]{1,3}){3}",
    re.IGNORECASE,
)  # a UUID, an address of a page or of a machine
_MONEY = "$\u20ac\u00a3\u00a5"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}.*")
_YEARS, _YEAR_DIGITS = range(1900, 2101), 4
_TITLE_CELLS = 2
_NO_HEADER = "its first line is a row of values: the header is missing. Have it delivered with one."
#: What a user can do about any of these signs that is a false alarm.
LOAD_ANYWAY = "If the file is as it should be, set `check_header` to false."


@dataclass(frozen=True)
class FilePreview:
    """What the first lines of a file say of it.

    Attributes:
        header: Its header.
        quotes: What is wrong with the quotes of its header; empty if nothing is.
        sign: Why the first line is not a header; empty if it may be one.
        has_values: Whether a cell of the header is a number, a date or the like.
    """

    header: tuple[str, ...]
    quotes: str = ""
    sign: str = ""
    has_values: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The plain names of its columns."""
        return _plain_names(self.header)


def preview_file(
    header: Sequence[str], rows: Sequence[Sequence[str]], known: frozenset[str], dialect: Dialect
) -> FilePreview:
    """Look at the first lines of a file.

    Args:
        header: Its header.
        rows: Some rows after it.
        known: The plain names of the table's columns. With one of them the rows do not matter.
        dialect: How the file is written.
    """
    cells = _only_one(tuple(header))
    quotes = _of_quotes(cells, dialect)
    if quotes or _plain_names(cells) & known:
        return FilePreview(cells, quotes)
    sign = _of_delimiters(cells, rows, dialect) or _of_titles(cells, rows)
    return FilePreview(
        cells,
        sign=sign or _of_values(cells, rows),
        has_values=any(_kind(cell) not in {"", "text"} for cell in cells),
    )


@lru_cache(maxsize=256)
def _only_one(header: tuple[str, ...]) -> tuple[str, ...]:
    """The same header, which thousands of files have, once in memory."""
    return header


@lru_cache(maxsize=256)
def _plain_names(header: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(None, map(plain_name, header)))


def find_problems(
    heads: Mapping[str, FilePreview], known: Iterable[str], table: str, *, has_files: bool
) -> dict[str, str]:
    """Find the files that are not what the settings say.

    A file that shares a column with the table is one of it. Where the table has no file yet, and
    none is as expected, its columns are those of most files without a sign of being wrong.

    Args:
        heads: The first lines of files, by key, the oldest first.
        known: The plain names of the table's columns.
        table: Its name, for messages.
        has_files: Whether files of the table were loaded; else its columns are expected ones.

    Returns:
        What is wrong, as a sentence without any cell's text, by key.
    """
    found = {key: head.quotes for key, head in heads.items() if head.quotes}
    rest = {key: head for key, head in heads.items() if key not in found}
    names = {*known}
    if not has_files and not any(head.names & names for head in rest.values()):
        for key, head in rest.items():
            if sign := head.sign or (_NO_HEADER if names and head.has_values else ""):
                found[key] = sign
        rest = {key: head for key, head in rest.items() if key not in found}
        names = _most([head.names for head in rest.values()])
    for key, head in _strangers(rest, names).items():
        found[key] = head.sign or (
            _NO_HEADER
            if head.has_values
            else f"its header shares no column with the table {table}: it is missing, or the file "
            "is of another kind. Have it delivered with its header, or leave it out by `pattern`."
        )
    return found


def _strangers(heads: Mapping[str, FilePreview], names: set[str]) -> dict[str, FilePreview]:
    """The files that share no column with a table, nor with others that do."""
    left = {key: head for key, head in heads.items() if head.names}
    while joined := [key for key, head in left.items() if head.names & names]:
        for key in joined:
            names |= left.pop(key).names
    return left


def _most(files: Sequence[frozenset[str]]) -> set[str]:
    """The columns of those that share some, of whom there are most; of the oldest among equals."""
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


def _of_quotes(header: Sequence[str], dialect: Dialect) -> str:
    cells = [cell for cell in header if cell]
    for quote in _QUOTES:
        if quote != dialect.quotechar and all(
            len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells
        ):
            return f"the cells of its header are between {quote} and {quote}. Set `quotechar`."
    return ""


def _of_delimiters(header: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect) -> str:
    cells = _trimmed(header)
    text = "".join(cells)
    others = [one for one in DELIMITERS if one != dialect.delimiter and one in text]
    if len(cells) != 1:
        counts = {len(row) for row in (header, *rows)}
        if rows and len(counts) > 1:
            # More often than the set one, which may be in cells, as this may.
            for one in (one for one in others if text.count(one) >= len(cells)):
                if {"".join(row).count(one) for row in rows} == {text.count(one)}:
                    found = DELIMITERS[one]
                    return f"each of its first lines has {found} equally often. Set `delimiter`."
        return ""
    inside = [one for one in others if not rows or any(one in "".join(row) for row in rows)]
    if not inside:
        return ""
    most = max(inside, key=text.count)
    return f"its header is one cell, with {DELIMITERS[most]} in it. Set `delimiter`."


def _of_titles(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    count = len(_trimmed(header))
    wide = [row for row in rows if len(_trimmed(row)) >= max(2 * count, 2)]
    if (count <= _TITLE_CELLS and 2 * len(wide) > len(rows)) or _has_header_below(count, rows):
        return (
            f"its first line has {count} cell{'s' if count > 1 else ''}, lines after it have more: "
            "a title above the header? Have it delivered without."
        )
    return ""


def _has_header_below(count: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether a row of words is wider than the first line, with values below it."""
    for number, row in enumerate(rows):
        words = _trimmed(row)
        if len(words) > count:
            below = [[_kind(cell) for cell in one] for one in rows[number + 1 :]]
            return {*map(_kind, words)} == {"text"} and any(
                {kinds[at] for kinds in below} in ({"number"}, {"date"})
                for at in range(len(words))
                if below and all(len(kinds) > at for kinds in below)
            )
    return False


def _of_values(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Whether the header is a row like the others, by columns that are not of text."""
    kinds = [_kind(cell) for cell in header]
    values = typed = 0
    for number, kind in enumerate(kinds):
        cells = [row[number] for row in rows if number < len(row)]
        below = {_kind(cell) for cell in cells} - {""}
        if kind not in {"", "text"}:
            # A price as a header has counts below it.
            is_header = "." in header[number] and not any("." in cell for cell in cells)
            values += not rows or (below == {kind} and not (kind == "number" and is_header))
        elif kind == "text" and below == {"date"} and _is_word(header[number]):
            return ""
        elif kind == "text" and len(below) == 1 and below != {"text"}:
            typed += 1
    # Tables with a column for each year, month or hour have numbers as headers.
    numbers = [_number(header[at]) for at, kind in enumerate(kinds) if kind == "number"]
    if kinds and _count_up(numbers, after_a_label=kinds[0] in {"", "text"}):
        values -= len(numbers)
    enough = values > 4 * typed if rows else 2 * values > len([*filter(None, kinds)])
    return _NO_HEADER if values > 0 and enough else ""


def _kind(cell: str) -> str:
    text = cell.strip()
    if not text:
        return ""
    if "@" in text and _EMAIL.fullmatch(text):
        return "e-mail"
    if _NO_NAME.fullmatch(text):
        return "id"
    if text[0] not in "+-.0123456789" and text[0] not in _MONEY:
        return "text"
    try:
        number = _number(text)
    except ValueError:
        return "date" if _DAY.fullmatch(text) else "text"
    # Years may be headers.
    return "text" if len(text) == _YEAR_DIGITS and number in _YEARS else "number"


def _number(text: str) -> Decimal:
    """A number, or an amount of money."""
    return number_in(text.strip().lstrip(_MONEY))


def _is_word(text: str) -> bool:
    """Whether it can be a column's name, and stands for no value that is missing."""
    return plain_name(text) not in {"", "n", "n_a", "na", "nan", "nil", "none", "null", "unknown"}


def _count_up(numbers: Sequence[Decimal], *, after_a_label: bool) -> bool:
    """Whether they are small integers that rise, or fall by even steps.

    Where no label of the rows comes first, it takes three by even steps.
    """
    rises = [after - before for before, after in pairwise(numbers)]
    are_small = all(number == int(number) and 0 <= number <= _YEARS[-1] for number in numbers)
    are_even = len({*rises}) == 1 and len(rises) > 1
    if not after_a_label:
        return are_small and are_even
    return are_small and (all(rise > 0 for rise in rises) or len({*rises}) == 1)


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return cells[:count]
