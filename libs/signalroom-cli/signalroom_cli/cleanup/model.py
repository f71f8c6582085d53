"""What a clean-up removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Limits:
    """What is old enough to go.

    Attributes:
        before: What is older than this moment (UTC).
        rejected_before: Rejected rows that were last rejected before this moment (UTC); none stays
            out of date.
        dry_run: Whether all is only counted.
    """

    before: datetime
    rejected_before: datetime | None
    dry_run: bool


@dataclass(frozen=True)
class Removed:
    """Things of a kind that were removed, or would be.

    Attributes:
        what: The kind.
        count: How many rows, files or folders.
        size: Bytes.
    """

    what: str
    count: int
    size: int

    def __str__(self) -> str:
        return f"{self.what:<44} {self.count:>10,}  {readable(self.size):>12}"


def readable(size: float) -> str:
    """A number of bytes with its unit.

    Args:
        size: Bytes.
    """
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 - units of SI
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == _UNITS[0] else f"{size:,.1f} {unit}"
