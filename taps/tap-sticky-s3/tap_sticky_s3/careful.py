"""Records of a CSV text, one after the other, and what is wrong with them, to the line."""

from __future__ import annotations

import csv
from itertools import chain
from typing import TYPE_CHECKING

from tap_sticky_s3.content import BadFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_sticky_s3.dialect import Dialect

#: The longest cell, and the longest row: beyond, a quote was probably never closed.
CELL_BYTES = 10 << 20
RECORD_BYTES = 64 << 20

# Of the whole process; without it 128 KiB is the most.
csv.field_size_limit(CELL_BYTES)


class _EndsInRecordError(Exception):
    """The text ends, though not the file."""


class Records:
    """Iterates over the records of a text by Python's csv module; an empty line is an empty one.

    Args:
        text: UTF-8, however it is cut.
        dialect: How it is written.
        name: What the file is called in errors.
        line: How many lines are before.
        complete: Whether the text is all that there is.
    """

    def __init__(
        self,
        text: Iterable[bytes],
        dialect: Dialect,
        *,
        name: str,
        line: int = 0,
        complete: bool = True,
    ) -> None:
        self._text = iter(text)
        self._name = name
        self._complete = complete
        self._dialect = dialect
        self._header: list[str] = []
        self._lines: list[bytes] = []
        self._held = b""
        self._before = line
        self._reader = csv.reader(self._decoded(), **dialect.format())
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
            try:
                cells = next(self._reader, None)
            except _EndsInRecordError:
                return
            except csv.Error as error:
                raise self._explained(str(error)) from None
            if cells is None:
                return
            yield cells

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
                yield line.decode()
            except UnicodeDecodeError as error:
                cells = line[: error.start].decode().count(self._dialect.delimiter) + 1
                msg = (
                    f"around cell {cells} there is a byte that is not UTF-8 "
                    f"(0x{line[error.start]:02x}). Set `encoding`: cp1252 is a common one."
                )
                at = self._before + self._reader.line_num + 1
                raise BadFileError(self._name, msg, line=at) from None

    def _read_lines(self) -> bool:
        """Read some lines, the last first; says whether there are any."""
        held, self._held = [self._held], b""
        size = len(held[0])
        for chunk in self._text:
            held.append(chunk)
            size += len(chunk)
            if size > RECORD_BYTES:
                msg = f"a line is longer than {RECORD_BYTES >> 20} MiB."
                raise BadFileError(self._name, msg, line=self.line + 1)
            # A carriage return at the end may be half of a line end.
            end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r", 0, -1)) + 1
            if end:
                held[-1], self._held = chunk[:end], chunk[end:]
                break
        self._lines = b"".join(held).splitlines(keepends=True)[::-1]
        return bool(self._lines)

    def _explained(self, problem: str) -> BadFileError:
        if "field larger" in problem:
            msg = f"a cell is longer than {CELL_BYTES >> 20} MiB: a quote is probably never closed."
        elif "unexpected end" in problem:
            msg = "a quote is opened and never closed: the file was cut, or a quote is not doubled."
        else:
            delimiter = self._dialect.delimiter
            msg = f"after a quoted cell no `{delimiter}` comes: a quote within is not doubled."
        return BadFileError(self._name, f"{msg} Have it delivered again.", line=self.began)


def line_ends(text: bytes) -> int:
    """Count line ends: LF, CR, or both.

    Args:
        text: Some text.
    """
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
