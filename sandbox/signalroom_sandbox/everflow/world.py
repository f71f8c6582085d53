"""What happened at a made-up Everflow network: the data that all endpoints show.

Atoms are conversions, and clicks counted by hour, affiliate and offer. All reports are sums of
them, so that whatever endpoint a tap reads, the numbers agree.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from signalroom_sandbox.made_up import (
    DAY,
    HOUR,
    DailyWorld,
    midnight,
    seeded_random,
    utc_date,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from random import Random

#: Advertisers by id; the first two are those of the legacy pipeline.
ADVERTISERS = {
    1: "CCW",
    2: "EXP",
    5: "Nordlicht Medien GmbH",
    6: "Café Größe",
    8: "شركة الواحة",
    9: "Zebra 🦓 Labs",
    10: "Third\nLine, Inc.",
    11: "O'Brien & Söhne",
    12: None,
}
_OFFER_OWNERS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 5, 5, 6, 6, 8, 9, 9, 10, 11, 12, 12)
OFFERS = dict(enumerate(_OFFER_OWNERS, start=101))
AFFILIATES = {number: f"Partner {number}" for number in range(1, 38)} | {
    3: "G2 \N{EN DASH} Meta",
    7: 'Blue "Bench" Media',
    11: "株式会社サンプル",
}
#: The id for activity without an affiliate.
NO_AFFILIATE = 0
_STATUSES = ("approved",) * 17 + ("pending", "rejected", "invalid")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion, or an event after one."""

    conversion_id: str
    at: int
    clicked_at: int
    affiliate: int
    offer: int
    payout: Decimal
    revenue: Decimal
    sale_amount: Decimal
    status: str
    is_event: bool

    @property
    def counts(self) -> bool:
        """Whether reports include it."""
        return self.status == "approved"


@dataclass(slots=True)
class Cell:
    """Sums of an hour, an affiliate and an offer."""

    clicks: int = 0
    conversions: int = 0
    events: int = 0
    scrubbed: int = 0
    payout: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    event_revenue: Decimal = Decimal(0)
    sales: Decimal = Decimal(0)

    def add(self, other: Cell) -> None:
        """Add another cell to this one."""
        self.clicks += other.clicks
        self.conversions += other.conversions
        self.events += other.events
        self.scrubbed += other.scrubbed
        self.payout += other.payout
        self.revenue += other.revenue
        self.event_revenue += other.event_revenue
        self.sales += other.sales


#: The start of an hour in epoch seconds, affiliate, offer.
CellKey = tuple[int, int, int]


@dataclass
class _Day:
    """A day of UTC."""

    conversions: list[Conversion]
    clicks: dict[CellKey, int]
    cells: dict[CellKey, Cell] | None = None


