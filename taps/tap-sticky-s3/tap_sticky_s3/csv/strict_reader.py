"""The strict reader: records by Python's csv module, and errors that name line and cell."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import TYPE_CHECKING

from tap_sticky_s3.csv.dialect import DELIMITERS
from tap_sticky_s3.csv.errors import BadFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_sticky_s3.csv.dialect import Dialect

#: The longest cell, and the longest record: a longer one probably has a quote that is never closed.
MAX_CELL_BYTES = 10 << 20
MAX_RECORD_BYTES = 64 << 20

# For the complete process; the default is 128 KiB.
csv.field_size_limit(MAX_CELL_BYTES)


class _TextEndsError(Exception):
    """The text ends within a record, though the file continues."""


class StrictReader:
    """Iterates over the records of a CSV text; an empty line is an empty record.

    Args:
        text: Chunks of UTF-8 text of any size.
        dialect: The file's delimiter, quotes and escapes.
        name: Bucket and key, for errors.
        line: How many lines of the file come before the text.
        complete: Whether the text goes to the end of the file.
        columns: The names of the columns, for errors.
    """

    def __init__(
        self,
        text: Iterable[bytes],
        dialect: Dialect,
        *,
        name: str,
        line: int = 0,
        complete: bool = True,
        columns: Sequence[str] = (),
    ) -> None:
        self._columns = columns
        self._record: list[str] = []  # the lines of the current record
        self._text = iter(text)
        self._name = name
        self._complete = complete
        self._dialect = dialect
        self._lines: list[bytes] = []
        self._pending = b""  # the start of a line that is not complete yet
        self._lines_before = line
        self._reader = csv.reader(self._decode_lines(), **dialect.csv_options())
        self._record_pattern = _compile_record_pattern(dialect)
        self._cell_pattern = re.compile(_cell_pattern(dialect), re.DOTALL)
        #: The line in which the last record began, counted from 1.
        self.record_line = line + 1
        #: How many bytes were read.
        self.bytes_read = 0

    @property
    def line(self) -> int:
        """How many lines of the file were read, including those before the text."""
        return self._lines_before + self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self.record_line = self.line + 1
            self._record.clear()
            try:
                cells = next(self._reader, None)
            except _TextEndsError:
                return
            except csv.Error as error:
                raise self._close_with_error(str(error)) from None
            if cells is None:
                return
            if self._record_pattern and not self._record_pattern.fullmatch("".join(self._record)):
                raise self._close_with_error()
            yield cells

    def as_written(self, cells: Sequence[str]) -> Sequence[str]:
        """Return the cells of the last record with their escape characters.

        Args:
            cells: The same cells without escape characters.
        """
        escape, quote = self._dialect.escapechar, self._dialect.quotechar
        text = "".join(self._record)
        if not escape or escape not in text:
            return cells
        written, position = [], 0
        for cell in cells:
            match = self._cell_pattern.match(text, position)
            raw, position = (match[0], match.end() + 1) if match else (cell, position)
            inner = raw[1:-1] if quote and raw.startswith(quote) else raw
            written.append(inner if escape in raw else cell)
        return written

    def unread_text(self) -> Iterator[bytes]:
        """Return the text after the last record; the reader has no more records then."""
        unread = b"".join(reversed(self._lines)) + self._pending
        self._lines, self._pending = [], b""
        return chain([unread] if unread else [], self._text)

    def _decode_lines(self) -> Iterator[str]:
        while True:
            if not self._lines and not self._read_lines():
                if not self._complete:
                    raise _TextEndsError
                return
            line = self._lines.pop()
            if not self._complete and not line.endswith((b"\n", b"\r")):
                raise _TextEndsError
            self.bytes_read += len(line)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                self._record.append(line[: error.start].decode())
                where, _ = self._locate()
                msg = (
                    f"{where} has a byte that is not UTF-8 (0x{line[error.start]:02x}). "
                    "Set `encoding`: cp1252 is a common one. If the file begins with a byte "
                    "order mark, which overrules it, have it delivered again."
                )
                raise BadFileError(self._name, msg, line=self.line + 1) from None
            self._record.append(text)
            yield text

    def _read_lines(self) -> bool:
        """Read at least one line into `_lines`, in reverse order; False at the end of the text."""
        chunks, self._pending = [self._pending], b""
        size = len(chunks[0])
        for chunk in self._text:
            chunks.append(chunk)
            size += len(chunk)
            # A carriage return at the end may be half of a line end.
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
            if end:
                chunks[-1], self._pending = chunk[:end], chunk[end:]
                break
            if size > MAX_RECORD_BYTES:
                msg = f"a line is longer than {MAX_RECORD_BYTES >> 20} MiB."
                raise BadFileError(self._name, msg, line=self.line + 1)
        self._lines = b"".join(chunks).splitlines(keepends=True)[::-1]
        return bool(self._lines)

    def _close_with_error(self, problem: str = "") -> BadFileError:
        error = self._describe(problem)
        # A record that is too large takes half a gigabyte. As the reader and this object refer to
        # each other, it would stay until garbage is collected, maybe after the next file.
        self._lines_before, self._reader = self.line, csv.reader(())
        self._record, self._lines, self._pending = [], [], b""
        return error

    def _describe(self, problem: str) -> BadFileError:
        marked = "doubled" if self._dialect.doublequote else "escaped"
        escape = self._dialect.escapechar
        if "field larger" in problem:
            reason = f"is longer than {MAX_CELL_BYTES >> 20} MiB: a quote is probably never closed."
        elif "unexpected end" in problem and escape and self._record[-1].endswith(escape):
            reason = f"ends in `{escape}`, which must be before a character: the file was cut."
        elif "unexpected end" in problem:
            reason = (
                f"has a quote that is never closed: the file was cut, or a quote is not {marked}."
            )
        elif delimiter := self._delimiter_after_header():
            where, line = self._locate()
            msg = f"{where} is followed by {delimiter} after its closing quote. Set `delimiter`."
            return BadFileError(self._name, msg, line=line)
        else:
            reason = (
                f"continues after its closing quote, without `{self._dialect.delimiter}`: "
                f"a quote within is not {marked}."
            )
        where, line = self._locate()
        return BadFileError(self._name, f"{where} {reason} Have it delivered again.", line=line)

    def _delimiter_after_header(self) -> str:
        """Name the other delimiter that follows the header's first cell, if one does."""
        text = "".join(self._record)
        match = self._cell_pattern.match(text)
        if self._columns or match is None or text[match.end() : match.end() + 1] not in DELIMITERS:
            return ""
        return DELIMITERS[text[match.end()]]

    def _locate(self) -> tuple[str, int]:
        """Name the cell at which reading stopped, and the line in which that cell begins."""
        text = "".join(self._record)
        number, position = self._last_cell(text)
        column = f" ({self._columns[number - 1]})" if number <= len(self._columns) else ""
        return f"cell {number}{column}", self.record_line + count_line_ends(
            text[:position].encode()
        )

    def _last_cell(self, text: str) -> tuple[int, int]:
        """Find the last cell, or the first one with bad quotes: its number and its position."""
        number, position = 1, 0
        while True:
            match = self._cell_pattern.match(text, position)
            if match is None or text[match.end() : match.end() + 1] != self._dialect.delimiter:
                return number, position
            number, position = number + 1, match.end() + 1


