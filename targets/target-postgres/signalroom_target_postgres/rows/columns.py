"""The columns of a stream: which records and files have them, and what their types hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from signalroom_target_postgres.rows.codecs import Codec, TooLargeError, integers_from_numbers
from signalroom_target_postgres.values.arrow_json import to_basic_type
from signalroom_target_postgres.values.copy_format import has_nul, nul_escape
from signalroom_target_postgres.values.errors import UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from signalroom_target_postgres.values.limits import Limit

#: The type for integers of more than 64 bits.
_LARGE = "numeric"


class TooNarrowError(ValueError):
    """Values are valid, and the column's type does not hold them.

    Args:
        to: The type that holds them.
    """

    def __init__(self, to: str) -> None:
        super().__init__(f"expected a value that fits, got one that needs {to}")
        self.to = to


@dataclass(frozen=True)
class Column:
    """A column of a stream: what its schema declares, and what its table holds.

    Args:
        name: The column's name.
        field: The field of records and files.
        type: The column's type in the database.
        codec: How its values are decoded.
        required: Whether a record must have a value.
        limit: Which values its type does not hold.
        wider: The type that holds all that the schema allows, where its own does not.
        json_types: The JSON types that the schema allows; none if all.
        fixed: Why its type cannot change, if so: what is wider is a bad value then.
        key: Whether it is one of the keys, which are loaded as they are or not at all.
        allowed: The JSON types that are not rejected, whatever the column holds; none if all.
    """

    name: str
    field: str
    type: str
    codec: Codec
    required: bool = False
    limit: Limit | None = None
    wider: str | None = None
    json_types: frozenset[str] = frozenset()
    fixed: str | None = None
    key: bool = False
    allowed: frozenset[str] = frozenset()

    def from_json(self, values: Sequence[Any]) -> pa.Array:
        """Make an array of values that msgspec decoded.

        Args:
            values: One value per record.

        Raises:
            InexactError: If the values have to be decoded again, for `from_exact_json`.
            TooNarrowError: If a value needs a wider column.
            ValueError: If a value does not fit.
        """
        return self._make(self.codec.from_json, values)

    def from_exact_json(self, values: Sequence[Decimal | float | None]) -> pa.Array:
        """Make an array of integers, some of which were written as floats.

        Args:
            values: One value per record, no floats among them.

        Raises:
            ValueError: If a value does not fit.
        """
        return self._make(integers_from_numbers, values)

    def from_arrow(self, array: pa.Array) -> pa.Array:
        """Convert a file's column.

        Args:
            array: The column, of whatever type the file has.

        Raises:
            TooNarrowError: If a value needs a wider column.
            ValueError: If a value does not fit.
        """
        array = to_basic_type(array)
        if array.null_count == len(array):
            # All values are null, so the type does not matter.
            array = pa.nulls(len(array), self.codec.from_json(()).type)
            return self._make(lambda nulls: nulls, array)
        return self._make(self.codec.from_arrow, array)

    def _make(self, convert: Callable[[Any], pa.Array], values: Any) -> pa.Array:
        """Convert values, and check what the column's type does not hold."""
        limit = self.limit
        try:
            array = convert(values)
        except TooLargeError:
            raise self._too_narrow(_LARGE) from None
        if limit is not None and not limit.holds(array):
            raise self._too_narrow(limit.wider)
        if self.required and array.null_count:
            raise UnfitError(expected=self.codec.expected, got="null")
        if self.key and pa.types.is_string(array.type) and has_nul(array, nul_escape(self.type)):
            # If NUL were replaced, two keys could become one.
            msg = "expected a key without the character NUL, which PostgreSQL cannot store"
            raise ValueError(msg)
        return array

    def _too_narrow(self, to: str) -> ValueError:
        if self.fixed is None:
            return TooNarrowError(to)
        return ValueError(
            f"expected a value that {self.type} holds exactly, got another; {self.fixed}"
        )
