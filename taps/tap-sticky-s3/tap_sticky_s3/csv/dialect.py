"""How the files are written."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from typing import Any

from signalroom_singer import invalid_setting

#: Common delimiters, and how messages name them.
DELIMITERS = {",": "`,`", ";": "`;`", "\t": "a tab", "|": "`|`"}
#: The encoding that a file's byte order mark tells, or UTF-8.
AUTO = "auto"


@dataclass(frozen=True)
class Dialect:
    """How files are written, and what is made of rows that are not.

    Attributes:
        delimiter: What is between cells.
        quotechar: Quote character; none if nothing is quoted.
        doublequote: Whether a quote within quotes is written twice.
        escapechar: What is before a character that means itself.
        encoding: Python's name of it, or `auto`.
        null_values: Cells that become null.
        empty_as_null: Whether empty ones do.
        on_bad_row: `extra`, `error` or `skip`, where rows have too few cells or too many.

    Raises:
        ValueError: If that cannot be.
    """

    delimiter: str = ","
    quotechar: str | None = '"'
    doublequote: bool = True
    escapechar: str | None = None
    encoding: str = AUTO
    null_values: tuple[str, ...] = ()
    empty_as_null: bool = False
    on_bad_row: str = "extra"

    def __post_init__(self) -> None:
        given = {
            name: character
            for name in ("delimiter", "quotechar", "escapechar")
            if (character := getattr(self, name)) is not None
        }
        for name, character in given.items():
            if len(character) != 1 or not character.isascii() or character in "\r\n\0":
                problem = "expected one ASCII character, and not a line end"
                raise invalid_setting(name, problem, character)
        if len({*given.values()}) < len(given):
            *others, last = given
            problem = f"expected another character than {' and '.join(others)}"
            raise invalid_setting(last, problem, given[last])
        if " " in given.values():
            name = next(name for name, character in given.items() if character == " ")
            raise invalid_setting(name, "a space cannot be used", " ")
        if self.encoding != AUTO:
            try:
                codecs.getincrementaldecoder(self.encoding)
                "".encode(self.encoding)
            except (LookupError, ValueError):
                problem = "expected an encoding of Python's, such as utf-8, cp1252 or utf-16"
                raise invalid_setting("encoding", problem, self.encoding) from None

    @property
    def nulls(self) -> frozenset[str]:
        """The cells that become null."""
        return frozenset([*self.null_values, *([""] if self.empty_as_null else [])])

    @property
    def is_plain(self) -> bool:
        """Whether quotes, if any, are doubled within quotes, and nothing is escaped."""
        return self.escapechar is None and (self.doublequote or self.quotechar is None)

    def format(self) -> dict[str, Any]:
        """The same for Python's csv module."""
        quoting = csv.QUOTE_MINIMAL if self.quotechar else csv.QUOTE_NONE
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quotechar,
            "doublequote": self.doublequote,
            "escapechar": self.escapechar,
            "quoting": quoting,
            "strict": True,
        }
