"""A file's rows: CSV into columns of text.

Two engines have one contract. Arrow's reads blocks whose quotes are all where they belong. Python's
reads what is left, row by row, and says what is wrong with it.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from signalroom_singer import EXTRA
from tap_sticky_s3.csv.column_names import column_names
from tap_sticky_s3.csv.decode import decode_stream
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.strict_reader import CELL_BYTES, StrictReader, line_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_sticky_s3.csv.dialect import Dialect

ROW_ID = "_row_id"
SURPLUS = "_surplus"
_BLOCK = 1 << 20
_ROWS_AT_ONCE, _BYTES_AT_ONCE = 4096, 4 << 20
_MARK = "\ufeff".encode()
#: PostgreSQL's tables have 1,600 at most; other warehouses' have some thousands.
_MOST_COLUMNS = 10_000
_ROWS_OF_HEAD = 20
_SEP = re.compile(r"sep=(\\t|.)", re.IGNORECASE)

Engine = Literal["either", "careful"]


def read_head(
    chunks: Iterable[bytes], dialect: Dialect, *, name: str, complete: bool = True
) -> tuple[list[str], list[list[str]]] | None:
    """Read a file's header, and some rows.

    Args:
        chunks: The file's bytes; the first of them will do.
        dialect: How it is written.
        name: What it is called in errors.
        complete: Whether these are all its bytes.

    Returns:
        The header, and the first rows of those that can be read; nothing if the file is empty.

    Raises:
        NeedMoreError: If the header does not end in these bytes.
        BadFileError: If the file cannot be read.
    """
    text = decode_stream(chunks, name=name, encoding=dialect.encoding, complete=complete)
    records = StrictReader(text, dialect, name=name, complete=complete)
    header = _header(records, dialect, name)
    if header is None:
        if not complete:
            raise NeedMoreError
        return None
    rows: list[list[str]] = []
    with suppress(BadFileError):  # it will be reported when the file is read
        rows.extend(islice(filter(None, records), _ROWS_OF_HEAD))
    return header, rows


def _header(records: StrictReader, dialect: Dialect, name: str) -> list[str] | None:
    """Read a header: after a line for Excel, if there is one, that says the delimiter."""
    lines = filter(None, records)
    header = next(lines, None)
    if header and (said := _SEP.fullmatch(dialect.delimiter.join(header))):
        delimiter = said[1].replace("\\t", "\t")
        if delimiter != dialect.delimiter:
            shown = "a tab (\\t)" if delimiter == "\t" else delimiter
            msg = f"it says that its delimiter is {shown}. Set `delimiter`."
            raise BadFileError(name, msg, line=records.began)
        header = next(lines, None)
    if header is not None:
        _check(header, name)
    return header


def _check(header: Sequence[str], name: str) -> None:
    if not any(cell.strip() for cell in header):
        msg = "its header is empty. Have it delivered again, with the columns' names."
        raise BadFileError(name, msg, line=1)
    if any("\0" in cell for cell in header):
        msg = (
            "its header has NUL characters: it is probably UTF-16 without a byte order mark. Set "
            "`encoding` to utf-16-le or utf-16-be."
        )
        raise BadFileError(name, msg, line=1)
    if len(header) > _MOST_COLUMNS:
        msg = (
            f"its header has {len(header)} columns, more than the {_MOST_COLUMNS} that a table can "
            "have. Check `delimiter`, and have it delivered again."
        )
        raise BadFileError(name, msg, line=1)


class CsvReader:
    """Reads a file.

    Iterating gives batches: a text column for each of the header's cells; then `_row_id`, which
    counts all rows from 0, also those that are left out; then `_extra`, a JSON object where a row
    has more cells than there are columns. Lines without any character are no rows, but in a file of
    one column, where they are empty cells.

    Args:
        chunks: The file's bytes.
        dialect: How it is written.
        name: What it is called in errors.
        named: What names its columns, by its header.
        block_bytes: How much is read at once.
        engine: Whether only the careful one may be used.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        dialect: Dialect,
        *,
        name: str,
        named: Callable[[Sequence[str]], list[str]] = column_names,
        block_bytes: int = _BLOCK,
        engine: Engine = "either",
    ) -> None:
        self.header: list[str] | None = None
        self.row_count = 0
        self.short_rows = 0
        self.long_rows = 0
        self.skipped_rows = 0
        self.unnamed_nulls = 0
        self._name = name
        self._named = named
        self._dialect = dialect
        self._block_bytes = block_bytes
        self._careful = engine == "careful" or not dialect.is_plain
        self._text = decode_stream(chunks, name=name, encoding=dialect.encoding)
        self._lines = 0  # before the block at hand
        self._quote = (dialect.quotechar or "").encode()
        self._columns: list[str] = []
        self._held: list[bytes] = []  # after the block at hand
        self._nulls = dialect.nulls
        # What MySQL, PostgreSQL and Hive write for NULL.
        null = f"{dialect.escapechar}N" if dialect.escapechar else ""
        self._unnamed_null = null if null not in self._nulls else ""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        text: Iterator[bytes] = self._text
        records = StrictReader(text, self._dialect, name=self._name)
        self.header = _header(records, self._dialect, self._name)
        if self.header is None:
            return
        self._columns = self._named(self.header)
        self._lines = records.line
        text = records.rest()
        if self._careful:
            yield from self._read_carefully(text)
            return
        for block, is_whole in self._blocks(text):
            if not is_whole or not self._is_clean(block):
                # Where its last row ends is not sure either.
                yield from self._read_carefully(chain([block], self._held, text))
                return
            batch = self._read_fast(block)
            if batch is None:
                yield from self._read_carefully([block])
            else:
                yield batch
                self._lines += line_ends(block)

    # Blocks.

    def _blocks(self, text: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
        """Cut the text at ends of rows; the last block may have none, if the rest is not clean."""
        size, wanted = 0, self._block_bytes
        for chunk in text:
            self._held.append(chunk)
            size += len(chunk)
            if size < wanted:
                continue
            joined = b"".join(self._held)
            end = self._last_end(joined)
            if end == 0:
                # A quote in the middle of a cell hides the ends of all rows: more is no use.
                if size > CELL_BYTES or not self._is_clean(joined, whole=False):
                    self._held = []
                    yield joined, False
                    return
                # Longer by half before it is looked at again, or it would take the square.
                self._held, wanted = [joined], size + size // 2
                continue
            self._held, wanted = [joined[end:]], self._block_bytes
            size = len(joined) - end
            yield joined[:end], True
        last, self._held = b"".join(self._held), []
        if last:
            yield last, True

    def _last_end(self, block: bytes) -> int:
        """Where the last whole row ends: after the last line end that is outside of quotes."""
        # A carriage return at the very end may be half of a line end.
        end = len(block) - block.endswith(b"\r")
        inside = bool(self._quote) and block.count(self._quote, 0, end) % 2 == 1
        # From quote to quote, so that no byte is looked at twice: cells may have many line ends.
        while True:
            quote = block.rfind(self._quote, 0, end) if self._quote else -1
            if not inside:
                begin = quote + 1
                at = max(block.rfind(b"\n", begin, end), block.rfind(b"\r", begin, end))
                if at >= 0:
                    return at + 1
            if quote < 0:
                return 0
            inside, end = not inside, quote

    def _is_clean(self, block: bytes, *, whole: bool = True) -> bool:
        """Whether all quotes are around cells, or doubled within; the last cell's may be open."""
        if block.startswith(_MARK):
            return False  # Arrow takes it for the file's
        if not self._quote or self._quote not in block:
            return True
        # Outside and inside of quotes by turns; nothing is outside where a quote is doubled.
        first, *parts = block.split(self._quote)
        if len(parts) % 2 and whole:
            return False
        outside = parts[1::2]
        last = b"" if len(parts) % 2 else outside.pop()
        ends = {b"", b"\r", b"\n", self._dialect.delimiter.encode()}
        return (
            {first[-1:], last[:1]} <= ends
            and {part[:1] for part in outside} <= ends
            and {part[-1:] for part in outside} <= ends
        )

    # Engines.

    def _read_fast(self, block: bytes) -> pa.RecordBatch | None:
        """Read a block by Arrow; nothing if it has rows that are too short or too long."""
        nulls = [*self._nulls]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                read_options=arrow_csv.ReadOptions(
                    column_names=self._columns, block_size=len(block) + 1, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char=self._dialect.quotechar or False,
                    double_quote=True,
                    newlines_in_values=True,
                    # In a file of one column an empty line is an empty cell.
                    ignore_empty_lines=len(self._columns) > 1,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self._columns, pa.string()),
                    null_values=nulls,
                    strings_can_be_null=bool(nulls),
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if len(block) > CELL_BYTES and any(
            (pc.max(pc.binary_length(column)).as_py() or 0) > CELL_BYTES for column in table.columns
        ):
            return None
        if table.num_rows == 0:
            return None
        (batch,) = table.combine_chunks().to_batches()
        first, self.row_count = self.row_count, self.row_count + batch.num_rows
        return self._batch(
            batch.columns,
            range(first, self.row_count),
            pa.nulls(batch.num_rows, pa.string()),
        )

    def _read_carefully(self, text: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        width = len(self._columns)
        records = StrictReader(
            text, self._dialect, name=self._name, line=self._lines, columns=self._columns
        )
        rows: list[Sequence[str | None]] = []
        numbers: list[int] = []
        extras: list[str | None] = []
        size = records.read
        for cells in records:
            if not cells and width > 1:
                continue
            cells = cells or [""]  # noqa: PLW2901 - an empty line of a file of one column
            number, self.row_count = self.row_count, self.row_count + 1
            if len(cells) != width and not self._accepts(len(cells), records):
                continue
            row = self._with_nulls(cells, records)
            rows.append([*row[:width], *[None] * (width - len(row))])
            numbers.append(number)
            extras.append(_surplus(cells[width:]))
            if len(rows) >= _ROWS_AT_ONCE or records.read - size > _BYTES_AT_ONCE:
                yield self._batch(list(zip(*rows, strict=True)), numbers, extras)
                rows, numbers, extras, size = [], [], [], records.read
        if rows:
            yield self._batch(list(zip(*rows, strict=True)), numbers, extras)
        self._lines = records.line

    def _with_nulls(self, cells: Sequence[str], records: StrictReader) -> Sequence[str | None]:
        """Put NULL where a cell, as it is written, stands for it."""
        if not self._nulls and not self._unnamed_null:
            return cells
        written = records.as_written(cells)
        if self._unnamed_null:
            self.unnamed_nulls += written.count(self._unnamed_null)
        return [
            None if text in self._nulls else cell for cell, text in zip(cells, written, strict=True)
        ]

    def _accepts(self, count: int, records: StrictReader) -> bool:
        """Count a row that is too short or too long; says whether to load it."""
        width = len(self._columns)
        if self._dialect.on_bad_row == "error":
            msg = (
                f"a row has {count} cells, the header {width}. Have it corrected, or set "
                "`on_bad_row`."
            )
            raise BadFileError(self._name, msg, line=records.began)
        if count < width:
            self.short_rows += 1
        else:
            self.long_rows += 1
        if self._dialect.on_bad_row == "skip":
            self.skipped_rows += 1
            return False
        return True

    def _batch(
        self, columns: Sequence[object], numbers: Sequence[int], extras: Sequence[str | None]
    ) -> pa.RecordBatch:
        arrays = [pa.array(column, pa.string()) for column in columns]
        arrays += [pa.array(numbers, pa.int64()), pa.array(extras, pa.string())]
        return pa.RecordBatch.from_arrays(arrays, names=[*self._columns, ROW_ID, EXTRA])


def _surplus(cells: Sequence[str]) -> str | None:
    return json.dumps({SURPLUS: cells}, ensure_ascii=False) if cells else None
