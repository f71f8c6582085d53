"""Records as the dlt pipeline had them: always the same, few, and of every kind that matters.

What dlt makes of them is in `targets/target-postgres/tests/dlt`, for tests without dlt.
"""

from __future__ import annotations

from harness.migration.legacy import Table

_STAMP = {"_client_id": "713", "_loaded_at": "2025-12-21T06:00:00+00:00"}
_DAY = {"affiliate_label": "Partner", "advertiser_label": "CCW", "clicks": 90, "conversions": 7}
_FLAG = {
    "id": 5,
    "key": "new-page",
    "name": "New page",
    "active": True,
    "filters": {"groups": [{"rollout_percentage": 50}], "payloads": {}},
    "created_by": {"id": 1, "email": "flag@example.com"},
    "created_at": "2025-05-01T08:00:00Z",
    "tags": ["web"],
}


def _field(alias: str, value: object) -> dict:
    """A field as Mautic sends it: only numbers are not text, and null is normalized to no text."""
    if value is not None and not isinstance(value, int):
        value = str(value)
    return {
        "id": "1",
        "label": alias.title(),
        "alias": alias,
        "type": "text",
        "value": value,
        "normalizedValue": "" if value is None else value,
    }


def _contact(number: int, **fields: object) -> dict:
    return {
        "id": number,
        "isPublished": True,
        "dateAdded": "2025-11-01T10:00:00+00:00",
        "dateModified": None,
        "points": 3,
        "fields": {
            "core": {name: _field(name, value) for name, value in fields.items()},
            "all": {"id": number, **fields},
        },
        "owner": {"id": 1, "firstName": "Admin"},
        "ipAddresses": {"192.0.2.7": {"ipAddress": "192.0.2.7", "id": 7}},
        "tags": [{"id": 1, "tag": "vip"}],
        "utmtags": [{"id": 4, "utmCampaign": "spring"}],
        "doNotContact": [],
    }


def _event(number: int, **properties: object) -> dict:
    identifier = f"00000000-0000-4000-8000-00000000000{number}"
    return {
        "uuid": identifier,
        "id": identifier,
        "distinct_id": "visitor",
        "event": "checkout",
        "properties": properties,
        "timestamp": f"2025-12-0{number}T08:30:00+00:00",
        "person": None,
        "elements": [],
        "elements_chain": "",
    }


def everflow(records: list[dict]) -> Table:
    """The table of these records."""
    return Table(
        "everflow", "daily_stats", "merge", ("date", "affiliate_id", "advertiser_id"), records
    )


TABLES = (
    everflow(
        [
            {"date": f"2025-12-0{day}", "affiliate_id": 7, "advertiser_id": 1}
            | _DAY
            | {"revenue": 100.5, "payout": 40.25, "profit": 60.25}
            | _STAMP
            for day in (1, 2, 3)
        ],
    ),
    Table(
        "redtrack",
        "daily_spend",
        "merge",
        ("date", "source_id"),
        [
            {"date": "2025-12-01", "source_id": name, "source_name": name.title()}
            | {"source_alias": "", "clicks": 12, "conversions": 1, "cost": 3.5}
            | {"_client_id": "713", "_loaded_at": "2025-12-21T06:00:00"}
            for name in ("google", "tiktok")
        ],
    ),
    Table(
        "s3_exports",
        "orders_create",
        "append",
        ("_file_name", "_row_id"),
        [
            {"orders_id": str(100 + row), "Click ID": "", "order_total": "89.95"}
            | {"_file_name": "bucket/orders-create/report_2025-12-01T0000_a.csv", "_row_id": row}
            | {"_file_date": "2025-12-01"}
            | _STAMP
            # The last file of a run was read again by the next.
            for row in (0, 1, 1)
        ],
    ),
    Table(
        "posthog",
        "events",
        "append",
        ("uuid",),
        [
            _event(
                1,
                **{
                    "$browser": "Firefox",
                    "$ip": "192.0.2.1",
                    "$set": {"email": "visitor@example.com"},
                    "planName": "pro",
                    "order_id": 17,
                    "paid": True,
                    "price": 9.5,
                    "ordered_at": "2025-12-01T08:00:00Z",
                    "items": ["a", "b"],
                },
            ),
            _event(2, **{"$browser": "Safari", "order_id": "A-17", "price": "free", "paid": "no"}),
        ],
    ),
    Table("posthog", "feature_flags", "replace", (), [_FLAG]),
    Table(
        "posthog",
        "experiments",
        "merge",
        ("id",),
        [
            {
                "id": 2,
                "name": "Price",
                "feature_flag": {"id": 5, "key": "new-page"},
                # Fields that a stream may not declare.
                "reach": 40,
                "reviewedAt": "2025-11-02T10:00:00Z",
                "decision": "none",
                "exposure_criteria": {"filterTestAccounts": True},
            }
        ],
    ),
    Table(
        "mautic",
        "contacts",
        "merge",
        ("id",),
        [
            _contact(1, email="one@example.com", city="Sample City", lifetime_value=12.5, orders=4),
            _contact(
                2,
                email="two@example.com",
                city=None,
                is_member="1",
                last_order="2025-11-01 10:00:00",
                orders=None,
            ),
        ],
    ),
    Table(
        "mautic",
        "emails",
        "merge",
        ("id",),
        [
            {
                "id": 1,
                "name": "Welcome",
                "customHtml": "<p>",
                "lists": {"1": {"id": 1, "name": "All"}},
            }
        ],
    ),
    Table(
        "mautic",
        "campaigns",
        "merge",
        ("id",),
        [{"id": 1, "name": "Spring", "events": {"100": {"id": 100, "properties": {"email": 1}}}}],
    ),
)
