"""What people made in this Mautic, and how each list of it looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Kind:
    """A list.

    Attributes:
        key: Under which an answer has it.
        by_id: Whether it is an object by id, and not a list.
        parents: Properties that must be null, unless something else is asked for.
    """

    key: str
    by_id: bool
    parents: tuple[str, ...] = ()


KINDS = {
    "assets": Kind("assets", by_id=False),
    "campaigns": Kind("campaigns", by_id=True),
    "categories": Kind("categories", by_id=False),
    "emails": Kind("emails", by_id=True, parents=("variantParent",)),
    "forms": Kind("forms", by_id=False),
    "pages": Kind("pages", by_id=False, parents=("variantParent", "translationParent")),
    "segments": Kind("lists", by_id=True),
    "stages": Kind("stages", by_id=False),
    "tags": Kind("tags", by_id=True),
    "users": Kind("users", by_id=False),
}


def made(version: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that there is, by list.

    Args:
        version: Mautic's.
    """
    makers: dict[str, tuple[int, Callable[[int], dict[str, Any]]]] = {
        "assets": (4, _asset),
        "campaigns": (8, _campaign),
        "categories": (5, _category),
        "emails": (46, _email),
        "forms": (5, _form),
        "pages": (12, _page),
        "segments": (6, _segment),
        "stages": (4, _stage),
        "tags": (35, _tag),
        "users": (3, _user),
    }
    found = {
        name: [make(number) for number in range(1, count + 1)]
        for name, (count, make) in makers.items()
    }
    for rows in found.values():
        for row in rows:
            if version < 6 and row["id"] % 3 == 0 and "dateModified" in row:  # noqa: PLR2004
                row["dateModified"] = None
    # Deleted, as the trash has it.
    found["campaigns"][2]["deleted"] = "2026-01-01T00:00:00+00:00"
    for name in ("emails", "pages"):
        _adopt(found[name])
    return found


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row, without what only the sandbox knows."""
    return {name: value for name, value in row.items() if name not in {"deleted", "segments"}}


def _adopt(rows: list[dict[str, Any]]) -> None:
    """Make some the variants or translations of others."""
    by_id = {row["id"]: row for row in rows}
    for parent, child, way in ((1, 4, "variant"), (1, 9, "variant"), (2, 6, "translation")):
        by_id[child][f"{way}Parent"] = {"id": parent, "name": by_id[parent].get("name")}
        children = by_id[parent][f"{way}Children"] or {}
        by_id[parent][f"{way}Children"] = {
            **children,
            str(child): {"id": child, "name": by_id[child].get("name")},
        }


def _published(number: int) -> dict[str, Any]:
    added = datetime.now(UTC).replace(microsecond=0) - timedelta(days=number)
    return {
        "id": number,
        "isPublished": number % 4 != 0,
        "dateAdded": added.isoformat(),
        "dateModified": (added + timedelta(hours=2)).isoformat(),
        "createdBy": 1,
        "createdByUser": "Admin Sample",
        "modifiedBy": None,
        "modifiedByUser": None,
    }


def _titled(number: int) -> dict[str, Any]:
    return {
        "alias": f"sample-{number}",
        "category": None if number % 2 else {"id": 1, "title": "Sample"},
        "description": None,
        "language": "en",
        "publishUp": None,
        "publishDown": None,
        "revision": 1,
    }


def _family() -> dict[str, Any]:
    return {
        "variantParent": None,
        "variantChildren": [],
        "translationParent": None,
        "translationChildren": [],
    }


def _email(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        "name": f"Letter {number}",
        "subject": "Ihr Angebot für <b>heute</b> 🙂",
        "language": "en",
        "category": None,
        "fromAddress": "news@example.com",
        "fromName": "Example",
        "replyToAddress": None,
        "bccAddress": None,
        "utmTags": [],
        "preheaderText": None,
        "customHtml": "<html><body>Sample</body></html>",
        "plainText": "Sample",
        "template": "blank",
        "emailType": "list" if number % 4 else "template",
        "publishUp": None,
        "publishDown": None,
        "readCount": number * 3,
        "sentCount": number * 10,
        "revision": 1,
        "variantStartDate": None,
        "variantSentCount": 0,
        "variantReadCount": 0,
        **_family(),
        "lists": {str(one): {"id": one, "name": f"Segment {one}"} for one in range(number % 4)}
        or [],
        # How many rows it makes where it is joined with its segments.
        "segments": max(1, number % 4),
    }


def _campaign(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        "name": f"Campaign {number}",
        "category": None,
        "description": None,
        "allowRestart": False,
        "publishUp": None,
        "publishDown": None,
        "events": {
            str(number * 100 + step): {
                "id": number * 100 + step,
                "name": f"Step {step}",
                "description": None,
                "type": "email.send",
                "eventType": "action",
                "channel": "email",
                "channelId": "1",
                "order": step,
                "properties": {"email": 1},
                "triggerDate": None,
                "triggerInterval": 1,
                "triggerIntervalUnit": "d",
                "triggerMode": "interval",
                "decisionPath": None,
                "parent": None,
                "children": [],
            }
            for step in range(number % 4)
        }
        or [],
        "forms": [],
        "lists": [],
        "canvasSettings": {"nodes": []},
        "deleted": None,
    }


def _segment(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        "name": f"Segment {number}",
        "publicName": f"Segment {number}",
        "alias": f"segment-{number}",
        "description": None,
        "category": None,
        "filters": [{"glue": "and", "field": "email", "operator": "!empty"}],
        "isGlobal": True,
        "isPreferenceCenter": False,
    }


def _form(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        **_titled(number),
        "name": f"Form {number}",
        "cachedHtml": "<form></form>",
        "fields": {str(number): {"id": number, "alias": "email", "type": "email"}},
        "actions": [],
        "template": None,
        "formType": "standalone",
        "postAction": "return",
        "postActionProperty": None,
    }


def _asset(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        **_titled(number),
        "title": f"Asset {number}",
        "downloadCount": number * 5,
        "uniqueDownloadCount": number * 4,
        "extension": "pdf",
        "mime": "application/pdf",
        "size": number * 1000,
        "downloadUrl": "https://mautic.example.com/asset/sample",
        "storageLocation": "local",
    }


def _page(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        **_titled(number),
        "title": f"Page {number}",
        "hits": number * 9,
        "uniqueHits": number * 7,
        "variantHits": 0,
        "metaDescription": None,
        "redirectType": None,
        "redirectUrl": None,
        "isPreferenceCenter": False,
        "template": "blank",
        "customHtml": "<html></html>",
        **_family(),
    }


def _stage(number: int) -> dict[str, Any]:
    more = {"name": f"Stage {number}", "weight": number * 10}
    return {**_published(number), **_titled(number), **more}


def _category(number: int) -> dict[str, Any]:
    more = {"title": f"Category {number}", "color": "ff0000", "bundle": "email"}
    return {**_published(number), "alias": f"category-{number}", "description": None, **more}


def _tag(number: int) -> dict[str, Any]:
    return {"id": number, "tag": f"tag-{number}", "description": None}


def _user(number: int) -> dict[str, Any]:
    return {
        **_published(number),
        "username": f"user{number}",
        "firstName": "Sample",
        "lastName": f"Number {number}",
        "email": f"user{number}@example.com",
        "position": None,
        "timezone": None,
        "locale": None,
        "lastLogin": None,
        "lastActive": None,
        "role": {"id": 1, "name": "Administrator"},
    }
