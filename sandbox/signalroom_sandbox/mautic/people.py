"""Contacts and companies as lists have them: fields by group, each with its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.customfields import COMPANY_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from sqlite3 import Row

    from signalroom_sandbox.mautic.switches import Switches
    from signalroom_sandbox.mautic.world import World

_GROUPS = ("core", "social", "personal", "professional")
_ISO = "{}+00:00"
#: Properties of every nested entity.
_MAKERS = {"createdByUser": "Admin Sample", "modifiedByUser": None}


def contact(
    row: Row,
    world: World,
    tags: list[str],
    entries: list[dict[str, Any]],
    switches: Switches,
) -> dict[str, Any]:
    """A contact.

    Args:
        row: A row of the table.
        world: The database, for its fields.
        tags: Names of its tags.
        entries: Its entries in the table of contacts not to be sent to.
        switches: How the instance behaves.
    """
    number = row["id"]
    stage = row["stage_id"]
    return {
        "isPublished": bool(row["is_published"]),
        "dateAdded": iso(row["date_added"]),
        "dateModified": iso(row["date_modified"]),
        "createdBy": row["created_by"],
        "createdByUser": row["created_by_user"],
        "modifiedBy": row["modified_by"],
        "modifiedByUser": row["modified_by_user"],
        "id": number,
        "points": row["points"],
        "color": row["color"],
        "fields": _fields(row, world.published_fields(), _GROUPS, switches, points=row["points"]),
        "lastActive": iso(row["last_active"]),
        "owner": row["owner_id"]
        and {
            **_MAKERS,
            "id": row["owner_id"],
            "username": "admin",
            "firstName": "Admin",
            "lastName": "Sample",
        },
        "ipAddresses": _many(_addresses(number), "ipAddress", by=switches.relations_by_id),
        "tags": _many(
            [{"id": len(tag), "tag": tag, "description": None} for tag in tags],
            "tag",
            by=switches.tags_by_name,
        ),
        "utmtags": [_utm(number)] if number % 9 == 0 else [],
        "stage": stage
        and {
            **_MAKERS,
            "id": stage,
            "name": f"Stage {stage}",
            "category": None,
            "weight": stage * 10,
            "description": None,
        },
        "dateIdentified": iso(row["date_identified"]),
        "preferredProfileImage": row["preferred_profile_image"],
        "doNotContact": [
            {name: item[name] for name in ("id", "reason", "comments", "channel")}
            | {"channelId": item["channel_id"]}
            for item in entries
        ],
        "frequencyRules": _many(_frequency(number), "channel", by=switches.relations_by_id),
    }


def company(row: Row, switches: Switches) -> dict[str, Any]:
    """A company: only its fields and its score."""
    fields = [(number, *field) for number, field in enumerate(COMPANY_FIELDS, start=1)]
    return {
        "id": row["id"],
        "score": row["score"],
        "fields": _fields(row, fields, ("core", "professional", "other"), switches),
    }


def iso(text: str | None) -> str | None:
    """A moment of the database as entities have it."""
    return text and _ISO.format(text.replace(" ", "T"))


def _many(items: list[dict[str, Any]], key: str, *, by: bool) -> Any:
    return {item[key]: item for item in items} if items and by else items


def _addresses(number: int) -> list[dict[str, Any]]:
    details = {"city": "Sample City", "country": "Germany", "zipcode": "", "extra": ""}
    return [{"ipAddress": "192.0.2.7", "id": 7, "ipDetails": details}] if number % 2 else []


def _frequency(number: int) -> list[dict[str, Any]]:
    rule = {
        "channel": "email",
        "frequencyNumber": 2,
        "frequencyTime": "WEEK",
        "preferredChannel": True,
        "pauseFromDate": None,
        "pauseToDate": None,
    }
    return [rule] if number % 8 == 0 else []


def _utm(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "query": None,
        "referer": None,
        "remoteHost": "198.51.100.9",
        "url": "https://www.example.com/landing",
        "userAgent": "Mozilla/5.0 (sample)",
        "utmCampaign": "spring",
        "utmContent": None,
        "utmMedium": None,
        "utmSource": "example",
        "utmTerm": None,
    }


def _fields(
    row: Row,
    definitions: Iterable[tuple[int, str, str, str]],
    groups: tuple[str, ...],
    switches: Switches,
    **more: Any,
) -> dict[str, Any]:
    by_group: dict[str, Any] = {group: {} for group in groups}
    every: dict[str, Any] = {"id": str(row["id"]), **more}
    for number, alias, kind, group in definitions:
        value = row[alias]
        # Only numbers are not text.
        if kind != "number" and value is not None:
            value = str(value)
        by_group[group][alias] = {
            "id": str(number),
            "label": alias,
            "alias": alias,
            "type": kind,
            "group": group,
            "object": "lead",
            "is_fixed": "1",
            "properties": "a:0:{}",
            "default_value": None,
            "value": value,
            "normalizedValue": "" if value is None else value,
        }
        every[alias] = value
    # PHP writes an empty map as a list.
    payload = {group: fields or [] for group, fields in by_group.items()}
    return payload if switches.without_all else {**payload, "all": every}
