"""Other tables of HogQL's: https://posthog.com/docs/sql."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from tap_posthog.client import PROJECT_ID, project_of
from tap_posthog.hogql import HogQLSpanStream, HogQLStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record


class Persons(HogQLStream):
    """Persons; whole each time, as nothing tells which were changed."""

    name = "persons"
    table = "persons"
    ties = ("id",)
    primary_keys = ("id",)
    selected_by_default = False
    state_partitioning_keys = ()
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("created_at", th.DateTimeType),
        th.Property("properties", th.ObjectType(additional_properties=True)),
        th.Property("is_identified", th.BooleanType),
        PROJECT_ID,
    ).to_dict()

    @override
    def columns(self) -> list[str]:
        # Nothing but personal data.
        wanted = self.config["include_personal_data"]
        return [name for name in super().columns() if wanted or name != "properties"]

    @override
    def read_project(self, context: Context | None) -> Iterator[Record]:
        project, after = project_of(context), ""
        limit = self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"])
        while page := self.rows(
            project, "toString(id) > {after}", "toString(id)", after=after, limit=limit
        ):
            for row in page:
                if str(row["id"]) < after:
                    self.refuse_rows("by their ids")
                after = str(row["id"])
            yield from page

    @override
    def cleaned(self, row: Record) -> Record:
        if (text := row.get("properties")).__class__ is str:
            try:
                row["properties"] = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeError):
                return row
        return row


class Sessions(HogQLSpanStream):
    """Visits; one that goes on is read again within the lookback."""

    name = "sessions"
    table = "sessions"
    ties = ("session_id",)
    primary_keys = ("session_id",)
    replication_key = "start_timestamp"
    selected_by_default = False
    expressions = {  # noqa: RUF012 - a declaration
        name: f"${name}"
        for name in (
            "start_timestamp",
            "end_timestamp",
            "entry_current_url",
            "entry_pathname",
            "end_current_url",
            "entry_utm_source",
            "entry_utm_medium",
            "entry_utm_campaign",
            "pageview_count",
            "autocapture_count",
            "session_duration",
            "is_bounce",
            "channel_type",
        )
    }
    schema = th.PropertiesList(
        th.Property("session_id", th.StringType, required=True),
        th.Property("distinct_id", th.StringType),
        th.Property("start_timestamp", th.DateTimeType),
        th.Property("end_timestamp", th.DateTimeType),
        th.Property("entry_current_url", th.StringType),
        th.Property("entry_pathname", th.StringType),
        th.Property("end_current_url", th.StringType),
        th.Property("entry_utm_source", th.StringType),
        th.Property("entry_utm_medium", th.StringType),
        th.Property("entry_utm_campaign", th.StringType),
        th.Property("pageview_count", th.IntegerType),
        th.Property("autocapture_count", th.IntegerType),
        th.Property("session_duration", th.NumberType, description="Seconds"),
        th.Property("is_bounce", th.BooleanType),
        th.Property("channel_type", th.StringType),
        PROJECT_ID,
    ).to_dict()