@dataclass
class World(DailyWorld[_Day]):
    """The network; a scale of 1 is about 100 conversions and 2,000 clicks a day."""

    offers: dict[int, int] = field(default_factory=lambda: dict(OFFERS))
    _late: int = 0

    # Reading

    def conversions(self, begin: int, end: int) -> Iterator[Conversion]:
        """Conversions of a span of epoch seconds, the end excluded, that have happened."""
        end = self.until_now(end)
        for day in self.days_between(begin, end):
            for conversion in day.conversions:
                if begin <= conversion.at < end:
                    yield conversion

    def cells(self, begin: int, end: int) -> Iterator[tuple[CellKey, Cell]]:
        """Cells of a span of whole hours, the end excluded, that are over."""
        end = self.until_now(end, unit=HOUR)
        for day in self.days_between(begin, end):
            if day.cells is None:
                day.cells = _sum_cells(day)
            for key, cell in day.cells.items():
                if begin <= key[0] < end:
                    yield key, cell

    def clicks(self, begin: int, end: int) -> Iterator[tuple[CellKey, int, int]]:
        """Clicks of a span of epoch seconds: the cell, the number within it, and the time."""
        end = self.until_now(end, unit=HOUR)
        for day in self.days_between(begin - HOUR, end):
            for key, count in day.clicks.items():
                for number in range(count):
                    at = key[0] + number * HOUR // count
                    if begin <= at < end:
                        yield key, number, at

    # Changing

    def restate(self, begin: int, end: int, *, percent: int = 100, reject: int = 0) -> int:
        """Change amounts of a span, and reject its first approved conversions.

        Args:
            begin: The first of the epoch seconds.
            end: Epoch seconds, excluded.
            percent: New payout and revenue, in percent of the old ones.
            reject: How many are rejected.

        Returns:
            How many conversions were changed.
        """
        changed = 0
        for day in self.days_between(begin, end):
            for index, old in enumerate(day.conversions):
                if not (begin <= old.at < end and old.counts):
                    continue
                new = replace(
                    old,
                    payout=old.payout * percent / 100,
                    revenue=old.revenue * percent / 100,
                    status="rejected" if changed < reject else old.status,
                )
                day.conversions[index] = new
                changed += 1
            day.cells = None
        return changed

    def add_conversions(self, begin: int, end: int, count: int) -> None:
        """Add late conversions, spread over a span."""
        source = seeded_random(self.seed, "late", begin, count)
        for number in range(count):
            at = begin + number * (end - begin) // count
            day = self.day(utc_date(at))
            day.conversions.append(
                self._conversion(
                    # The count makes ids unique, also if the same call is repeated.
                    source,
                    at,
                    f"late-{at}-{self._late}",
                    source.choice(list(AFFILIATES)),
                )
            )
            self._late += 1
            day.cells = None

    def delete_affiliate(self, begin: int, end: int, affiliate: int | None) -> None:
        """Delete an affiliate's activity in a span; with ``None``, that of all affiliates."""
        for day in self.days_between(begin, end):
            day.conversions = [
                item
                for item in day.conversions
                if not (begin <= item.at < end and affiliate in {item.affiliate, None})
            ]
            day.clicks = {
                key: count
                for key, count in day.clicks.items()
                if not (begin <= key[0] < end and affiliate in {key[1], None})
            }
            day.cells = None

    def crowd(self, begin: int, end: int, *, affiliates: int, offers: int, clicks: int = 1) -> None:
        """Replace the activity of a span with clicks of each affiliate on each offer.

        Each offer has its own advertiser, so that a day has as many rows by
        affiliate and advertiser as there are pairs.

        Args:
            begin: Epoch seconds; all happens in its hour.
            end: Epoch seconds, excluded.
            affiliates: How many affiliates there are.
            offers: How many offers there are.
            clicks: How many clicks each pair gets.
        """
        self.delete_affiliate(begin, end, None)
        numbers = range(5000, 5000 + offers)
        self.offers |= {number: number for number in numbers}
        day = self.day(utc_date(begin))
        hour = begin // HOUR * HOUR
        for affiliate in range(1000, 1000 + affiliates):
            day.clicks |= {(hour, affiliate, offer): clicks for offer in numbers}
        day.cells = None

    # Making

    def _make_day(self, day: date) -> _Day:
        source = seeded_random(self.seed, day)
        start = midnight(day)
        busy = 0.7 + 0.3 * source.random()
        affiliates = [*AFFILIATES, NO_AFFILIATE]
        weights = [1 / (1 + index) for index in range(len(affiliates))]
        count = max(3, round(100 * self.scale * busy))
        moments = sorted(
            {start, start + DAY - 1} | {start + source.randrange(DAY) for _ in range(count)}
        )
        conversions = [
            self._conversion(
                source, at, f"{at:x}-{number:04x}", source.choices(affiliates, weights)[0]
            )
            for number, at in enumerate(sorted(moments))
        ]
        clicks: dict[CellKey, int] = defaultdict(int)
        for hour in range(24):
            for _ in range(12):
                affiliate = source.choices(affiliates, weights)[0]
                key = (start + hour * HOUR, affiliate, source.choice(list(OFFERS)))
                clicks[key] += max(1, round(source.randrange(1, 14) * self.scale))
        return _Day(conversions, dict(clicks))

    @staticmethod
    def _conversion(source: Random, at: int, name: str, affiliate: int) -> Conversion:
        revenue = Decimal(source.randrange(100, 12_000)) / 100
        # Some payouts are finer than cents; some are taken back.
        payout = (revenue * source.randrange(30, 90) / 100).quantize(
            Decimal("0.0001") if source.random() < 0.1 else Decimal("0.01")  # noqa: PLR2004
        )
        refund = -1 if source.random() < 0.02 else 1  # noqa: PLR2004
        return Conversion(
            conversion_id=name,
            at=at,
            clicked_at=at - source.randrange(60, 30 * DAY),
            affiliate=affiliate,
            offer=source.choice(list(OFFERS)),
            payout=payout * refund,
            revenue=revenue * refund,
            sale_amount=revenue * 2,
            status=source.choice(_STATUSES),
            is_event=source.random() < 0.25,  # noqa: PLR2004
        )


def _sum_cells(day: _Day) -> dict[CellKey, Cell]:
    cells: dict[CellKey, Cell] = defaultdict(Cell)
    for key, count in day.clicks.items():
        cells[key].clicks += count
    for item in day.conversions:
        cell = cells[item.at // HOUR * HOUR, item.affiliate, item.offer]
        if not item.counts:
            cell.scrubbed += item.status == "invalid"
            continue
        cell.payout += item.payout
        cell.revenue += item.revenue
        cell.sales += item.sale_amount
        if item.is_event:
            cell.events += 1
            cell.event_revenue += item.revenue
        else:
            cell.conversions += 1
    return dict(cells)
