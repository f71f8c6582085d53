"""Events: by queries, or by the endpoint before them where there are none."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, TapError, invalid_setting
from tap_posthog.client import PROJECT_ID, project_of
from tap_posthog.hogql import HogQLSpanStream, literal
from tap_posthog.shared_ids import SharedIds
from tap_posthog.streams.older_endpoint import OlderEndpointStream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from singer_sdk.helpers.types import Context, Record

    from tap_posthog.spans import Span

#: How often a query has to be 404 for there to be no query API.
_LOOKS = 3
#: Properties that say who or where somebody is, beyond those whose names say so.
PERSONAL_PROPERTIES = frozenset(
    {"$geoip_accuracy_radius", "$initial_person_info", "$set", "$set_once", "$user_id"}
)
EVENT_DATE = "event_date"
_DAY_COLUMN = th.PropertiesList(
    th.Property(EVENT_DATE, th.DateType, description="The day of the timestamp (UTC)")
).to_dict()
_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Events(HogQLSpanStream, OlderEndpointStream):
    """Everything that was captured, with all its properties."""

    name = "events"
    table = "events"
    own_columns = HogQLSpanStream.own_columns | {EVENT_DATE}
    loading = Loading(
        "Incremental by `timestamp` (or `created_at`: `events_replication_key`); the last 24 hours "
        "are read again (`lookback_hours`)",
        "Events that arrive late; `person_id` of events before that changes when persons are "
        "merged, which only a full refresh shows",
    )
    # Of copies that are not merged yet the newest comes last: it is the one that PostHog keeps.
    ties = ("uuid", "event", "distinct_id", "timestamp", "created_at")
    primary_keys: tuple[str, ...] = ("uuid",)
    personal_fields = HogQLSpanStream.personal_fields | PERSONAL_PROPERTIES
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
        th.Property("created_at", th.DateTimeType, description="When PostHog took it in"),
        th.Property("person_id", th.StringType, description="Changes when persons are merged"),
        th.Property("person_mode", th.StringType),
        th.Property("session_id", th.StringType),
        th.Property("window_id", th.StringType),
        th.Property("elements_chain", th.StringType),
        *(th.Property(f"group_{number}", th.StringType) for number in range(5)),
        PROJECT_ID,
    ).to_dict()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize, by the key and the time that the settings ask for.

        Args:
            args: As for the SDK's stream.
            kwargs: As for the SDK's stream.
        """
        super().__init__(*args, **kwargs)
        self._has_answered = False
        self._shared = SharedIds()
        self._by_identity = self.config["events_key"] == "identity"
        if self._by_identity:
            self._key_by_identity()
        self.replication_key = self.config["events_replication_key"]
        if self.replication_key == "created_at" and self.config["events_api"] == "events":
            problem = "the older endpoint has no created_at: use timestamp, or events_api query"
            raise invalid_setting("events_replication_key", problem, self.replication_key)

    def _key_by_identity(self) -> None:
        """Add to the key what PostHog tells events apart by.

        Its table is a ReplacingMergeTree, ordered by project, day, name, distinct_id and uuid: an
        event that comes again with a corrected time of the same day replaces the first.
        https://github.com/PostHog/posthog/blob/master/posthog/models/event/sql.py
        """
        added = ("event", "distinct_id", EVENT_DATE)
        keys = [*self.primary_keys]
        place = keys.index("uuid") + 1
        self.primary_keys = (*keys[:place], *added, *keys[place:])
        columns = {**self.schema["properties"], **_DAY_COLUMN["properties"]}
        columns |= {name: {**columns[name], "type": ["string"]} for name in added}
        self.schema = {
            **self.schema,
            "properties": columns,
            "required": [*self.schema["required"], *added],
        }

    @override
    def read_span(self, span: Span, project: int) -> Iterator[list[Record]]:
        way = self.config["events_api"]
        if way == "query":
            yield from super().read_span(span, project)
        elif (
            way == "events"
            or not self._tap.has_query_api
            or not (yield from self._was_queried(span, project))
        ):
            if self.replication_key == "created_at":
                msg = (
                    f"{self.name}: this PostHog has no query API, and the older endpoint does not "
                    "tell created_at. Set events_replication_key to timestamp."
                )
                raise TapError(msg)
            yield from self.read_endpoint(span, project)

    def _was_queried(self, span: Span, project: int) -> Generator[list[Record], None, bool]:
        """Read by query, if there is such a thing; gives whether there is."""
        for look in range(1, _LOOKS + 1):
            try:
                for page in super().read_span(span, project):
                    self._has_answered = True
                    yield page
            except RequestRejectedError as error:
                # Any proxy says 404 once, and the older endpoint tells less of each event.
                if error.status != HTTPStatus.NOT_FOUND or self._has_answered:
                    raise
                if look == _LOOKS:
                    self._tap.has_query_api = False
                    self.logger.warning("%s; reading events by the older endpoint", error)
            else:
                self._has_answered = True
                return True
        return False

    @override
    def more_conditions(self, span: Span) -> tuple[str, dict[str, str]]:
        if self.replication_key != "created_at":
            return "", {}
        # Events are kept by timestamp: without a bound PostHog would read them all.
        oldest = span.begin - timedelta(days=self.config["max_event_age_days"])
        return " AND timestamp >= toDateTime64({oldest}, 6, 'UTC')", {"oldest": literal(oldest)}

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        day = row["timestamp"][:10]
        if self._by_identity:
            row[EVENT_DATE] = day
        else:
            one = (project_of(context), row["uuid"])
            self._shared.add(one, (one, row["event"], row["distinct_id"], day))
        return super().post_process(row, context)

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        super().finalize_state_progress_markers(state)
        if shared := self._shared.count():
            self.logger.warning(
                "%s%d of the %d events that were read share their uuid with another one, which "
                "PostHog counts apart by name, distinct_id or day. The key is uuid, so the table "
                "keeps one of each. To keep all of them, set events_key to identity; the tap's "
                "README has the SQL that migrates an existing table",
                "At least " if self._shared.is_least else "",
                shared,
                self._shared.events,
            )
            self._shared = SharedIds()

    # Properties

    @override
    def cleaned(self, row: Record) -> Record:
        properties = row.get("properties")
        if properties.__class__ is str:
            try:
                properties = _decoder.decode(properties)
            except (msgspec.DecodeError, UnicodeError):
                # Kept as text, in _extra.
                row["properties"] = self._unreadable(properties)
                return row
            row["properties"] = properties
        return row

    def _unreadable(self, text: str) -> str:
        """What may be kept of properties that are no JSON."""
        if not text or self.config["include_personal_data"]:
            return text
        try:
            # NaN and halves of characters, which Python takes and PostgreSQL does not.
            properties = json.loads(text)
        except ValueError:
            return f"({len(text)} characters left out: no JSON, and personal data may be in them)"
        # As text nobody would look into it again.
        return json.dumps(self._sensitive.clean({"properties": properties})["properties"])
