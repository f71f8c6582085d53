"""The tap: its settings and its streams."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    ALLOW_HTTP_SETTING,
    COMMON_SETTINGS,
    CONCURRENCY_LIMIT,
    HTTP_SETTINGS,
    KEY,
    RATE_LIMIT_SETTINGS,
    PermissionErrors,
    SignalRoomTap,
    env_aliases,
    rate_limit_setting,
    validate_base_url,
)
from tap_posthog.client import PostHogClient
from tap_posthog.projects import Projects
from tap_posthog.streams import STREAM_TYPES

if TYPE_CHECKING:
    from tap_posthog.streams._base import PostHogStream


class TapPostHog(SignalRoomTap):
    """Reads PostHog: events in bulk, and the flags, experiments and persons around them."""

    name = "tap-posthog"
    package_name = "tap-posthog"
    # The primary keys depend on the settings.
    dynamic_catalog = True

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            required=True,
            secret=True,
            title="Personal API key",
            description=(
                "PostHog > Settings > Personal API keys (`phx_...`), with the scope `query:read` "
                "and those of the streams you select."
            ),
            **KEY,
            **env_aliases("POSTHOG_API_KEY"),
        ),
        th.Property(
            "api_url",
            th.StringType,
            default="https://us.posthog.com",
            title="PostHog's address",
            description=(
                "EU cloud: https://eu.posthog.com. Self-hosted: its address, with the path if "
                "there is one."
            ),
            **env_aliases("POSTHOG_HOST", shared=True),
        ),
        ALLOW_HTTP_SETTING,
        th.Property(
            "project_id",
            th.StringType,
            title="Projects",
            description=(
                "The number in the address of the project's pages; several with commas, or `all`. "
                "Without it, the one project that the key can see. With several, `project_id` is "
                "part of every primary key."
            ),
            examples=["4711", "4711,4712"],
            **env_aliases("POSTHOG_PROJECT_ID"),
        ),
        th.Property(
            "start_date",
            th.DateType,
            title="Start date",
            description=(
                "The first day of events to read (UTC), `YYYY-MM-DD`. Without it the first run "
                "reads 30 days. Once there is a bookmark, it only matters if it is later."
            ),
            examples=["2026-01-01"],
        ),
        th.Property(
            "end_date",
            th.DateType,
            title="End date",
            description="The last day of events to read (UTC), `YYYY-MM-DD`. Default: up to now.",
            examples=["2026-01-31"],
        ),
        th.Property(
            "lookback_hours",
            th.NumberType(minimum=0, maximum=720),
            default=24,
            title="Lookback of events",
            description=(
                "Hours before the bookmark to read again, for events that arrive late. Those that "
                "arrive later than this are only found with `events_replication_key: created_at`."
            ),
        ),
        th.Property(
            "remove_deleted_events",
            th.BooleanType,
            default=False,
            title="Remove deleted events",
            description=(
                "Remove events from the table that PostHog no longer has, such as those of a "
                "deleted person, as far back as a run reads (`lookback_hours`). Needs SignalRoom's "
                "target-postgres; see the README."
            ),
        ),
        th.Property(
            "settle_minutes",
            th.NumberType(minimum=0),
            default=5,
            title="Settling time",
            description="The latest minutes are left to the next run: events still arrive.",
        ),
        th.Property(
            "events_key",
            th.StringType(allowed_values=["uuid", "identity"]),
            default="uuid",
            title="Primary key of events",
            description=(
                "`uuid`; or `identity`, which adds `event`, `distinct_id` and `event_date`, by "
                "which PostHog tells events apart, as some share their uuid. An existing table has "
                "to be migrated first, see the README."
            ),
        ),
        th.Property(
            "events_replication_key",
            th.StringType(allowed_values=["timestamp", "created_at"]),
            default="timestamp",
            title="Bookmark of events",
            description=(
                "`timestamp`, the time of an event by the sender's clock; or `created_at`, when "
                "PostHog ingested it, which finds all that arrive within `max_event_age_days`."
            ),
        ),
        th.Property(
            "max_event_age_days",
            th.IntegerType(minimum=1),
            default=90,
            title="Oldest late events",
            description=(
                "With `events_replication_key: created_at`: how old an event may be when it "
                "arrives. This bounds how much PostHog has to read."
            ),
        ),
        th.Property(
            "events_api",
            th.StringType(allowed_values=["auto", "query", "events"]),
            default="auto",
            title="API for events",
            description=(
                "`query`, PostHog's query API; `events`, the older endpoint, for instances without "
                "it; or `auto`, which prefers queries."
            ),
        ),
        th.Property(
            "window_hours",
            th.NumberType(minimum=1, maximum=720),
            default=24,
            title="Window",
            description=(
                "Hours of events per query. A window that PostHog finds too slow is halved "
                "automatically."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=2, maximum=50_000),
            default=10_000,
            title="Page size",
            description="Maximum events per response; fewer where they are large.",
        ),
        th.Property(
            "include_personal_data",
            th.BooleanType,
            default=False,
            title="Include personal data",
            description=(
                "Also load IP addresses, precise locations, person properties (`$set`), and names, "
                "e-mail addresses and phone numbers of users and in the properties of events. "
                "`distinct_id` is always loaded as it is."
            ),
        ),
        th.Property(
            "on_missing_scope",
            th.StringType(allowed_values=["error", "skip"]),
            default="error",
            title="On a missing scope",
            description=(
                "A stream that the key may not read keeps its rows, and all others are read. Then "
                "the run fails (`error`), or only warns (`skip`)."
            ),
        ),
        rate_limit_setting(
            "query_requests_per_minute",
            "Queries a minute",
            "PostHog allows 240, to all keys together.",
            default=230,
        ),
        rate_limit_setting(
            "query_requests_per_hour",
            "Queries an hour",
            "PostHog allows 2,400, and 120 to teams with its previous limits: set 115.",
            default=2300,
        ),
        rate_limit_setting(
            "requests_per_minute", "Other requests a minute", "PostHog allows 480.", default=460
        ),
        rate_limit_setting(
            "requests_per_hour", "Other requests an hour", "PostHog allows 4,800.", default=4600
        ),
        rate_limit_setting(
            "clickhouse_requests_per_minute",
            "Requests to the event store a minute",
            "PostHog allows 240 for insights, session recordings and the older events endpoint.",
            default=230,
        ),
        rate_limit_setting(
            "clickhouse_requests_per_hour",
            "Requests to the event store an hour",
            "PostHog allows 1,200.",
            default=1150,
        ),
        th.Property(
            "max_concurrent_queries",
            th.IntegerType(minimum=1),
            default=3,
            title="Concurrent queries",
            description=(
                "PostHog allows three to an organization. A run has one query under way; with "
                "`rate_limit_store`, all runs of the account together have at most this many."
            ),
            **CONCURRENCY_LIMIT,
        ),
        th.Property(
            "max_budget_wait",
            th.IntegerType(minimum=0),
            default=900,
            title="Longest wait for the read budget",
            description=(
                "PostHog limits the bytes that queries read in an hour. If it asks to wait for "
                "more seconds than this, the run ends, and the next one resumes from its state."
            ),
        ),
        *RATE_LIMIT_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def client(self) -> PostHogClient:
        """The client that all streams share."""
        return PostHogClient(
            self.client_context,
            base_url=validate_base_url(
                self.config["api_url"], setting="api_url", allow_http=self.config["allow_http"]
            ),
            projects=Projects(self.config.get("project_id")),
        )

    @cached_property
    def permission_errors(self) -> PermissionErrors:
        """The streams and projects that the key may not read."""
        return PermissionErrors(
            self.config,
            setting="on_missing_scope",
            advice="add the scopes and projects named above to the key",
        )

    @override
    def discover_streams(self) -> list[PostHogStream]:
        return [stream(self, self.client) for stream in STREAM_TYPES]
