"""What happened in a made-up RedTrack account: the data that all endpoints show.

Atoms are conversions, and clicks counted by hour, campaign and offer. Reports are sums of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from signalroom_sandbox.made_up import HOUR, DailyWorld, midnight, seeded_random, utc_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from random import Random

_CENT = Decimal("0.01")
#: Traffic sources; the last campaign is direct traffic, without a source.
_SOURCES = (
    "Meta Ads",
    "Google Ads",
    "TikTok \N{EN DASH} US",
    'Native "Premium" | Feed',
    "Größe & Söhne",
    "株式会社サンプル",
    "Push 🚀 Network",
)
_OFFERS = ("Keto Trial", "Sleep\nAid", "Night Serum", "Joint O'Flex", "Brain 2.0")
_NETWORKS = ("Everflow", "Direct", "House")
_LANDINGS = ("Advertorial A", "Quiz B", "Listicle C")
_NAMES = {"source": _SOURCES, "offer": _OFFERS, "network": _NETWORKS, "landing": _LANDINGS}
_CAMPAIGNS = 12
#: Hours of UTC at which each campaign has clicks: before and after midnight in New York too.
_HOURS = (2, 6, 16, 21)
_STATUSES = ("approved",) * 7 + ("pending", "declined", "other")


def object_id(kind: str, number: int) -> str:
    """An id like MongoDB's: 24 hexadecimal digits."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign with its fixed dimensions; an empty source is direct traffic."""

    number: int
    title: str
    source: int | None
    landing: int
    network: int

    @property
    def id(self) -> str:
        """The id that RedTrack shows."""
        return object_id("campaign", self.number)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion; type 1 is the default type, others are events after it."""

    id: str
    clickid: str
    at: int
    clicked_at: int
    campaign: Campaign
    offer: int
    type: int
    status: str
    payout: Decimal

    @property
    def number(self) -> int:
        """A number that chooses the conversion's formats."""
        return int(self.id[:6], 16)


@dataclass(frozen=True, slots=True)
class Clicks:
    """The clicks of an hour on an offer of a campaign."""

    at: int
    campaign: Campaign
    offer: int
    count: int
    cpc: Decimal

    @property
    def cost(self) -> Decimal:
        """The total cost of the clicks."""
        return self.cpc * self.count


@dataclass
class _Day:
    clicks: list[Clicks]
    conversions: list[Conversion]


