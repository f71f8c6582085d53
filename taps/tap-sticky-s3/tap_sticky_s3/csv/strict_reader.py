"""Records of a CSV text, one after the other, and what is wrong with them, to the line."""

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

#: The longest cell, and the longest row: beyond, a quote was probably never closed.
CELL_BYTES = 10 << 20
RECORD_BYTES = 64 << 20

# Of the whole process; without it 128 KiB is the most.
csv.field_size_limit(CELL_BYTES)


class _EndsInRecordError(Exception):
    """The text ends, though not the file."""


class StrictReader:
    """Iterates over the records of a text by Python's csv module; an empty line is an empty one.

    Args:
        text: UTF-8, however it is cut.
        dialect: How it is written.
        name: What the file is called in errors.
        line: How many lines are before.
        complete: Whether the text is all that there is.
        columns: What the cells are called in errors.
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
        self._record: list[str] = []  # the lines of the record at hand
        self._text = iter(text)
        self._name = name
        self._complete = complete
        self._dialect = dialect
        self._lines: list[bytes] = []
        self._held = b""
        self._before = line
        self._reader = csv.reader(self._decoded(), **dialect.format())
        self._form = _form_of_records(dialect)
        self._cell = re.compile(_form_of_cells(dialect), re.DOTALL)
        #: The line in which the last record began.
        self.began = line + 1
        #: Bytes that were read.
        self.read = 0

    @property
    def line(self) -> int:
        """How many lines were read, with those before."""
        return self._before + self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self.began = self.line + 1
            self._record.clear()
            try:
                cells = next(self._reader, None)
            except _EndsInRecordError:
                return
            except csv.Error as error:
                raise self._failure(str(error)) from None
            if cells is None:
                return
            if self._form and not self._form.fullmatch("".join(self._record)):
                raise self._failure()
            yield cells

    def as_written(self, cells: Sequence[str]) -> Sequence[str]:
        """Give the cells of the last record with their escape characters.

        Args:
            cells: The same, read.
        """
        escape, quote = self._dialect.escapechar, self._dialect.quotechar
        text = "".join(self._record)
        if not escape or escape not in text:
            return cells
        written, at = [], 0
        for cell in cells:
            found = self._cell.match(text, at)
            raw, at = (found[0], found.end() + 1) if found else (cell, at)
            inner = raw[1:-1] if quote and raw.startswith(quote) else raw
            written.append(inner if escape in raw else cell)
        return written

    def rest(self) -> Iterator[bytes]:
        """Give the text that was not read yet; after this there are no more records."""
        held = b"".join(reversed(self._lines)) + self._held
        self._lines, self._held = [], b""
        return chain([held] if held else [], self._text)

    def _decoded(self) -> Iterator[str]:
        while True:
            if not self._lines and not self._read_lines():
                if not self._complete:
                    raise _EndsInRecordError
                return
            line = self._lines.pop()
            if not self._complete and not line.endswith((b"\n", b"\r")):
                raise _EndsInRecordError
            self.read += len(line)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                self._record.append(line[: error.start].decode())
                where, _ = self._where()
                msg = (
                    f"{where} has a byte that is not UTF-8 (0x{line[error.start]:02x}). "
                    "Set `encoding`: cp1252 is a common one. If the file begins with a byte "
                    "order mark, which overrules it, have it delivered again."
                )
                raise BadFileError(self._name, msg, line=self.line + 1) from None
            self._record.append(text)
            yield text

    def _read_lines(self) -> bool:
        """Read some lines, the last first; says whether there are any."""
        held, self._held = [self._held], b""
        size = len(held[0])
        for chunk in self._text:
            held.append(chunk)
            size += len(chunk)
            # A carriage return at the end may be half of a line end.
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
            if end:
                held[-1], self._held = chunk[:end], chunk[end:]
                break
            if size > RECORD_BYTES:
                msg = f"a line is longer than {RECORD_BYTES >> 20} MiB."
                raise BadFileError(self._name, msg, line=self.line + 1)
        self._lines = b"".join(held).splitlines(keepends=True)[::-1]
        return bool(self._lines)

    def _failure(self, problem: str = "") -> BadFileError:
        error = self._explained(problem)
        # A record that is too large takes half a gigabyte. As the reader and this object refer to
        # each other, it would stay until garbage is collected, maybe after the next file.
        self._before, self._reader = self.line, csv.reader(())
        self._record, self._lines, self._held = [], [], b""
        return error

    def _explained(self, problem: str = "") -> BadFileError:
        marked = "doubled" if self._dialect.doublequote else "escaped"
        escape = self._dialect.escapechar
        if "field larger" in problem:
            what = f"is longer than {CELL_BYTES >> 20} MiB: a quote is probably never closed."
        elif "unexpected end" in problem and escape and self._record[-1].endswith(escape):
            what = f"ends in `{escape}`, which must be before a character: the file was cut."
        elif "unexpected end" in problem:
            what = (
                f"has a quote that is never closed: the file was cut, or a quote is not {marked}."
            )
        elif other := self._other_delimiter():
            where, line = self._where()
            msg = f"{where} is followed by {other} after its closing quote. Set `delimiter`."
            return BadFileError(self._name, msg, line=line)
        else:
            what = f"goes on after its closing quote, without `{self._dialect.delimiter}`: "
            what += f"a quote within is not {marked}."
        where, line = self._where()
        return BadFileError(self._name, f"{where} {what} Have it delivered again.", line=line)

    def _other_delimiter(self) -> str:
        """A delimiter that stands where the set one should, after the first cell of the header."""
        text = "".join(self._record)
        found = self._cell.match(text)
        if self._columns or found is None or text[found.end() : found.end() + 1] not in DELIMITERS:
            return ""
        return DELIMITERS[text[found.end()]]

    def _where(self) -> tuple[str, int]:
        """The cell at which reading stopped, and the line in which it begins."""
        text = "".join(self._record)
        number, at = self._last_cell(text)
        named = f" ({self._columns[number - 1]})" if number <= len(self._columns) else ""
        return f"cell {number}{named}", self.began + line_ends(text[:at].encode())

    def _last_cell(self, text: str) -> tuple[int, int]:
        """Find the last cell, or the first with bad quotes: its number, its place."""
        number, at = 1, 0
        while True:
            found = self._cell.match(text, at)
            if found is None or text[found.end() : found.end() + 1] != self._dialect.delimiter:
                return number, at
            number, at = number + 1, found.end() + 1


def _form_of_cells(dialect: Dialect) -> str:
    """A cell as it has to be written, as a regular expression."""
    quote, delimiter = re.escape(dialect.quotechar or ""), re.escape(dialect.delimiter)
    escape = re.escape(dialect.escapechar or "")
    escaped = f"|{escape}." if escape else ""
    doubled = f"|{quote}{quote}" if dialect.doublequote else ""
    # Possessive: a cell of megabytes must not be tried in parts.
    plain = f"(?:[^{delimiter}{escape}\r\n]{escaped})*+"
    if not quote:
        return plain
    return f"(?:{quote}(?:[^{quote}{escape}]{escaped}{doubled})*+{quote}|(?!{quote}){plain})"


def _form_of_records(dialect: Dialect) -> re.Pattern[str] | None:
    """A record as it has to be written, where Python's csv module accepts more than that.

    Without doubled quotes it takes what follows a closing quote for a part of the cell.
    """
    if dialect.doublequote or not dialect.quotechar:
        return None
    cell = _form_of_cells(dialect)
    return re.compile(rf"{cell}(?:{re.escape(dialect.delimiter)}{cell})*+[\r\n]*", re.DOTALL)


def line_ends(text: bytes) -> int:
    """Count line ends: LF, CR, or both.

    Args:
        text: Some text.
    """
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
