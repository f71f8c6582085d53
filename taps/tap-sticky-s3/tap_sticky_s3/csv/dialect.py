"""The dialect of a table's files: delimiter, quotes, encoding, nulls."""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from typing import Any

from signalroom_singer import invalid_setting

#: Common delimiters, by the name that messages use.
DELIMITERS = {",": "`,`", ";": "`;`", "\t": "a tab", "|": "`|`"}
#: The encoding of a file's byte order mark; UTF-8 without one.
AUTO = "auto"


@dataclass(frozen=True)
class Dialect:
    """How files are written, and what to do with rows that have another number of cells.

    Attributes:
        delimiter: The character between two cells.
        quotechar: Quote character; None if cells are never quoted.
        doublequote: Whether a quote within a quoted cell is doubled.
        escapechar: Character that makes the next one literal; None if there is none.
        encoding: A Python codec name, or `auto`.
        null_values: Cells to load as NULL.
        empty_as_null: Whether an empty cell is NULL too.
        on_bad_row: `extra`, `error` or `skip`: for rows with too few or too many cells.

    Raises:
        ConfigValidationError: If a setting is invalid, or two of them are the same character.
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
        characters = {
            name: character
            for name in ("delimiter", "quotechar", "escapechar")
            if (character := getattr(self, name)) is not None
        }
        for name, character in characters.items():
            if len(character) != 1 or not character.isascii() or character in "\r\n\0":
                problem = "expected one ASCII character, and not a line end"
                raise invalid_setting(name, problem, character)
            if character == " ":
                raise invalid_setting(name, "a space cannot be used", character)
        owners: dict[str, str] = {}
        for name, character in characters.items():
            if (owner := owners.setdefault(character, name)) != name:
                problem = f"expected another character than that of {owner}"
                raise invalid_setting(name, problem, character)
        if self.encoding != AUTO:
            try:
                codecs.getincrementaldecoder(self.encoding)
                "".encode(self.encoding)
            except (LookupError, ValueError):
                problem = "expected an encoding of Python's, such as utf-8, cp1252 or utf-16"
                raise invalid_setting("encoding", problem, self.encoding) from None

    @property
    def nulls(self) -> frozenset[str]:
        """Cells to load as NULL, as the file has them."""
        return frozenset([*self.null_values, *([""] if self.empty_as_null else [])])

    @property
    def is_plain(self) -> bool:
        """Whether Arrow can read it: no escape character, and quotes within quotes are doubled."""
        return self.escapechar is None and (self.doublequote or self.quotechar is None)

    def csv_options(self) -> dict[str, Any]:
        """Format parameters for Python's csv module."""
        quoting = csv.QUOTE_MINIMAL if self.quotechar else csv.QUOTE_NONE
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quotechar,
            "doublequote": self.doublequote,
            "escapechar": self.escapechar,
            "quoting": quoting,
            "strict": True,
        }
