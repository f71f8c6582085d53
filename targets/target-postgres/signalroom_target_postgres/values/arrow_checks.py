"""Checks of Arrow types and columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARIES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def is_text(type_: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    return any(check(type_) for check in _TEXTS)


def is_binary(type_: pa.DataType) -> bool:
    """Whether values of a type are bytes."""
    return any(check(type_) for check in _BINARIES)


def is_text_or_binary(type_: pa.DataType) -> bool:
    """Whether values of a type are texts or bytes, which a file may hold texts as."""
    return is_text(type_) or is_binary(type_)


def is_number(type_: pa.DataType) -> bool:
    """Whether values of a type are integers, floats or decimals."""
    return any(check(type_) for check in _NUMBERS)


def all_true(results: pa.Array) -> bool:
    """Whether no value of a boolean column is false; null does not count."""
    return pc.all(results).as_py() is not False


def any_true(results: pa.Array) -> bool:
    """Whether a value of a boolean column is true; null does not count."""
    return pc.any(results).as_py() is True
