"""Sessions: https://posthog.com/docs/data/sessions."""

from __future__ import annotations

from singer_sdk import typing as th

from signalroom_singer import Loading
from tap_posthog.streams._base import PROJECT_ID
from tap_posthog.streams._hogql_base import HogQLTimeStream


class Sessions(HogQLTimeStream):
    """Visits; one that continues is read again within the lookback."""

    name = "sessions"
    table = "sessions"
    ties = ("session_id",)
    primary_keys = ("session_id",)
    replication_key = "start_timestamp"
    loading = Loading(
        "Incremental by `start_timestamp`; the last 24 hours are read again (`lookback_hours`)",
        "Sessions that go on; those that are longer keep their last numbers",
    )
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
