"""What the dlt pipeline was given: records of the sandbox's vendors, in the shapes of its sources.

Facts of the pipeline, not its code: names, keys and write dispositions of its tables, and `713` as
the client of each row where nobody set another.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import requests

if TYPE_CHECKING:
    from collections.abc import Iterable

CLIENT = "713"
LOADED_AT = datetime(2025, 12, 21, 6, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Table:
    """A table of the dlt pipeline.

    Attributes:
        dataset: The schema, and the source.
        name: Of the table.
        disposition: How dlt wrote it.
        key: dlt's hint; empty if it had none.
        records: As the source gave them to dlt.
    """

    dataset: str
    name: str
    disposition: str
    key: tuple[str, ...]
    records: list[dict[str, Any]]

    def spec(self) -> dict[str, Any]:
        """For `dlt_tables.py`."""
        return {
            "name": self.name,
            "write_disposition": self.disposition,
            "primary_key": list(self.key) or None,
            "records": self.records,
        }


#: Variables of the dlt pipeline's `.env`, and the settings' own, by which the sandbox names them.
VARIABLES = {
    "EVERFLOW_API_KEY": "TAP_EVERFLOW_API_KEY",
    "EVERFLOW_BASE_URL": "TAP_EVERFLOW_API_URL",
    "REDTRACK_API_KEY": "TAP_REDTRACK_API_KEY",
    "REDTRACK_BASE_URL": "TAP_REDTRACK_API_URL",
    "POSTHOG_API_KEY": "TAP_POSTHOG_API_KEY",
    "POSTHOG_PROJECT_ID": "TAP_POSTHOG_PROJECT_ID",
    "POSTHOG_HOST": "TAP_POSTHOG_API_URL",
    "MAUTIC_BASE_URL": "TAP_MAUTIC_API_URL",
    "MAUTIC_CLIENT_ID": "TAP_MAUTIC_OAUTH_CLIENT_ID",
    "MAUTIC_CLIENT_SECRET": "TAP_MAUTIC_OAUTH_CLIENT_SECRET",
    "S3_BUCKET_NAME": "TAP_STICKY_S3_BUCKET",
    "AWS_ACCESS_KEY_ID": "TAP_STICKY_S3_AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY": "TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY",
}


def dotenv(sandbox) -> dict[str, str]:
    """The dlt pipeline's `.env`, for the sandbox; and what only a sandbox needs."""
    known = {legacy: sandbox.dotenv[own] for legacy, own in VARIABLES.items()}
    return known | {
        "S3_PREFIXES": "orders-create,orders-update",
        "TAP_STICKY_S3_ENDPOINT_URL": sandbox.dotenv["TAP_STICKY_S3_ENDPOINT_URL"],
    }


def tables(sandbox, today: date, days: int = 44) -> list[Table]:
    """All tables, with the days before the last four: these are the new pipeline's."""
    span = [today - timedelta(days=days) + timedelta(days=number) for number in range(days - 4)]
    s3 = [
        Table("s3_exports", name.replace("-", "_"), "append", ("_file_name", "_row_id"), records)
        for name in ("orders-create", "orders-update")
        if (records := list(_files(sandbox, name, limit=4)))
    ]
    return [
        Table(
            "everflow",
            "daily_stats",
            "merge",
            ("date", "affiliate_id", "advertiser_id"),
            _everflow(sandbox, span[0], span[-1]),
        ),
        Table("redtrack", "daily_spend", "merge", ("date", "source_id"), _redtrack(sandbox, span)),
        Table("posthog", "events", "append", ("uuid",), _events(sandbox)),
        Table("posthog", "feature_flags", "replace", (), _posthog(sandbox, "feature_flags")),
        Table("posthog", "experiments", "merge", ("id",), _posthog(sandbox, "experiments")),
        *(
            Table("mautic", name, "merge", ("id",), _mautic(sandbox, name))
            for name in ("contacts", "emails", "campaigns")
        ),
        *s3,
    ]


def _stamp(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"_client_id": CLIENT, "_loaded_at": LOADED_AT.isoformat()}


def _everflow(sandbox, first: date, last: date) -> list[dict[str, Any]]:
    answer = requests.post(
        f"{sandbox.everflow_url}/v1/networks/reporting/entity/table",
        headers={"X-Eflow-API-Key": sandbox.dotenv["TAP_EVERFLOW_API_KEY"]},
        json={
            "from": first.isoformat(),
            "to": last.isoformat(),
            "timezone_id": 80,
            "currency_id": "USD",
            "columns": [{"column": name} for name in ("affiliate", "advertiser", "date")],
            "query": {"filters": []},
        },
        timeout=60,
    )
    answer.raise_for_status()
    found = []
    for row in answer.json()["table"]:
        by = {column["column_type"]: column for column in row["columns"]}
        sums = row["reporting"]
        day = datetime.fromtimestamp(int(by["date"]["id"]), UTC).date()
        found.append(
            _stamp(
                {
                    "date": day.isoformat(),
                    "affiliate_id": int(by["affiliate"]["id"]),
                    "affiliate_label": by["affiliate"]["label"],
                    "advertiser_id": int(by["advertiser"]["id"]),
                    "advertiser_label": by["advertiser"]["label"],
                    "clicks": int(sums["total_click"]),
                    "conversions": int(sums["cv"]),
                    **{name: float(sums[name]) for name in ("revenue", "payout", "profit")},
                }
            )
        )
    return found


