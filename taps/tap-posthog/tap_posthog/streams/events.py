"""Events: by queries, or by the older endpoint where PostHog has no query API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    Loading,
    RequestRejectedError,
    TapError,
    before,
    between,
    columns_of,
    invalid_setting,
    or_null,
    since,
)
from tap_posthog.shared_ids import SharedIds
from tap_posthog.streams._base import PROJECT_ID, project_of
from tap_posthog.streams._hogql_base import HogQLTimeStream, time_literal
from tap_posthog.streams._older_endpoint import OlderEndpointStream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import Conditions, SignalRoomTap
    from tap_posthog.client import PostHogClient
    from tap_posthog.time_windows import TimeWindow

#: How many times a query must answer 404 before the instance counts as one without queries.
_ATTEMPTS = 3
#: An event that PostHog ingested less than this before a run may not be on each replica yet.
_REPLICATION = timedelta(hours=1)
#: Personal data that the names of properties do not show.
PERSONAL_PROPERTIES = frozenset(
    {"$geoip_accuracy_radius", "$initial_person_info", "$set", "$set_once", "$user_id"}
)
EVENT_DATE = "event_date"
_DAY_COLUMN = th.PropertiesList(
    th.Property(EVENT_DATE, th.DateType, description="The day of the timestamp (UTC)")
).to_dict()
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Events(HogQLTimeStream, OlderEndpointStream):
    """All captured events, with all their properties."""

    name = "events"
    table = "events"
    own_columns = HogQLTimeStream.own_columns | {EVENT_DATE}
    loading = Loading(
        "Incremental by `timestamp` (or `created_at`: `events_replication_key`); the last 24 hours "
        "are read again (`lookback_hours`)",
        "Events that arrive late; `person_id` of events before that changes when persons are "
        "merged, which only a full refresh shows",
        "They stay in the table; with `remove_deleted_events` they are removed with the time that "
        "is read again",
    )
    # Of copies that are not merged yet, the newest comes last: PostHog will keep that one.
    ties = ("uuid", "event", "distinct_id", "timestamp", "created_at")
    primary_keys: tuple[str, ...] = ("uuid",)
    personal_fields = HogQLTimeStream.personal_fields | PERSONAL_PROPERTIES
    expressions = {  # noqa: RUF012 - a declaration
        "session_id": "$session_id",
        "window_id": "$window_id",
        **{f"group_{number}": f"$group_{number}" for number in range(5)},
    }
    schema = th.PropertiesList(
        th.Property("uuid", th.StringType, required=True),
        th.Property("event", th.StringType),
        th.Property("timestamp", th.DateTimeType, description="When, by the sender's clock"),
        th.Property("distinct_id", th.StringType, description="Who, as the sender has it"),
        th.Property("properties", th.ObjectType(additional_properties=True)),
        th.Property("created_at", th.DateTimeType, description="When PostHog ingested it"),
        th.Property("person_id", th.StringType, description="Changes when persons are merged"),
        *columns_of(th.StringType, "person_mode", "session_id", "window_id", "elements_chain"),
        *columns_of(th.StringType, *(f"group_{number}" for number in range(5))),
        PROJECT_ID,
    ).to_dict()

    def __init__(self, tap: SignalRoomTap, client: PostHogClient) -> None:
        """Initialize the stream, with the key and the replication key that the settings ask for.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.

        Raises:
            ConfigValidationError: If two settings contradict each other.
        """
        super().__init__(tap, client)
        #: Whether this instance answers queries; not known before the first one.
        self._has_query_api: bool | None = None
        self._shared_ids = SharedIds()
        self._started_at = datetime.now(UTC)
        self._by_identity = self.config["events_key"] == "identity"
        if self._by_identity:
            self._key_by_identity()
        self.replication_key = self.config["events_replication_key"]
        if self.replication_key == "created_at" and self.config["events_api"] == "events":
            problem = "the older endpoint has no created_at: use timestamp, or events_api query"
            raise invalid_setting("events_replication_key", problem, self.replication_key)

    def _key_by_identity(self) -> None:
        """Add the columns to the key by which PostHog tells events apart.

        Its table is a ReplacingMergeTree, ordered by project, day, name, distinct_id and uuid: an
        event that is sent again with a corrected time of the same day replaces the first.
        https://github.com/PostHog/posthog/blob/master/posthog/models/event/sql.py
        """
        added = ("event", "distinct_id", EVENT_DATE)
        keys = [*self.primary_keys]
        position = keys.index("uuid") + 1
        self.primary_keys = (*keys[:position], *added, *keys[position:])
        columns = {**self.schema["properties"], **_DAY_COLUMN["properties"]}
        columns |= {name: {**columns[name], "type": ["string"]} for name in added}
        self.schema = {
            **self.schema,
            "properties": columns,
            "required": [*self.schema["required"], *added],
        }

    @override
    def read_window(self, window: TimeWindow, project: int) -> Iterator[list[Record]]:
        api = self.config["events_api"]
        if api == "query":
            yield from super().read_window(window, project)
        elif api == "events" or not (yield from self._read_by_query(window, project)):
            if self.replication_key == "created_at":
                msg = (
                    f"{self.name}: this PostHog has no query API, and the older endpoint does not "
                    "return created_at. Set events_replication_key to timestamp."
                )
                raise TapError(msg)
            yield from self.read_endpoint(window, project)

    def _read_by_query(
        self, window: TimeWindow, project: int
    ) -> Generator[list[Record], None, bool]:
        """Read by query, if the instance has a query API; returns whether it has."""
        if self._has_query_api is False:
            return False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                for page in super().read_window(window, project):
                    self._has_query_api = True
                    yield page
            except RequestRejectedError as error:
                # A proxy may answer 404 once, and the older endpoint returns less of each event.
                if error.status != HTTPStatus.NOT_FOUND or self._has_query_api:
                    raise
                if attempt == _ATTEMPTS:
                    self._has_query_api = False
                    self.logger.warning("%s; reading events by the older endpoint", error)
            else:
                self._has_query_api = True
                return True
        return False

    # What is gone

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        if not self.config["remove_deleted_events"]:
            return ()
        return ("timestamp", "created_at", "project_id")

    @override
    def scope_of(self, window: TimeWindow) -> Conditions | None:
        if self.config["events_api"] == "events" or self._has_query_api is False:
            # That endpoint pages the events of a moment by OFFSET, in no certain order.
            return None
        # ClickHouse prefers replicas that are less than five minutes behind, but has no limit:
        # https://clickhouse.com/docs/operations/settings/settings#max_replica_delay_for_distributed_queries
        replicated = self._started_at - _REPLICATION
        if self.replication_key == "timestamp":
            # The older endpoint does not return created_at.
            arrived = or_null(before(replicated))
            return {"timestamp": between(window.begin, window.end), "created_at": arrived}
        end = min(window.end, replicated)
        if end <= window.begin:
            return None
        # The queries had this bound, or an earlier one.
        oldest = self._oldest(window.end)
        return {"created_at": between(window.begin, end), "timestamp": since(oldest)}

    def _oldest(self, arrival: datetime) -> datetime:
        """The time of the oldest events to read of those that arrive at some time."""
        return arrival - timedelta(days=self.config["max_event_age_days"])

    @override
    def more_conditions(self, window: TimeWindow) -> tuple[str, dict[str, str]]:
        if self.replication_key != "created_at":
            return "", {}
        # The table is sorted by timestamp: without a bound PostHog would read all events.
        values = {"oldest": time_literal(self._oldest(window.begin))}
        return " AND timestamp >= toDateTime64({oldest}, 6, 'UTC')", values

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        day = row["timestamp"][:10]
        if self._by_identity:
            row[EVENT_DATE] = day
        else:
            identifier = (project_of(context), row["uuid"])
            identity = (identifier, row["event"], row["distinct_id"], day)
            self._shared_ids.add(identifier, identity)
        return super().post_process(row, context)

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        super().finalize_state_progress_markers(state)
        if shared := self._shared_ids.count():
            self.logger.warning(
                "%s%d of the %d events that were read share their uuid with another one, which "
                "PostHog counts apart by name, distinct_id or day. The key is uuid, so the table "
                "keeps one of each. To keep all of them, set events_key to identity; the tap's "
                "README has the SQL that migrates an existing table",
                "At least " if self._shared_ids.is_lower_bound else "",
                shared,
                self._shared_ids.events,
            )
            self._shared_ids = SharedIds()

    # Properties

    @override
    def clean(self, row: Record) -> Record:
        properties = row.get("properties")
        if properties.__class__ is str:
            try:
                row["properties"] = _decoder.decode(properties)
            except (msgspec.DecodeError, UnicodeError):
                # The text goes into _extra.
                row["properties"] = self._clean_text(properties)
        return row

    def _clean_text(self, text: str) -> str:
        """Remove personal data from properties that are not valid JSON."""
        if not text or self.config["include_personal_data"]:
            return text
        try:
            # NaN and lone surrogates, which Python accepts and PostgreSQL does not.
            properties = json.loads(text)
        except ValueError:
            return f"({len(text)} characters left out: no JSON, and personal data may be in them)"
        # As text, which is not searched for personal data again.
        return json.dumps(self._sensitive.clean({"properties": properties})["properties"])