def _cell_pattern(dialect: Dialect) -> str:
    """Write a regular expression of a valid cell."""
    quote, delimiter = re.escape(dialect.quotechar or ""), re.escape(dialect.delimiter)
    escape = re.escape(dialect.escapechar or "")
    escaped = f"|{escape}." if escape else ""
    doubled = f"|{quote}{quote}" if dialect.doublequote else ""
    # Possessive: a cell of megabytes must not be tried in parts.
    plain = f"(?:[^{delimiter}{escape}\r\n]{escaped})*+"
    if not quote:
        return plain
    return f"(?:{quote}(?:[^{quote}{escape}]{escaped}{doubled})*+{quote}|(?!{quote}){plain})"


def _compile_record_pattern(dialect: Dialect) -> re.Pattern[str] | None:
    """Compile the pattern of a valid record, for dialects where Python's csv accepts others too.

    Without doubled quotes it takes text after a closing quote for a part of the cell.
    """
    if dialect.doublequote or not dialect.quotechar:
        return None
    cell = _cell_pattern(dialect)
    return re.compile(rf"{cell}(?:{re.escape(dialect.delimiter)}{cell})*+[\r\n]*", re.DOTALL)


def count_line_ends(text: bytes) -> int:
    """Count line ends: LF, CR, or both together.

    Args:
        text: Any part of a text file.
    """
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