@dataclass
class World(DailyWorld[_Day]):
    """The account; a scale of 1 is about 60 conversions and 900 clicks a day."""

    sources: int = field(init=False)
    campaigns: list[Campaign] = field(init=False)

    def __post_init__(self) -> None:
        self.reset_sources(len(_SOURCES))

    def reset_sources(self, sources: int) -> None:
        """Start over with a number of sources, each with a campaign, and direct traffic."""
        self.sources = sources
        self._days.clear()
        count = max(_CAMPAIGNS, sources) if sources else 1
        self.campaigns = [self._campaign(number, number % sources) for number in range(count)]
        self.campaigns.append(self._campaign(count, None))

    @staticmethod
    def _campaign(number: int, source: int | None) -> Campaign:
        title = f"Campaign {number} | \N{GREEK SMALL LETTER ALPHA}"
        return Campaign(number, title, source, number % len(_LANDINGS), number % len(_NETWORKS))

    def name(self, kind: str, number: int) -> str:
        """The name of an object."""
        names = _NAMES[kind]
        return names[number] if number < len(names) else f"{kind.capitalize()} {number}"

    def numbers(self, kind: str) -> range:
        """The numbers of all objects of a kind."""
        counts = {
            "campaign": len(self.campaigns),
            "source": self.sources,
            "stream": 3,
            "domain": 2,
        }
        return range(counts[kind] if kind in counts else len(_NAMES[kind]))

    def clicks(self, begin: int, end: int) -> Iterator[Clicks]:
        """The clicks of a range of epoch seconds that have happened; the end is excluded."""
        end = self.until_now(end)
        for day in self.days_between(begin, end):
            yield from (item for item in day.clicks if begin <= item.at < end)

    def conversions(self, begin: int, end: int) -> Iterator[Conversion]:
        """The conversions of such a range."""
        end = self.until_now(end)
        for day in self.days_between(begin, end):
            yield from (item for item in day.conversions if begin <= item.at < end)

    def _make_day(self, day: date) -> _Day:
        chance = seeded_random(f"{self.seed} {day}")
        start = midnight(day)
        contents = _Day([], [])
        for campaign in self.campaigns:
            for hour in _HOURS:
                at = start + hour * HOUR + chance.randrange(HOUR)
                offer = chance.randrange(len(_OFFERS))
                count = max(1, round(chance.randrange(5, 35) * self.scale))
                cpc = Decimal(chance.randrange(1, 200)) * Decimal("0.0125")
                cpc = cpc if campaign.source is not None else Decimal(0)
                contents.clicks.append(Clicks(at, campaign, offer, count, cpc))
                for number in range(round(chance.randrange(0, 3) * self.scale)):
                    contents.conversions.append(
                        self._conversion(chance, contents.clicks[-1], number)
                    )
        return contents

    def _conversion(self, chance: Random, clicks: Clicks, number: int) -> Conversion:
        kind = 1 if chance.random() < 0.75 else 2 + chance.randrange(3)  # noqa: PLR2004
        name = f"{self.seed} {clicks.at} {clicks.campaign.number} {number}"
        return Conversion(
            id=hashlib.sha256(f"conversion {name}".encode()).hexdigest()[:24],
            clickid=click_id(clicks, number % clicks.count),
            # In the same hour, which is also an hour of all time zones that tests use.
            at=clicks.at + (HOUR - 1 - clicks.at % HOUR) // 2,
            clicked_at=clicks.at,
            campaign=clicks.campaign,
            offer=clicks.offer,
            type=kind,
            status=chance.choice(_STATUSES),
            payout=Decimal(chance.randrange(500, 9000)) * _CENT,
        )

    # Changes

    def restate(
        self, begin: int, end: int, *, cost_percent: int = 100, payout_percent: int = 100
    ) -> None:
        """Change the cost of clicks and the payouts of conversions."""
        for day in self.days_between(begin, end):
            day.clicks = [
                replace(item, cpc=item.cpc * cost_percent / 100) if begin <= item.at < end else item
                for item in day.clicks
            ]
            day.conversions = [
                replace(item, payout=(item.payout * payout_percent / 100).quantize(_CENT))
                if begin <= item.at < end
                else item
                for item in day.conversions
            ]

    def decline(self, begin: int, end: int, count: int) -> list[str]:
        """Decline some approved conversions, and return their ids."""
        declined: list[str] = []
        for day in self.days_between(begin, end):
            for index, item in enumerate(day.conversions):
                approved = begin <= item.at < end and item.status == "approved"
                if approved and len(declined) < count:
                    day.conversions[index] = replace(item, status="declined")
                    declined.append(item.id)
        return declined

    def vanish(self, begin: int, end: int, source: int) -> None:
        """Remove the clicks and conversions of a source."""
        self._remove(begin, end, lambda campaign: campaign.source == source)

    def crowd(self, begin: int, end: int, campaigns: int, conversions: int = 0) -> None:
        """Replace a day with the clicks of new campaigns, each with its own source."""
        self._remove(begin, end, lambda _: True)
        noon = begin + 12 * HOUR
        day = self.day(utc_date(noon))
        for number in range(campaigns):
            campaign = self._campaign(10_000 + number, 10_000 + number)
            day.clicks.append(Clicks(noon, campaign, 0, 1 + number % 7, Decimal("0.0125")))
        chance = seeded_random(f"crowd {begin}")
        for number in range(conversions):
            day.conversions.append(self._conversion(chance, day.clicks[-1], number))

    def _remove(self, begin: int, end: int, is_removed: Callable[[Campaign], bool]) -> None:
        def stays(item: Clicks | Conversion) -> bool:
            return not (begin <= item.at < end and is_removed(item.campaign))

        for day in self.days_between(begin, end):
            day.clicks = [item for item in day.clicks if stays(item)]
            day.conversions = [item for item in day.conversions if stays(item)]


def click_id(clicks: Clicks, number: int) -> str:
    """The id of a single click."""
    name = f"click {clicks.at} {clicks.campaign.number} {number}"
    return hashlib.sha256(name.encode()).hexdigest()[:24]
