"""Contacts that were merged into others, or deleted, as the audit log records it.

Mautic merges every day: a known contact that sends a form from a new browser is merged into the
new, anonymous one, so the known id is gone. Rows of statistics move to the contact that stays, and
no date says so.
https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Deduplicate/ContactMerger.php
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_mautic.queries import Condition

if TYPE_CHECKING:
    from datetime import datetime

AUDIT_LOG = "/api/stats/audit_log"
#: Entries of the audit log about contacts, and those about merges.
ABOUT_CONTACTS = (Condition("bundle", "eq", "lead"), Condition("object", "eq", "lead"))
ABOUT_MERGES = (*ABOUT_CONTACTS, Condition("action", "eq", "merge"))
ABOUT_GONE = (*ABOUT_CONTACTS, Condition("action", "in", "delete,merge"))
#: In PHP's own notation of an array.
_WINNER = re.compile(r'"merged_into";(?:i:|s:\d+:")(\d+)')


def merge_winner(entry: dict[str, Any]) -> int | None:
    """Find the contact that stays after a merge.

    Args:
        entry: A row of the audit log about a merge.
    """
    match = _WINNER.search(str(entry.get("details")))
    return int(match[1]) if match else None


@dataclass
class Merges:
    """Merges that the audit log records, and deletions, if they were requested.

    Attributes:
        winners: For each contact that was merged, the contact that it was merged into.
        dates: For each contact that was merged, the time of the merge in UTC.
        gone: For each contact that was merged or deleted, the time of the last entry in UTC.
        entries: For each contact that was merged, the id of the last entry about it.
    """

    winners: dict[int, int] = field(default_factory=dict)
    dates: dict[int, datetime] = field(default_factory=dict)
    gone: dict[int, datetime] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._losers: dict[int, list[int]] = {}
        for loser, winner in self.winners.items():
            self._losers.setdefault(winner, []).append(loser)

    def final_contact(self, contact: int) -> int:
        """Find the contact at the end of a chain of merges.

        Args:
            contact: The id of any contact of the chain.
        """
        chain = {contact}
        while (winner := self.winners.get(contact)) is not None and winner not in chain:
            chain.add(contact := winner)
        return contact

    def all_losers(self, contact: int) -> list[int]:
        """List the contacts that were merged into another, over any number of merges.

        Args:
            contact: The id of the contact that they were merged into.
        """
        losers: list[int] = []
        unvisited = [contact]
        while unvisited:
            direct = self._losers.get(unvisited.pop(), ())
            fresh = [loser for loser in direct if loser not in losers and loser != contact]
            losers += fresh
            unvisited += fresh
        return losers

    def winners_since(self, since: datetime) -> list[int]:
        """List the contacts that have got rows of others.

        Args:
            since: The time of the first merge that counts.
        """
        losers = [loser for loser, merged_at in self.dates.items() if merged_at >= since]
        return sorted({self.final_contact(loser) for loser in losers})

    def gone_since(self, since: datetime) -> list[int]:
        """List the contacts that were merged or deleted.

        Args:
            since: The time of the first entry that counts.
        """
        return sorted(contact for contact, gone_at in self.gone.items() if gone_at >= since)
