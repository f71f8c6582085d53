"""The JSON types that a field's values may have: the schema decides, whatever its column holds.

The column of an existing table may hold more than the schema allows: `text` and `jsonb` hold
anything, `numeric` holds fractions of what is declared an integer. What the column of a new table
would reject is rejected there too.

Where the schema asks for `jsonb`, any JSON is allowed: many taps declare `object` for values of any
type. `validate_records` checks these too, and all else that a schema says.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.values import array_literals
from signalroom_target_postgres.values.arrow_checks import all_true, is_number, is_text_or_binary
from signalroom_target_postgres.values.errors import UnfitError
from signalroom_target_postgres.values.sql_types import type_family

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from msgspec import Raw

    from signalroom_target_postgres.values.schema_types import DeclaredType

_NUMBERS = {"integer", "number"}
#: How the JSON of a type begins; for integers, all of it as most are written.
_PATTERNS = {
    "array": r"\[",
    "boolean": "[tf]",
    "integer": "-?[0-9]+$",
    "number": "[-0-9]",
    "object": r"\{",
    "string": '"',
}
#: For messages.
_NAMES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
#: The types of JSON texts by their first characters; others are numbers.
_BY_FIRST_CHARACTER = {
    '"': "string",
    "{": "object",
    "[": "array",
    "t": "boolean",
    "f": "boolean",
    "n": "null",
}
# msgspec's names of types, where they are others.
_GOT = {"string": "str", "boolean": "bool"}

#: By the family of an array's elements: writes an element, or says that it is of another type.
ELEMENTS: dict[str, Callable[[bytes], str]] = {
    "integer": array_literals.integer_element,
    "number": array_literals.number_element,
    "boolean": array_literals.boolean_element,
}


@dataclass(frozen=True)
class JsonTypes:
    """The types that a schema allows.

    Args:
        types: The JSON types; none if all are allowed.
        elements: Of arrays: the family of their elements, if they have to be of one.
    """

    types: frozenset[str] = frozenset()
    elements: str = ""

    @classmethod
    def of(cls, declared: DeclaredType) -> JsonTypes:
        """Return the types that a schema allows."""
        declared_type = declared.type
        if type_family(declared_type) == "json":
            return cls()
        element = (
            type_family(declared_type.removesuffix("[]")) if declared_type.endswith("[]") else ""
        )
        return cls(frozenset(declared.json_types), element if element in ELEMENTS else "")

    @property
    def description(self) -> str:
        """What a value should be, for messages."""
        names = [name for type_, name in _NAMES.items() if type_ in self.types]
        return " or ".join(names) or "a value"

    @cached_property
    def _pattern(self) -> str:
        return rf"^\s*(?:{'|'.join(_PATTERNS[type_name] for type_name in sorted(self.types))})"

    def check_texts(self, texts: pa.Array) -> None:
        """Check the JSON of values.

        Args:
            texts: A column of JSON texts; null for JSON's null.

        Raises:
            ValueError: If one is of another type.
        """
        if not self.types:
            return
        fits = pc.match_substring_regex(texts, self._pattern)
        if not all_true(fits):
            for text in texts.filter(pc.invert(fits)).to_pylist():
                self._check_other(text)
        if self.elements:
            for text in texts.to_pylist():
                if text is not None:
                    array_literals.array_literal(text, ELEMENTS[self.elements])

    def _check_other(self, text: str) -> None:
        """Reject a value, but for integers that are written as 3.0 or 1e2."""
        got = _BY_FIRST_CHARACTER.get(text.lstrip()[:1])
        if got is None:
            if "integer" in self.types:
                self._check_whole(Decimal(text))
                return
            got = "int" if text.lstrip("-").isdigit() else "float"
        raise UnfitError(expected=self.description, got=_GOT.get(got, got))

    def _check_whole(self, number: Decimal) -> None:
        try:
            array_literals.to_integer(number)
        except UnfitError as error:
            raise UnfitError(expected=self.description, got=error.got) from None

    def check_column(self, array: pa.Array, texts: Callable[[], pa.Array]) -> None:
        """Check a file's column, whose type says more than the values' JSON.

        Args:
            array: The column, of one of Arrow's basic types.
            texts: Returns its values as texts, and what is nested as JSON.

        Raises:
            ValueError: If it, or a value, is of another type.
        """
        if not self.types:
            return
        type_ = array.type
        type_name = json_type(type_)
        if pa.types.is_nested(type_):
            self.check_texts(texts())
        elif type_name == "string" and self.types == {"array"}:
            # An array may come as JSON text.
            self.check_texts(texts())
        elif type_name == "number" and self.types & _NUMBERS == {"integer"}:
            for text in pc.unique(texts().drop_null()).to_pylist():
                self._check_whole(Decimal(text))
        elif type_name not in self.types and not (type_name == "integer" and self.types & _NUMBERS):
            raise UnfitError(expected=self.description, got=type_)


def json_type(type_: pa.DataType) -> str:
    """Return the JSON type of values that are not nested."""
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_):
        return "integer"
    if is_number(type_):
        return "number"
    if is_text_or_binary(type_) or pa.types.is_temporal(type_):
        return "string"
    return "object"


def is_of_types(value: Raw, types: Collection[str]) -> bool:
    """Whether a JSON value is of one of some types.

    Args:
        value: The value's JSON.
        types: The JSON types; none if all are allowed.
    """
    text = bytes(value).decode().strip()
    type_ = _BY_FIRST_CHARACTER.get(text[:1], "number")
    if type_ == "number" and "integer" in types and "number" not in types:
        return _is_whole(text)
    return not types or type_ in types


def _is_whole(number: str) -> bool:
    """Whether a number's JSON is an integer, as also 3.0 and 1e2 are."""
    try:
        array_literals.to_integer(Decimal(number))
    except (ValueError, ArithmeticError):
        return False
    return True
