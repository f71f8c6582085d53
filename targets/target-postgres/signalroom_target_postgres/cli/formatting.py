"""Query results as text."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Cursor

# oid, int2, int4, int8, float4, float8, numeric, money
_NUMBERS = frozenset({26, 21, 23, 20, 700, 701, 1700, 790})


@dataclass(frozen=True)
class Result:
    """The result of one statement: a table, or only a status such as ``INSERT 0 1``."""

    status: str
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str | None]]


def read_result(cursor: Cursor[tuple[object, ...]]) -> Result:
    """Read a cursor's current result as the server wrote it.

    Args:
        cursor: A cursor on a result.

    Returns:
        Its values as text: some have no Python value, such as the date ``infinity``.
    """
    raw, description = cursor.pgresult, cursor.description
    if raw is None or description is None:
        return Result(cursor.statusmessage or "", (), (), ())
    return Result(
        cursor.statusmessage or "",
        tuple(column.name for column in description),
        tuple(column.type_code in _NUMBERS for column in description),
        tuple(
            tuple(
                None if (value := raw.get_value(row, column)) is None else value.decode()
                for column in range(raw.nfields)
            )
            for row in range(raw.ntuples)
        ),
    )


def as_table(result: Result) -> str:
    """Format a result as an aligned table.

    Args:
        result: The result of one statement.

    Returns:
        Lines: names, a rule, rows with NULL as ``NULL``, and their count; or the status.
    """
    if not result.columns:
        return result.status
    cells = [
        ["NULL" if value is None else _one_line(value) for value in row] for row in result.rows
    ]
    widths = [
        max(len(text) for text in texts) for texts in zip(result.columns, *cells, strict=True)
    ]

    def line(texts: Sequence[str]) -> str:
        aligned = (
            text.rjust(width) if numeric else text.ljust(width)
            for text, width, numeric in zip(texts, widths, result.numeric, strict=True)
        )
        return " | ".join(aligned).rstrip()

    count = len(cells)
    return "\n".join(
        [
            line(result.columns),
            "-+-".join("-" * width for width in widths),
            *(line(row) for row in cells),
            f"({count:,} row{'' if count == 1 else 's'})",
        ]
    )


def as_csv(result: Result) -> str:
    """Format a result as CSV.

    Args:
        result: The result of one statement.

    Returns:
        CSV with a header, NULL as an empty value; an empty text for a mere status.
    """
    if not result.columns:
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows(result.rows)
    return text.getvalue().rstrip("\n")


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t")
