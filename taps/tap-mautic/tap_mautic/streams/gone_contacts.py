"""Contacts that are gone: deleted, or merged into others, as far as the audit log goes back.

Mautic's own clean-up deletes contacts without an entry, and old entries of the log too.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import RequestRejectedError
from tap_mautic.merges import ABOUT_GONE, merge_winner
from tap_mautic.streams._stats_base import StatsStream, stats_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record

    from tap_mautic.queries import Condition


class _GoneStream(StatsStream):
    table = "audit_log"
    conditions = ABOUT_GONE
    # Mautic's clean-up takes away old entries, not what they say.
    keeps_vanished = True

    @override
    def read_step(self, conditions: Sequence[Condition], after: int) -> Iterator[list[Record]]:
        for rows in super().read_step(conditions, after):
            for row in rows:
                row["object_id"] = int(row["object_id"])
                row["merged_into"] = merge_winner(row) if row["action"] == "merge" else None
            yield [row for row in rows if row["action"] == "merge" or not self._is_of_merge(row)]

    def _is_of_merge(self, deletion: Record) -> bool:
        """Whether a deletion is that of a merge: Mautic logs both, and they count as one.

        A contact that was deleted before may have come back from a backup, and was merged then.
        """
        merge = self.client.request_merges().entries.get(deletion["object_id"])
        return merge is not None and merge < int(deletion["id"])


class ContactDeletions(_GoneStream):
    """Deletions and merges of contacts, one row each, from the audit log."""

    name = "contact_deletions"
    schema = stats_schema("id; contact_id action merged_into_id date_added user_id user_name")

    @override
    def clean(self, row: Record) -> Record:
        names = ("id", "action", "date_added", "user_id", "user_name")
        return {
            "contact_id": row["object_id"],
            "merged_into_id": row["merged_into"],
            **{name: row.get(name) for name in names},
        }


class GoneContacts(_GoneStream):
    """Contacts that are gone, one row each, and which contact has their rows now.

    A row changes when the contact that it was merged into is merged or deleted itself.
    """

    name = "gone_contacts"
    selected_by_default = True
    primary_keys = ("contact_id",)
    schema = th.PropertiesList(
        th.Property("contact_id", th.IntegerType, required=True),
        th.Property("action", th.StringType, description="`merge`, or `delete`"),
        th.Property("merged_into_id", th.IntegerType, description="The contact it was merged into"),
        th.Property(
            "final_id",
            th.IntegerType,
            description="The contact that has its rows now, over all merges; empty if deleted",
        ),
        th.Property("date_added", th.DateTimeType, description="When it was merged or deleted"),
        th.Property("id", th.IntegerType, description="The last entry of the audit log about it"),
    ).to_dict()

    @property
    @override
    def start(self) -> None:
        # All contacts are read, whatever start_date is.
        return None

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        try:
            yield from super().read(context)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            self.logger.warning(
                "%s. Contacts that are gone are not known, as the audit log cannot be read", error
            )

    @override
    def read_step(self, conditions: Sequence[Condition], after: int) -> Iterator[list[Record]]:
        for rows in super().read_step(conditions, after):
            yield [row for entry in rows for row in self._rows_of_entry(entry)]

    def _rows_of_entry(self, entry: Record) -> list[dict[str, Any]]:
        """Make the row of an entry's contact, and of those that were merged into it before."""
        contact = entry["object_id"]
        is_merge = entry["action"] == "merge"
        merges = self.client.request_merges(contact if is_merge else 0)
        final_id = merges.final_contact(contact) if is_merge else None
        common = {"id": entry["id"], "final_id": final_id}
        first = {
            **common,
            "contact_id": contact,
            "action": entry["action"],
            "merged_into_id": entry["merged_into"],
            "date_added": entry["date_added"],
        }
        return [
            first,
            *(
                {
                    **common,
                    "contact_id": loser,
                    "action": "merge",
                    "merged_into_id": merges.winners[loser],
                    "date_added": merges.dates[loser].isoformat(),
                }
                for loser in merges.all_losers(contact)
            ),
        ]

    @override
    def clean(self, row: Record) -> Record:
        return row
