"""Contacts that were merged into others, by the audit log.

Mautic merges every day: a known contact that sends a form from a new browser goes into the new,
anonymous one, so that the id that was known is gone. Rows of statistics move to the id that stays,
and have no date of that.
https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Deduplicate/ContactMerger.php
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from signalroom_singer import RequestRejectedError
from tap_mautic.queries import Is, moment, order

if TYPE_CHECKING:
    from tap_mautic.client import MauticStream

AUDIT = "/api/stats/audit_log"
OF_CONTACTS = (Is("bundle", "eq", "lead"), Is("object", "eq", "lead"))
_MERGED = (*OF_CONTACTS, Is("action", "eq", "merge"))
#: PHP's own way of writing an array.
_WINNER = re.compile(r'"merged_into";(?:i:|s:\d+:")(\d+)')


def winner_of(row: dict[str, Any]) -> int | None:
    """The contact that stays, of an entry of the audit log.

    Args:
        row: The entry.
    """
    match = _WINNER.search(str(row.get("details")))
    return int(match[1]) if match else None


@dataclass
class Merges:
    """All merges that the audit log knows.

    Attributes:
        winners: By each contact that is gone, the one that it went into.
        dates: When, in UTC.
    """

    winners: dict[int, int] = field(default_factory=dict)
    dates: dict[int, datetime] = field(default_factory=dict)

    def final(self, contact: int) -> int:
        """The contact at the end of a chain of merges.

        Args:
            contact: Any of the chain.
        """
        seen = {contact}
        while (following := self.winners.get(contact)) is not None and following not in seen:
            seen.add(contact := following)
        return contact

    def merged_into(self, contact: int) -> list[int]:
        """The contacts that are in another by now, over any number of merges.

        Args:
            contact: The other.
        """
        found: list[int] = []
        todo = [contact]
        while todo:
            before = self._losers.get(todo.pop(), ())
            fresh = [one for one in before if one not in found and one != contact]
            found += fresh
            todo += fresh
        return found

    def __post_init__(self) -> None:
        self._losers: dict[int, list[int]] = {}
        for loser, winner in self.winners.items():
            self._losers.setdefault(winner, []).append(loser)

    def finals(self, since: datetime) -> list[int]:
        """The contacts that have rows of others since then.

        Args:
            since: Since when.
        """
        return sorted({self.final(one) for one, at in self.dates.items() if at >= since})


def read_merges(stream: MauticStream, since: datetime | None = None) -> Merges:
    """Read merges; none where the role may not see the audit log.

    Args:
        stream: That asks.
        since: Since when; all that the log has otherwise.
    """
    conditions = (*_MERGED, Is("date_added", "gte", moment(since))) if since else _MERGED
    winners: dict[int, int] = {}
    dates: dict[int, datetime] = {}
    try:
        for rows in stream.by_id(AUDIT, "stats", conditions, params=order(["id"])):
            for row in rows:
                if (winner := winner_of(row)) is not None:
                    loser = int(row["object_id"])
                    winners[loser], dates[loser] = winner, _moment(str(row["date_added"]))
    except RequestRejectedError as error:
        stream.logger.warning(
            "%s. Which contacts were merged is not known: their old rows keep the id that is gone",
            error,
        )
        return Merges()
    return Merges(winners, dates)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
