"""Totals of the vendor and of the table, by day."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class ReconcileError(Exception):
    """Totals cannot be compared; the message says why and what to do."""


@dataclass(frozen=True)
class VendorTotals:
    """What the vendor says of a stream.

    Attributes:
        stream: The stream's name, as the loader gets it.
        client_id: The value of ``_client_id`` in its rows, if they have one.
        day_column: The column of the days.
        where: The conditions that its rows meet, by column.
        days: The totals by column, by day such as 2026-01-31.
    """

    stream: str
    client_id: str | None
    day_column: str
    where: Mapping[str, Any]
    days: Mapping[str, Mapping[str, Decimal]]

    @property
    def columns(self) -> list[str]:
        """The columns that are compared."""
        return [*dict.fromkeys(name for totals in self.days.values() for name in totals)]


@dataclass(frozen=True)
class Difference:
    """A total that is not the same.

    Attributes:
        day: The day, such as 2026-01-31.
        column: The column whose values are added up.
        table: Its sum in the table; 0 without any row.
        vendor: The vendor's total.
    """

    day: str
    column: str
    table: Decimal
    vendor: Decimal

    @property
    def amount(self) -> Decimal:
        """How much more the table has; negative if the vendor has more."""
        return self.table - self.vendor


@dataclass
class Comparison:
    """A stream, compared with its vendor.

    Attributes:
        stream: The stream's name.
        problem: Why it could not be compared; empty if it was.
        table: The qualified name of its table.
        days: The days that were compared, in order.
        columns: The columns that were compared.
        differences: The totals that are not the same, by day.
    """

    stream: str
    problem: str = ""
    table: str = ""
    days: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def different_days(self) -> list[str]:
        """The days with a difference, in order."""
        return sorted({difference.day for difference in self.differences})

    def as_dict(self) -> dict[str, Any]:
        """The comparison for JSON, with numbers as text."""
        return {
            "stream": self.stream,
            "table": self.table or None,
            "problem": self.problem or None,
            "days": len(self.days),
            "first_day": self.days[0] if self.days else None,
            "last_day": self.days[-1] if self.days else None,
            "columns": self.columns,
            "differences": [
                {
                    "day": each.day,
                    "column": each.column,
                    "table": format(each.table, "f"),
                    "vendor": format(each.vendor, "f"),
                    "difference": format(each.amount, "f"),
                }
                for each in self.differences
            ],
        }


def compare(
    vendor: VendorTotals,
    table: str,
    sums: Mapping[str, Mapping[str, Decimal]],
    tolerance: Decimal,
) -> Comparison:
    """Compare the vendor's totals with the sums of a table.

    Args:
        vendor: The totals of the vendor.
        table: The qualified name of the table.
        sums: The sums of the table by column, by day; days without rows are missing.
        tolerance: How far two totals may be apart.
    """
    return Comparison(
        vendor.stream,
        table=table,
        days=sorted(vendor.days),
        columns=vendor.columns,
        differences=[each for each in _pairs(vendor, sums) if abs(each.amount) > tolerance],
    )


def _pairs(vendor: VendorTotals, sums: Mapping[str, Mapping[str, Decimal]]) -> Iterator[Difference]:
    for day, totals in sorted(vendor.days.items()):
        for column, total in totals.items():
            yield Difference(day, column, sums.get(day, {}).get(column, Decimal(0)), total)
