"""What a clean-up removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Limits:
    """What is old enough to be removed.

    Attributes:
        before: What is older than this time (UTC) is removed.
        rejected_before: Rows that were last rejected before this time (UTC) are removed; if None,
            no rejected rows are.
        dry_run: Whether to count only, and remove nothing.
    """

    before: datetime
    rejected_before: datetime | None
    dry_run: bool


@dataclass(frozen=True)
class Removed:
    """What was removed of one kind, or would be in a dry run.

    Attributes:
        kind: The kind in the plural, such as logs of runs.
        count: The number of rows, files or folders.
        size: Their total size in bytes.
    """

    kind: str
    count: int
    size: int

    def __str__(self) -> str:
        return f"{self.kind:<44} {self.count:>10,}  {format_size(self.size):>12}"


def format_size(size: float) -> str:
    """Format a number of bytes with its SI unit.

    Args:
        size: The number of bytes.
    """
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:  # noqa: PLR2004 - units of SI
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == _UNITS[0] else f"{size:,.1f} {unit}"
