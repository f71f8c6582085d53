"""Finds contacts that change without a date: their company is renamed, or their stage is deleted.

Mautic writes the new name into the contacts of a company, and removes a deleted stage from its
contacts, by SQL that leaves ``date_modified`` as it is (seen on 5.1.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import RequestRejectedError
from tap_mautic.queries import MAX_IDS, STATS_KEY, Condition, mysql_datetime, sort_stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_mautic.client import MauticClient

#: Contacts are read even if the lists here are not readable.
_UNREADABLE = (RequestRejectedError, RetriableAPIError)
_NOT_SEARCHED = (
    "%s. Contacts whose company has a new name are not looked for: the next read of all contacts "
    "(contacts_whole_days) finds them"
)
#: If there are more contacts than this, the next read of all contacts finds them.
_MAX_MEMBERS = 50_000
_MEMBERS = "/api/stats/companies_leads"


def request_edited_companies(client: MauticClient, since: datetime) -> list[int]:
    """Request the companies that were edited, by their dates.

    Args:
        client: The view of the client that the contacts are read through.
        since: The time from which edits count.

    Returns:
        Their ids; none if the role may not see companies.
    """
    edited = (Condition("date_modified", "gte", mysql_datetime(since)),)
    try:
        return [
            int(row["id"])
            for rows in client.iter_by_id("/api/companies", "companies", edited)
            for row in rows
        ]
    except _UNREADABLE as error:
        client.logger.warning(_NOT_SEARCHED, error)
        return []


def request_members(client: MauticClient, companies: Sequence[int]) -> set[int]:
    """Request the contacts of companies, which have the names of these.

    Args:
        client: The view of the client that the contacts are read through.
        companies: The ids of the companies.

    Returns:
        The ids of the contacts; none if the role may not see which company they belong to, or if
        there are too many.
    """
    contacts: set[int] = set()
    try:
        for start in range(0, len(companies), MAX_IDS):
            for ids in _iter_members(client, companies[start : start + MAX_IDS]):
                contacts.update(ids)
                if len(contacts) > _MAX_MEMBERS:
                    client.logger.info(
                        "Companies with more than %d contacts were edited: should one have a new "
                        "name, the next read of all contacts finds it",
                        _MAX_MEMBERS,
                    )
                    return set()
    except _UNREADABLE as error:
        client.logger.warning(_NOT_SEARCHED, error)
        return set()
    return contacts


def request_stages(client: MauticClient) -> list[int] | None:
    """Request the ids of all stages; None if the role may not see them.

    Args:
        client: The view of the client that the contacts are read through.
    """
    try:
        return [
            int(row["id"]) for rows in client.iter_by_id("/api/stages", "stages") for row in rows
        ]
    except _UNREADABLE:
        return None


def _iter_members(client: MauticClient, companies: Sequence[int]) -> Iterator[list[int]]:
    conditions = (
        Condition("company_id", "in", ",".join(map(str, companies))),
        Condition("is_primary", "eq", 1),
    )
    order = sort_stats(["lead_id"])
    last = 0
    while rows := client.get_rows(
        _MEMBERS, STATS_KEY, order, (*conditions, Condition("lead_id", "gt", last))
    ):
        ids = [int(row["lead_id"]) for row in rows]
        if ids[0] <= last:
            raise client.ignored_filter_error({"lead_id": last}, rows[0])
        last = ids[-1]
        yield ids
