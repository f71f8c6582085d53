"""Contacts that are gone: deleted, or merged into others, as far as the audit log goes back.

Mautic's own clean-up deletes contacts without a word, and old entries of the log too.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import RequestRejectedError
from tap_mautic.merges import OF_CONTACTS, winner_of
from tap_mautic.queries import Is
from tap_mautic.tables import StatsStream, columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record


class _GoneStream(StatsStream):
    table = "audit_log"
    dates = ("date_added",)
    replication_key = "date_added"
    conditions = (*OF_CONTACTS, Is("action", "in", "delete,merge"))

    @override
    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        for rows in super().read_step(conditions, after):
            for row in rows:
                row["object_id"] = int(row["object_id"])
                row["merged_into"] = winner_of(row) if row["action"] == "merge" else None
            # Of a merge there is an entry "merge" and an entry "delete": they are one.
            yield [row for row in rows if row["action"] == "merge" or not self._is_merged(row)]

    def _is_merged(self, row: Record) -> bool:
        return row["object_id"] in self._tap.merges(self).winners


class ContactDeletions(_GoneStream):
    """Contacts that were deleted, or merged into others, as far as the audit log tells.

    Mautic's own clean-up deletes contacts without a word, and old entries of the log too.
    """

    name = "contact_deletions"
    selected_by_default = False
    schema = columns("id; contact_id action merged_into_id date_added user_id user_name")

    @override
    def cleaned(self, row: Record) -> Record:
        kept = ("id", "action", "date_added", "user_id", "user_name")
        return {
            "contact_id": row["object_id"],
            "merged_into_id": row["merged_into"],
            **{name: row.get(name) for name in kept},
        }


class GoneContacts(_GoneStream):
    """Contacts that are gone, each once, and which one has their rows now.

    A row changes when the contact that another went into goes itself.
    """

    name = "gone_contacts"
    primary_keys = ("contact_id",)
    schema = th.PropertiesList(
        th.Property("contact_id", th.IntegerType, required=True),
        th.Property("action", th.StringType, description="`merge`, or `delete`"),
        th.Property("merged_into_id", th.IntegerType, description="The contact it went into"),
        th.Property(
            "final_id",
            th.IntegerType,
            description="The contact that has its rows now, over all merges; empty if deleted",
        ),
        th.Property("date_added", th.DateTimeType, description="When it went"),
        th.Property(
            "id", th.IntegerType, description="The last entry of the audit log that is about it"
        ),
    ).to_dict()

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        # Contacts are read whole, whatever start_date says.
        return super().steps(since) if since else [()]

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
    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        for rows in super().read_step(conditions, after):
            yield [row for entry in rows for row in self._changed(entry)]

    def _changed(self, entry: Record) -> list[dict[str, Any]]:
        """The contact of an entry, and those that had gone into it before."""
        contact = entry["object_id"]
        is_merge = entry["action"] == "merge"
        merges = self._tap.merges(self, contact if is_merge else 0)
        kept = {"id": entry["id"], "final_id": merges.final(contact) if is_merge else None}
        first = {
            **kept,
            "contact_id": contact,
            "action": entry["action"],
            "merged_into_id": entry["merged_into"],
            "date_added": entry["date_added"],
        }
        return [
            first,
            *(
                {
                    **kept,
                    "contact_id": one,
                    "action": "merge",
                    "merged_into_id": merges.winners[one],
                    "date_added": merges.dates[one].isoformat(),
                }
                for one in merges.merged_into(contact)
            ),
        ]

    @override
    def cleaned(self, row: Record) -> Record:
        return row
