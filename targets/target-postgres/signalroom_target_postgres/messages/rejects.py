"""Records that cannot be loaded, and why, without their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

#: What comes of values that do not fit their column.
UNFIT = (ValueError, TypeError, ArithmeticError, RecursionError, pa.ArrowException)
_BYTE = re.compile(r" \(byte \d+\)$")


@dataclass(frozen=True)
class Misfit:
    """A record that does not fit its table.

    Args:
        record: Its JSON.
        reason: What is wrong with it, without its values.
        column: The column at fault, where it is one.
        oversized: Whether it is too large for the table.
        of_table: Whether the table refuses it for what no record of the stream can change.
        advice: What to do, where it is not to correct the record.
        unmapped: Whether the stream's map failed on it, so that nothing is known of its fit.
    """

    record: bytes
    reason: str
    column: str | None = None
    oversized: bool = False
    of_table: bool = False
    advice: str | None = None
    unmapped: bool = False


def unread_reason(error: Exception) -> str:
    """Say why a record's JSON cannot be read.

    Args:
        error: What came of it.

    Returns:
        A part of a sentence.
    """
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, ArithmeticError):
        return "it has a number out of range"
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    return f"its JSON cannot be read: {_BYTE.sub('', str(error))}"


def without_values(error: Exception, expects: str) -> str:
    """Say why a value does not fit.

    Args:
        error: What came of it; Arrow's and Python's quote the value, which may be anybody's data.
        expects: What it should have been.

    Returns:
        A part of a sentence.
    """
    reason = str(error)
    return reason if reason.startswith("expected ") else f"expected {expects}, got something else"
