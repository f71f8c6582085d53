"""Files that are not what the settings say: told by their first lines, before any is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from signalroom_singer import number_in
from tap_sticky_s3.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from tap_sticky_s3.dialect import Dialect

_DELIMITERS = {",": "`,`", ";": "`;`", "\t": "a tab", "|": "`|`"}
_QUOTES = "\"'`"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]+")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}.*")
_YEARS = range(1900, 2101)
_TITLE_CELLS = 2
_NO_HEADER = "its header is a row of values: the header is missing. Have it delivered with it."
#: What a user can do about any of these signs that is a false alarm.
LOAD_ANYWAY = "If the file is as it should be, set `check_header` to false."


@dataclass(frozen=True)
class Head:
    """The first lines of a file.

    Attributes:
        header: Its header.
        rows: Some rows after it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]] = field(default=())

    @property
    def names(self) -> frozenset[str]:
        """The plain names of its columns."""
        return frozenset(filter(None, map(plain_name, self.header)))


def problems(
    heads: Mapping[str, Head],
    known: Iterable[str],
    dialect: Dialect,
    table: str,
    *,
    has_files: bool,
) -> dict[str, str]:
    """Find the files that are not what the settings say.

    A file that shares a column with the table is one of it. Where the table has no file yet, and
    none is as expected, its columns are those of most files without a sign of being wrong.

    Args:
        heads: The first lines of files, by key, the oldest first.
        known: The plain names of the table's columns.
        dialect: How the files are written.
        table: Its name, for messages.
        has_files: Whether files of the table were loaded; else its columns are expected ones.

    Returns:
        What is wrong, as a sentence without any cell's text, by key.
    """
    found = {key: problem for key, head in heads.items() if (problem := _of_quotes(head, dialect))}
    rest = {key: head for key, head in heads.items() if key not in found}
    names = {*known}
    if not has_files and not any(head.names & names for head in rest.values()):
        signs = {key: _NO_HEADER for key, head in rest.items() if names and _has_values(head)}
        signs |= {key: sign for key, head in rest.items() if (sign := _sign(head, dialect))}
        names = _most([head.names for key, head in rest.items() if key not in signs])
        found |= signs
        rest = {key: head for key, head in rest.items() if key not in signs}
    for key, head in _strangers(rest, names).items():
        found[key] = _sign(head, dialect) or (
            _NO_HEADER
            if _has_values(head)
            else f"its header shares no column with the table {table}: it is missing, or the file "
            "is of another kind. Have it delivered with its header, or leave it out by `pattern`."
        )
    return found


def _strangers(heads: Mapping[str, Head], names: set[str]) -> dict[str, Head]:
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


def _of_quotes(head: Head, dialect: Dialect) -> str:
    cells = [cell for cell in head.header if cell]
    for quote in _QUOTES:
        if quote != dialect.quotechar and all(
            len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells
        ):
            return f"the cells of its header are between {quote} and {quote}. Set `quotechar`."
    return ""


def _sign(head: Head, dialect: Dialect) -> str:
    """What shows that a header is none, of a file that nothing is known of."""
    return _of_delimiters(head, dialect) or _of_titles(head) or _of_values(head)


def _of_delimiters(head: Head, dialect: Dialect) -> str:
    header = _trimmed(head.header)
    if len(header) != 1:
        return ""
    others = [one for one in _DELIMITERS if one != dialect.delimiter]
    inside = [
        one
        for one in others
        if one in header[0] and (not head.rows or any(one in "".join(row) for row in head.rows))
    ]
    if not inside:
        return ""
    most = max(inside, key=header[0].count)
    return f"its header is one cell, with {_DELIMITERS[most]} in it. Set `delimiter`."


def _of_titles(head: Head) -> str:
    count = len(_trimmed(head.header))
    wide = [row for row in head.rows if len(_trimmed(row)) >= max(2 * count, 2)]
    if count <= _TITLE_CELLS and 2 * len(wide) > len(head.rows):
        return (
            f"its first line has {count} cell{'s' if count > 1 else ''}, most of those after it "
            "more: a title above the header? Have it delivered without."
        )
    return ""


def _of_values(head: Head) -> str:
    """Whether the header is a row like the others, by columns that are not of text."""
    header = [_kind(cell) for cell in head.header]
    values = typed = 0
    for number, kind in enumerate(header):
        below = {_kind(row[number]) for row in head.rows if number < len(row)} - {""}
        if kind not in {"", "text"}:
            values += below == {kind} or not head.rows
        elif kind == "text" and len(below) == 1 and below != {"text"}:
            typed += 1
    # Tables with a column for each year, month or hour have numbers as headers.
    numbers = [number_in(head.header[at]) for at, kind in enumerate(header) if kind == "number"]
    if _count_up(numbers):
        values -= len(numbers)
    enough = values > 4 * typed if head.rows else 2 * values > len([*filter(None, header)])
    if values <= 0 or not enough:
        return ""
    return _NO_HEADER


def _has_values(head: Head) -> bool:
    return any(_kind(cell) not in {"", "text"} for cell in head.header)


def _kind(cell: str) -> str:
    text = cell.strip()
    if not text:
        return ""
    if _EMAIL.fullmatch(text):
        return "e-mail"
    try:
        number = number_in(text)
    except ValueError:
        return "date" if _DAY.fullmatch(text) else "text"
    return "text" if number in _YEARS else "number"


def _count_up(numbers: Sequence[Decimal]) -> bool:
    """Whether they are small whole numbers that rise, or fall by even steps."""
    rises = [after - before for before, after in pairwise(numbers)]
    are_small = all(number == int(number) and 0 <= number <= _YEARS[-1] for number in numbers)
    return are_small and (all(rise > 0 for rise in rises) or len({*rises}) == 1)


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return cells[:count]
