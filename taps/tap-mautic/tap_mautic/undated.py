"""Contacts that change without a date: their company is renamed, or their stage is deleted.

Mautic writes the new name into the contacts of a company, and takes a stage that is deleted out of
its contacts, by SQL that leaves ``date_modified`` as it is (seen on 5.1.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import RequestRejectedError
from tap_mautic.queries import MOST_NAMED, Is, moment, order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_mautic.client import MauticStream

#: Contacts are read though these are not.
_UNREADABLE = (RequestRejectedError, RetriableAPIError)
_NOT_LOOKED_FOR = (
    "%s. Contacts whose company has a new name are not looked for: the next read of all contacts "
    "(contacts_whole_days) finds them"
)
#: With more contacts than this the next read of all contacts finds them.
_MOST_MEMBERS = 50_000


def edited_companies(stream: MauticStream, since: datetime) -> list[int]:
    """The companies that were edited, by their dates.

    Args:
        stream: Of contacts.
        since: Since when.

    Returns:
        Their ids; none where the role may not see companies.
    """
    edited = (Is("date_modified", "gte", moment(since)),)
    try:
        return [
            int(row["id"])
            for rows in stream.by_id("/api/companies", "companies", edited)
            for row in rows
        ]
    except _UNREADABLE as error:
        stream.logger.warning(_NOT_LOOKED_FOR, error)
        return []


def contacts_of(stream: MauticStream, companies: Sequence[int]) -> set[int]:
    """The contacts of companies, which have the names of these.

    Args:
        stream: Of contacts.
        companies: Their ids.

    Returns:
        Ids; none where the role may not see who is of which company, or there are too many.
    """
    contacts: set[int] = set()
    try:
        for start in range(0, len(companies), MOST_NAMED):
            for ids in _members(stream, companies[start : start + MOST_NAMED]):
                contacts.update(ids)
                if len(contacts) > _MOST_MEMBERS:
                    stream.logger.info(
                        "Companies with more than %d contacts were edited: should one have a new "
                        "name, the next read of all contacts finds it",
                        _MOST_MEMBERS,
                    )
                    return set()
    except _UNREADABLE as error:
        stream.logger.warning(_NOT_LOOKED_FOR, error)
        return set()
    return contacts


def stages(stream: MauticStream) -> list[int] | None:
    """The ids of all stages, or none where the role may not see them.

    Args:
        stream: Of contacts.
    """
    try:
        return [int(row["id"]) for rows in stream.by_id("/api/stages", "stages") for row in rows]
    except _UNREADABLE:
        return None


def _members(stream: MauticStream, companies: Sequence[int]) -> Iterator[list[int]]:
    conditions = (
        Is("company_id", "in", ",".join(map(str, companies))),
        Is("is_primary", "eq", 1),
    )
    last = 0
    while rows := stream.ask(
        "/api/stats/companies_leads",
        "stats",
        order(["lead_id"]),
        (*conditions, Is("lead_id", "gt", last)),
    ):
        ids = [int(row["lead_id"]) for row in rows]
        if ids[0] <= last:
            raise stream.unfiltered({"lead_id": last}, rows[0])
        last = ids[-1]
        yield ids
