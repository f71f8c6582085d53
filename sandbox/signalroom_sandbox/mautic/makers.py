"""Entities as Mautic 5.1.1 has them: all properties of each entity's API metadata.

A number in place of another entity stands for that entity (see ``entities``). Secrets are where
Mautic has them: in headers of e-mails and webhooks, and in what a form does. All are made up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any


def _publish_details(number: int) -> dict[str, Any]:
    added = datetime.now(UTC).replace(microsecond=0) - timedelta(days=number)
    return {
        "isPublished": number % 4 != 0,
        "dateAdded": added.isoformat(),
        "dateModified": (added + timedelta(hours=2)).isoformat(),
        "createdBy": 1,
        "createdByUser": "Admin Sample",
        "modifiedBy": None,
        # Console commands leave an empty first name and an empty last name.
        "modifiedByUser": " " if number % 2 else None,
        "id": number,
    }


def _null(names: str) -> dict[str, None]:
    """Properties that are null."""
    return dict.fromkeys(names.split())


def _live() -> dict[str, Any]:
    return {"publishUp": None, "publishDown": None}


def _family() -> dict[str, Any]:
    return {
        "variantParent": None,
        "variantChildren": [],
        "translationParent": None,
        "translationChildren": [],
    }


def _category_of(number: int) -> int | None:
    return None if number % 2 else 1


def email(number: int) -> dict[str, Any]:
    """An e-mail."""
    return {
        **_publish_details(number),
        "name": f"Letter {number}",
        "subject": "Ihr Angebot für <b>heute</b> 🙂",
        "language": "en",
        "category": _category_of(number),
        "fromAddress": "news@example.com",
        "fromName": "Example",
        "replyToAddress": None,
        "bccAddress": None,
        "useOwnerAsMailer": False,
        "utmTags": {
            "utmSource": "example" if number % 2 else None,
            **_null("utmMedium utmCampaign utmContent"),
        },
        "customHtml": "<html><body>Sample</body></html>",
        "plainText": "Sample",
        "template": "blank",
        "emailType": "list" if number % 4 else "template",
        **_live(),
        "publicPreview": True,
        "readCount": number * 3,
        "sentCount": number * 10,
        "revision": 1,
        "assetAttachments": [],
        "variantStartDate": None,
        "variantSentCount": 0,
        "variantReadCount": 0,
        **_family(),
        "unsubscribeForm": None,
        "dynamicContent": [
            {
                "tokenName": "Dynamic Content 1",
                "content": "<html>Default Dynamic Content</html>",
                "filters": [
                    {
                        "content": None,
                        "filters": [{"glue": None, "field": None, "operator": None}],
                    }
                ],
            }
        ],
        "lists": [*range(1, number % 4 + 1)],
        "headers": {"X-Campaign": "sample", "Authorization": "Bearer made-up-header-of-an-email"}
        if number % 5 == 0
        else [],
    }


def _event(campaign_id: int, step: int) -> dict[str, Any]:
    is_webhook = step == 1
    webhook = {
        "url": "https://hooks.example.com/sample",
        "method": "post",
        "headers": {
            "list": [
                {"label": "Authorization", "value": "Bearer made-up-header-of-a-webhook"},
                {"label": "Accept", "value": "application/json"},
            ]
        },
        "additional_data": {"list": []},
        "timeout": 10,
    }
    return {
        "id": campaign_id * 100 + step,
        "name": f"Step {step}",
        "description": None,
        "type": "campaign.sendwebhook" if is_webhook else "email.send",
        "eventType": "action",
        "channel": None if is_webhook else "email",
        "channelId": None if is_webhook else 1,
        "order": step,
        "properties": webhook if is_webhook else {"email": 1, "email_type": "marketing"},
        "triggerDate": None,
        "triggerInterval": 1,
        "triggerIntervalUnit": "d",
        "triggerHour": "1970-01-01T09:30:00+00:00" if step == 2 else None,  # noqa: PLR2004
        "triggerRestrictedStartHour": None,
        "triggerRestrictedStopHour": None,
        "triggerRestrictedDaysOfWeek": [1, 2] if step == 2 else [],  # noqa: PLR2004
        "triggerMode": "interval",
        "decisionPath": "yes" if step else None,
        "parent": None,
        "children": [],
    }


def campaign(number: int) -> dict[str, Any]:
    """A campaign, in which each event follows another."""
    events = [_event(number, step) for step in range(number % 4)]
    for before, after in pairwise(events):
        own = {name: value for name, value in before.items() if name not in {"parent", "children"}}
        after["parent"] = own
        before["children"] = [{**after, "parent": None, "children": []}]
    return {
        **_publish_details(number),
        "name": f"Campaign {number}",
        "category": _category_of(number),
        "description": None,
        "allowRestart": False,
        **_live(),
        "events": events,
        "forms": [number] if number <= 2 else [],  # noqa: PLR2004 - some have one
        "lists": [1, 2] if number % 2 else [],
        "canvasSettings": {"nodes": [], "connections": []} if events else [],
        "deleted": None,
    }


def segment(number: int) -> dict[str, Any]:
    """A segment."""
    return {
        **_publish_details(number),
        "name": f"Segment {number}",
        "publicName": f"Segment {number}",
        "alias": f"segment-{number}",
        "description": None,
        "category": _category_of(number),
        "filters": [
            {
                "object": "lead",
                "glue": "and",
                "field": "email",
                "type": "email",
                "operator": "!empty",
                "properties": {"filter": None, "display": None},
                "filter": None,
                "display": None,
            }
        ],
        "isGlobal": True,
        "isPreferenceCenter": False,
    }


def _form_field(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "label": "E-mail",
        "showLabel": True,
        "alias": "email",
        "type": "email",
        "defaultValue": None,
        "isRequired": True,
        "validationMessage": None,
        "helpMessage": None,
        "order": 1,
        "properties": {"placeholder": None},
        "validation": [],
        "parent": None,
        "conditions": [],
        **_null("labelAttributes inputAttributes containerAttributes"),
        "leadField": "email",
        "saveResult": True,
        "isAutoFill": False,
        "mappedObject": "contact",
        "mappedField": "email",
    }


def _form_action(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": "Pass it on",
        "description": None,
        "type": "form.repost",
        "order": 1,
        "properties": {
            "post_url": "https://partner.example.com/in?key=made-up-key-of-a-form&form=1",
            "authorization_header": "Basic made-up-header-of-a-form",
            "failure_email": "failures@example.com",
            "email": None,
        },
    }


def form(number: int) -> dict[str, Any]:
    """A form; some post their submissions to a partner."""
    return {
        **_publish_details(number),
        "name": f"Form {number}",
        "alias": f"sample_{number}",
        "category": _category_of(number),
        "description": None,
        "cachedHtml": "<form></form>",
        **_live(),
        "fields": [_form_field(number)],
        "actions": [_form_action(number)] if number % 2 else [],
        "template": None,
        "inKioskMode": False,
        "renderStyle": False,
        "formType": "standalone",
        "postAction": "return",
        **_null("postActionProperty noIndex formAttributes language"),
    }


def asset(number: int) -> dict[str, Any]:
    """A file to download."""
    return {
        **_publish_details(number),
        "title": f"Asset {number}",
        "alias": f"sample-{number}",
        "category": _category_of(number),
        "description": None,
        "language": "en",
        **_live(),
        "downloadCount": number * 5,
        "uniqueDownloadCount": number * 4,
        "revision": 1,
        "extension": "pdf",
        "mime": "application/pdf",
        "size": number * 1000,
        "downloadUrl": f"https://mautic.example.com/asset/{number}:sample-{number}",
        "storageLocation": "local",
        "disallow": True,
    }


def page(number: int) -> dict[str, Any]:
    """A landing page."""
    return {
        **_publish_details(number),
        "title": f"Page {number}",
        "alias": f"sample-{number}",
        "category": _category_of(number),
        "language": "en",
        **_live(),
        "hits": number * 9,
        "uniqueHits": number * 7,
        "variantHits": 0,
        "revision": 1,
        **_null("metaDescription redirectType redirectUrl"),
        "isPreferenceCenter": False,
        "noIndex": None,
        "variantSettings": [],
        "variantStartDate": None,
        **_family(),
        "template": "blank",
        "customHtml": "<html></html>",
    }


def stage(number: int) -> dict[str, Any]:
    """A stage of contacts."""
    return {
        **_publish_details(number),
        "name": f"Stage {number}",
        "category": _category_of(number),
        "weight": number * 10,
        "description": None,
        **_live(),
    }


def category(number: int) -> dict[str, Any]:
    """A category: without dates and users."""
    return {
        "id": number,
        "title": f"Category {number}",
        "alias": f"category-{number}",
        "description": None,
        "color": "ff0000",
        "bundle": "email",
    }


def tag(number: int) -> dict[str, Any]:
    """A tag."""
    return {"id": number, "tag": f"tag-{number}", "description": None}


def user(number: int) -> dict[str, Any]:
    """A user."""
    return {
        **_publish_details(number),
        "username": f"user{number}",
        "firstName": "Sample",
        "lastName": f"Number {number}",
        "email": f"user{number}@example.com",
        "position": None,
        "role": {
            "createdByUser": None,
            "modifiedByUser": None,
            "id": 1,
            "name": "Administrator",
            "description": "Full system access",
            "isAdmin": True,
            "rawPermissions": [],
        },
        **_null("timezone locale lastLogin lastActive signature"),
    }
