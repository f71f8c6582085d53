"""Checks of Arrow types and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable


def is_text(type_: pa.DataType) -> bool:
    """Whether values of a type are texts."""
    types = pa.types
    return _is_any(type_, types.is_string, types.is_large_string, types.is_string_view)


def is_binary(type_: pa.DataType) -> bool:
    """Whether values of a type are bytes."""
    types = pa.types
    return _is_any(type_, types.is_binary, types.is_large_binary, types.is_fixed_size_binary)


def is_text_or_binary(type_: pa.DataType) -> bool:
    """Whether values of a type are texts or bytes, which a file may hold either as."""
    return is_text(type_) or is_binary(type_)


def is_number(type_: pa.DataType) -> bool:
    """Whether values of a type are integers, floats or decimals."""
    return _is_any(type_, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def _is_any(type_: pa.DataType, *checks: Callable[[pa.DataType], bool]) -> bool:
    return any(check(type_) for check in checks)


def all_true(results: pa.Array) -> bool:
    """Whether no value of a boolean column is false; null does not count."""
    return pc.all(results).as_py() is not False


def any_true(results: pa.Array) -> bool:
    """Whether a value of a boolean column is true; null does not count."""
    return pc.any(results).as_py() is True
