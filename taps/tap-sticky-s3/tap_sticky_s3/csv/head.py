"""Reads the header of a CSV file, and its first rows."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from tap_sticky_s3.csv.decode import decode_stream
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.strict_reader import StrictReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_sticky_s3.csv.dialect import Dialect

#: PostgreSQL allows 1,600 columns a table; other warehouses a few thousand.
_MAX_COLUMNS = 10_000
_PREVIEW_ROWS = 20
#: A first line that gives Excel the delimiter.
_SEP_LINE = re.compile(r"sep=(\\t|.)", re.IGNORECASE)


def read_head(
    chunks: Iterable[bytes], dialect: Dialect, *, name: str, complete: bool = True
) -> tuple[list[str], list[list[str]]] | None:
    """Read a file's header and its first rows.

    Args:
        chunks: The file's bytes, or the first of them.
        dialect: The file's delimiter, quotes and encoding.
        name: Bucket and key, for errors.
        complete: Whether the chunks are the complete file.

    Returns:
        The header and up to 20 rows, until the first that cannot be read; None for an empty file.

    Raises:
        NeedMoreError: If the header is longer than the chunks.
        BadFileError: If the file cannot be read.
    """
    text = decode_stream(chunks, name=name, encoding=dialect.encoding, complete=complete)
    records = StrictReader(text, dialect, name=name, complete=complete)
    header = read_header(records, dialect, name)
    if header is None:
        if not complete:
            raise NeedMoreError
        return None
    rows: list[list[str]] = []
    with suppress(BadFileError):  # reported when the file is read
        rows.extend(islice(filter(None, records), _PREVIEW_ROWS))
    return header, rows


def read_header(records: StrictReader, dialect: Dialect, name: str) -> list[str] | None:
    """Read the header, after a line such as `sep=;` if there is one.

    Args:
        records: The rows of the file.
        dialect: The file's delimiter.
        name: Bucket and key, for errors.

    Returns:
        The header; None for an empty file.

    Raises:
        BadFileError: If no table can have it.
    """
    lines = filter(None, records)
    header = next(lines, None)
    if header and (match := _SEP_LINE.fullmatch(dialect.delimiter.join(header))):
        delimiter = match[1].replace("\\t", "\t")
        if delimiter != dialect.delimiter:
            label = "a tab (\\t)" if delimiter == "\t" else delimiter
            msg = f"it says that its delimiter is {label}. Set `delimiter`."
            raise BadFileError(name, msg, line=records.record_line)
        header = next(lines, None)
    if header is not None:
        _check_header(header, name)
    return header


def _check_header(header: Sequence[str], name: str) -> None:
    if not any(cell.strip() for cell in header):
        msg = "its header is empty. Have it delivered again, with the columns' names."
        raise BadFileError(name, msg, line=1)
    if any("\0" in cell for cell in header):
        msg = (
            "its header has NUL characters: it is probably UTF-16 without a byte order mark. Set "
            "`encoding` to utf-16-le or utf-16-be."
        )
        raise BadFileError(name, msg, line=1)
    if len(header) > _MAX_COLUMNS:
        msg = (
            f"its header has {len(header)} columns, more than the {_MAX_COLUMNS} that a table can "
            "have. Check `delimiter`, and have it delivered again."
        )
        raise BadFileError(name, msg, line=1)