def _redtrack(sandbox, days: Iterable[date]) -> list[dict[str, Any]]:
    found = []
    for day in days:
        answer = requests.get(
            f"{sandbox.redtrack_url}/report",
            params={
                "api_key": sandbox.dotenv["TAP_REDTRACK_API_KEY"],
                "date_from": day.isoformat(),
                "date_to": day.isoformat(),
                "timezone": "America/New_York",
                "group": "source",
            },
            timeout=60,
        )
        answer.raise_for_status()
        rows = answer.json()
        found += [
            {
                "date": day.isoformat(),
                "source_id": str(row["source_id"]),
                "source_name": row.get("source") or "",
                "source_alias": row.get("source_alias") or "",
                "clicks": int(row["clicks"]),
                "conversions": int(row["conversions"]),
                "cost": float(row["cost"]),
                "_client_id": CLIENT,
                # Without a zone, as this source alone wrote it.
                "_loaded_at": LOADED_AT.replace(tzinfo=None).isoformat(),
            }
            for row in (rows if isinstance(rows, list) else rows["items"])
            if row.get("source_id")
        ]
    return found


def _posthog(sandbox, path: str, **query: Any) -> list[dict[str, Any]]:
    project = sandbox.dotenv["TAP_POSTHOG_PROJECT_ID"]
    answer = requests.get(
        f"{sandbox.posthog_url}/api/projects/{project}/{path}/",
        headers={"Authorization": f"Bearer {sandbox.dotenv['TAP_POSTHOG_API_KEY']}"},
        params=query,
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["results"]


def _events(sandbox) -> list[dict[str, Any]]:
    """Some of the last days', older first; with the `uuid` that the pipeline's key names."""
    now = datetime.now(UTC)
    found = _posthog(sandbox, "events", after=(now - timedelta(days=10)).isoformat(), limit=400)
    return [OLD_EVENT, *({"uuid": one["id"], **one} for one in reversed(found))]


#: Older than what the new pipeline reads, with properties that dlt names otherwise, and one of
#: another type than all others have.
OLD_EVENT = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "id": "00000000-0000-4000-8000-000000000001",
    "distinct_id": "visitor",
    "event": "checkout",
    "properties": {"order_id": "A-17", "planName": "pro", "$feature/new-page": True},
    "timestamp": "2025-06-01T08:30:00+00:00",
    "person": None,
    "elements": [],
    "elements_chain": "",
}


def _mautic(sandbox, path: str) -> list[dict[str, Any]]:
    token = requests.post(
        f"{sandbox.mautic_url}/oauth/v2/token",
        data={
            "grant_type": "client_credentials",
            "client_id": sandbox.dotenv["TAP_MAUTIC_OAUTH_CLIENT_ID"],
            "client_secret": sandbox.dotenv["TAP_MAUTIC_OAUTH_CLIENT_SECRET"],
        },
        timeout=60,
    ).json()["access_token"]
    answer = requests.get(
        f"{sandbox.mautic_url}/api/{path}",
        headers={"Authorization": f"Bearer {token}"},
        params={"limit": 100, "start": 0},
        timeout=60,
    )
    answer.raise_for_status()
    items = answer.json()[path]
    return [*(items.values() if isinstance(items, dict) else items)]


def _files(sandbox, prefix: str, limit: int) -> Iterable[dict[str, Any]]:
    client = boto3.client(
        "s3",
        endpoint_url=sandbox.s3_url,
        region_name="us-east-1",
        aws_access_key_id=sandbox.dotenv["TAP_STICKY_S3_AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=sandbox.dotenv["TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY"],
    )
    for one in sandbox.control.s3.objects(f"{prefix}/")[:limit]:
        body = client.get_object(Bucket=sandbox.bucket, Key=one["key"])["Body"].read()
        day = one["key"].split("report_")[1][:10]
        for number, row in enumerate(csv.DictReader(io.StringIO(body.decode()))):
            yield _stamp(
                {
                    **row,
                    "_file_name": f"{sandbox.bucket}/{one['key']}",
                    "_row_id": number,
                    "_file_date": day,
                }
            )
