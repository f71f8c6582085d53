"""Reads the rows of a CSV file into Arrow batches of text columns.

There are two engines with the same results. Arrow reads blocks in which all quotes are in place.
The strict reader takes over where they are not: row by row, with errors that name the line.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from signalroom_singer import EXTRA
from tap_sticky_s3.csv.column_names import ROW_ID, column_names
from tap_sticky_s3.csv.decode import decode_stream
from tap_sticky_s3.csv.errors import BadFileError
from tap_sticky_s3.csv.head import read_header
from tap_sticky_s3.csv.strict_reader import MAX_CELL_BYTES, StrictReader, count_line_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_sticky_s3.csv.dialect import Dialect

SURPLUS = "_surplus"
_BLOCK_BYTES = 1 << 20
_BATCH_ROWS, _BATCH_BYTES = 4096, 4 << 20
_MARK = "\ufeff".encode()

Engine = Literal["either", "strict"]


class CsvReader:
    """Iterates over the batches of a CSV file.

    A batch has a text column for each cell of the header; then `_row_id`, which counts all rows
    from 0, skipped ones included; then `_extra`, a JSON object for rows with more cells than the
    header. Empty lines are skipped, except in a file with one column, where each is an empty cell.

    Args:
        chunks: The file's bytes, in chunks of any size.
        dialect: The file's delimiter, quotes, encoding and nulls.
        name: Bucket and key, for errors.
        name_columns: Returns a column name for each cell of the header.
        block_bytes: How many bytes Arrow reads at a time.
        engine: `either`, or `strict` for the strict reader alone.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        dialect: Dialect,
        *,
        name: str,
        name_columns: Callable[[Sequence[str]], list[str]] = column_names,
        block_bytes: int = _BLOCK_BYTES,
        engine: Engine = "either",
    ) -> None:
        self.header: list[str] | None = None
        self.row_count = 0
        self.short_rows = 0
        self.long_rows = 0
        self.skipped_rows = 0
        self.unlisted_nulls = 0
        self._name = name
        self._name_columns = name_columns
        self._dialect = dialect
        self._block_bytes = block_bytes
        self._is_strict = engine == "strict" or not dialect.is_plain
        self._text = decode_stream(chunks, name=name, encoding=dialect.encoding)
        self._lines = 0  # before the current block
        self._quote = (dialect.quotechar or "").encode()
        self._columns: list[str] = []
        self._pending: list[bytes] = []  # chunks after the current block
        self._nulls = dialect.nulls
        # MySQL, PostgreSQL and Hive write NULL as \N.
        null = f"{dialect.escapechar}N" if dialect.escapechar else ""
        self._unlisted_null = null if null not in self._nulls else ""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        text: Iterator[bytes] = self._text
        records = StrictReader(text, self._dialect, name=self._name)
        self.header = read_header(records, self._dialect, self._name)
        if self.header is None:
            return
        self._columns = self._name_columns(self.header)
        self._lines = records.line
        text = records.unread_text()
        if self._is_strict:
            yield from self._read_strictly(text)
            return
        for block, ends_in_row in self._cut_blocks(text):
            if not ends_in_row or not self._is_clean(block):
                # With stray quotes the end of the last row is not certain either.
                yield from self._read_strictly(chain([block], self._pending, text))
                return
            batch = self._read_fast(block)
            if batch is None:
                yield from self._read_strictly([block])
            else:
                yield batch
                self._lines += count_line_ends(block)

    # Blocks.

    def _cut_blocks(self, text: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
        """Cut the text at row ends; yields blocks, and whether each ends where a row does."""
        size, min_bytes = 0, self._block_bytes
        for chunk in text:
            self._pending.append(chunk)
            size += len(chunk)
            if size < min_bytes:
                continue
            joined = b"".join(self._pending)
            end = self._last_row_end(joined)
            if end == 0:
                # A quote in the middle of a cell hides all row ends: more text would not help.
                if size > MAX_CELL_BYTES or not self._is_clean(joined, ends_in_row=False):
                    self._pending = []
                    yield joined, False
                    return
                # Half as much again before the next look, or the time would be quadratic.
                self._pending, min_bytes = [joined], size + size // 2
                continue
            self._pending, min_bytes = [joined[end:]], self._block_bytes
            size = len(joined) - end
            yield joined[:end], True
        last, self._pending = b"".join(self._pending), []
        if last:
            yield last, True

    def _last_row_end(self, block: bytes) -> int:
        """Find the end of the last complete row: after the last line end outside of quotes."""
        # A carriage return at the very end may be half of a line end.
        end = len(block) - block.endswith(b"\r")
        inside = bool(self._quote) and block.count(self._quote, 0, end) % 2 == 1
        # From quote to quote, so that no byte is scanned twice: cells may have many line ends.
        while True:
            quote = block.rfind(self._quote, 0, end) if self._quote else -1
            if not inside:
                begin = quote + 1
                line_end = max(block.rfind(b"\n", begin, end), block.rfind(b"\r", begin, end))
                if line_end >= 0:
                    return line_end + 1
            if quote < 0:
                return 0
            inside, end = not inside, quote

    def _is_clean(self, block: bytes, *, ends_in_row: bool = True) -> bool:
        """Whether all quotes enclose cells or are doubled; the last may be open at no row end."""
        if block.startswith(_MARK):
            return False  # Arrow would take it for the file's byte order mark
        if not self._quote or self._quote not in block:
            return True
        # Parts are outside and inside of quotes in turn; at a doubled quote the outside is empty.
        first, *parts = block.split(self._quote)
        if len(parts) % 2 and ends_in_row:
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
        """Read a block with Arrow; None if it has rows with too few or too many cells."""
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
        if len(block) > MAX_CELL_BYTES and any(
            (pc.max(pc.binary_length(column)).as_py() or 0) > MAX_CELL_BYTES
            for column in table.columns
        ):
            return None
        if table.num_rows == 0:
            return None
        (batch,) = table.combine_chunks().to_batches()
        first, self.row_count = self.row_count, self.row_count + batch.num_rows
        return self._make_batch(
            batch.columns, range(first, self.row_count), pa.nulls(batch.num_rows, pa.string())
        )

    def _read_strictly(self, text: Iterable[bytes]) -> Iterator[pa.RecordBatch]:
        width = len(self._columns)
        records = StrictReader(
            text, self._dialect, name=self._name, line=self._lines, columns=self._columns
        )
        rows: list[Sequence[str | None]] = []
        numbers: list[int] = []
        extras: list[str | None] = []
        size = records.bytes_read
        for cells in records:
            if not cells and width > 1:
                continue
            cells = cells or [""]  # noqa: PLW2901 - an empty line of a file with one column
            number, self.row_count = self.row_count, self.row_count + 1
            if len(cells) != width and not self._accept_length(len(cells), records):
                continue
            row = self._with_nulls(cells, records)
            rows.append([*row[:width], *[None] * (width - len(row))])
            numbers.append(number)
            extras.append(_encode_surplus(cells[width:]))
            if len(rows) >= _BATCH_ROWS or records.bytes_read - size > _BATCH_BYTES:
                yield self._make_batch(list(zip(*rows, strict=True)), numbers, extras)
                rows, numbers, extras, size = [], [], [], records.bytes_read
        if rows:
            yield self._make_batch(list(zip(*rows, strict=True)), numbers, extras)
        self._lines = records.line

    def _with_nulls(self, cells: Sequence[str], records: StrictReader) -> Sequence[str | None]:
        """Replace cells that are listed as nulls; compared as they are written in the file."""
        if not self._nulls and not self._unlisted_null:
            return cells
        written = records.as_written(cells)
        if self._unlisted_null:
            self.unlisted_nulls += written.count(self._unlisted_null)
        return [
            None if text in self._nulls else cell for cell, text in zip(cells, written, strict=True)
        ]

    def _accept_length(self, count: int, records: StrictReader) -> bool:
        """Count a row with too few or too many cells; returns whether to load it."""
        width = len(self._columns)
        if self._dialect.on_bad_row == "error":
            msg = (
                f"a row has {count} cells, the header {width}. Have it corrected, or set "
                "`on_bad_row`."
            )
            raise BadFileError(self._name, msg, line=records.record_line)
        if count < width:
            self.short_rows += 1
        else:
            self.long_rows += 1
        if self._dialect.on_bad_row == "skip":
            self.skipped_rows += 1
            return False
        return True

    def _make_batch(
        self, columns: Sequence[object], numbers: Sequence[int], extras: Sequence[str | None]
    ) -> pa.RecordBatch:
        arrays = [pa.array(column, pa.string()) for column in columns]
        arrays += [pa.array(numbers, pa.int64()), pa.array(extras, pa.string())]
        return pa.RecordBatch.from_arrays(arrays, names=[*self._columns, ROW_ID, EXTRA])


def _encode_surplus(cells: Sequence[str]) -> str | None:
    return json.dumps({SURPLUS: cells}, ensure_ascii=False) if cells else None
