"""Sessions: https://posthog.com/docs/data/sessions."""

from __future__ import annotations

from singer_sdk import typing as th

from signalroom_singer import Loading, columns_of
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
        "Sessions that continue; longer ones keep the numbers of their last read",
    )
    selected_by_default = False
    expressions = {  # noqa: RUF012 - a declaration
        name: f"${name}"
        for name in (
            *("start_timestamp", "end_timestamp", "entry_current_url", "entry_pathname"),
            *("end_current_url", "entry_utm_source", "entry_utm_medium", "entry_utm_campaign"),
            *("pageview_count", "autocapture_count", "session_duration", "is_bounce"),
            "channel_type",
        )
    }
    schema = th.PropertiesList(
        th.Property("session_id", th.StringType, required=True),
        th.Property("distinct_id", th.StringType),
        *columns_of(th.DateTimeType, "start_timestamp", "end_timestamp"),
        *columns_of(th.StringType, "entry_current_url", "entry_pathname", "end_current_url"),
        *columns_of(th.StringType, "entry_utm_source", "entry_utm_medium", "entry_utm_campaign"),
        *columns_of(th.IntegerType, "pageview_count", "autocapture_count"),
        th.Property("session_duration", th.NumberType, description="Seconds"),
        th.Property("is_bounce", th.BooleanType),
        th.Property("channel_type", th.StringType),
        PROJECT_ID,
    ).to_dict()
