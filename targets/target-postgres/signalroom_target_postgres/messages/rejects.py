"""Records that are not loaded, and why, without their values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Errors of values that do not fit their column.
UNFIT = (ValueError, TypeError, ArithmeticError, RecursionError, pa.ArrowException)
_BYTE = re.compile(r" \(byte \d+\)$")


@dataclass(frozen=True)
class RejectedRecord:
    """A record that does not fit its table.

    Args:
        record: The record's JSON.
        reason: What is wrong with it, without its values.
        column: The column whose value is wrong, if it is a single one.
        oversized: Whether it is too large for the table.
        of_table: Whether the table would reject any record of the stream.
        advice: What to do, where it is not to correct the record.
        unmapped: Whether the stream's map failed on it, so that it was not checked further.
    """

    record: bytes
    reason: str
    column: str | None = None
    oversized: bool = False
    of_table: bool = False
    advice: str | None = None
    unmapped: bool = False

    def describe(self) -> str:
        """Say what is wrong, as a part of a sentence, without the record's values."""
        return f"column {self.column!r}: {self.reason}" if self.column else self.reason


class RejectedRecordsError(Exception):
    """Records do not fit, and nothing of their batch is loaded.

    Args:
        rejects: The rejected records; at least one.
    """

    def __init__(self, rejects: Sequence[RejectedRecord]) -> None:
        super().__init__(len(rejects))
        self.rejects = rejects


def describe_decode_error(error: Exception) -> str:
    """Say why a record's JSON cannot be decoded, as a part of a sentence."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, ArithmeticError):
        return "it has a number out of range"
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    return f"its JSON cannot be read: {_BYTE.sub('', str(error))}"


def without_values(error: Exception, expected: str) -> str:
    """Say why a value does not fit, as a part of a sentence.

    Args:
        error: The error. Arrow's and Python's quote the value, which may be personal data.
        expected: What the value should have been.
    """
    reason = str(error)
    return reason if reason.startswith("expected ") else f"expected {expected}, got something else"
