"""What happened in a made-up product: events, persons and sessions, in tables of DuckDB."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from signalroom_sandbox.posthog.shared_uuids import MERGE, add_shared

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT, SECOND_PROJECT = 4711, 4712
_DAYS = 60
_PER_DAY = {PROJECT: 200, SECOND_PROJECT: 20}
_PERSONS = 150
_NAMES = (
    "$pageview",
    "$pageleave",
    "$autocapture",
    "checkout started",
    "order placed",
    "$identify",
)

_TABLES = """
    create table single_events (
        team_id integer, uuid varchar, event varchar, properties varchar,
        "timestamp" timestamp, created_at timestamp, distinct_id varchar, person_id varchar,
        person_mode varchar, elements_chain varchar, "$session_id" varchar, "$window_id" varchar,
        "$group_0" varchar, "$group_1" varchar, "$group_2" varchar, "$group_3" varchar,
        "$group_4" varchar, visible_at timestamp
    );
    create table made_events (team_id integer, n bigint, happened timestamp);
    create table persons (
        team_id integer, id varchar, created_at timestamp, properties varchar,
        is_identified integer, visible_at timestamp
    );
    create table sessions (
        team_id integer, session_id varchar, distinct_id varchar, "$start_timestamp" timestamp,
        "$end_timestamp" timestamp, "$entry_current_url" varchar, "$entry_pathname" varchar,
        "$end_current_url" varchar, "$entry_utm_source" varchar, "$entry_utm_medium" varchar,
        "$entry_utm_campaign" varchar, "$pageview_count" bigint, "$autocapture_count" bigint,
        "$session_duration" bigint, "$is_bounce" utinyint, "$channel_type" varchar,
        visible_at timestamp
    );
"""

# For events made by the million, only the searchable columns are stored.
_MAKE = """
    insert into made_events
    select $team, range, $begin::timestamp + to_microseconds(
        (case when (range - $first) < $tied then ((range - $first) // 5000) * 86400000000
         else (range - $first) * $step + hash(range, $seed, $team) % $step end)::bigint
    ) from range($first, $first + $count)
"""

_EVENTS = f"""
    create view events as
    with made as (
        select *, hash(n, {{seed}}, team_id) as h, hash(n, {{seed}} + 1, team_id) as h2
        from made_events
    ), named as (
        select
            *,
            h2 % {_PERSONS} as person,
            lower(
                printf('%08x', (h & 4294967295)::bigint) || '-'
                || printf('%04x', (h2 & 65535)::bigint) || '-4'
                || printf('%03x', ((h2 >> 16) & 4095)::bigint) || '-8'
                || printf('%03x', ((h2 >> 28) & 4095)::bigint) || '-'
                || printf('%04x', ((h >> 32) & 65535)::bigint) || printf('%08x', n)
            ) as made_uuid,
            printf(
                '%08x-0000-4000-8000-%012x',
                ({{seed}} + h2 % {_PERSONS})::bigint, (h2 % {_PERSONS})::bigint
            ) as whose,
            printf('01900000-0000-7000-8000-%012x', n // 7) as session
        from made
    )
    select * from single_events
    union all
    select
        team_id, made_uuid,
        {list(_NAMES)}[1 + (h % {len(_NAMES)})::bigint],
        '{{{{"$current_url": "https://shop.example.com/p/' || (h2 % 40) || '?utm_source=aff'
            || (h % 9) || '", "$browser": "'
            || ['Chrome', 'Safari', 'Firefox'][1 + (h2 % 3)::bigint]
            || '", "$ip": "203.0.113.' || (h % 250) || '", "$lib": "web", "order_id": ' || n
            || ', "token": "phc_sandbox-posthog-project-key", "revenue": ' || (h2 % 20000) / 100.0
            || ', "$user_id": "buyer' || person || '@shop.example", "$set": {{{{"email": "buyer'
            || person
            || '@example.com"}}}}, "tags": ["a", "b"]}}}}',
        happened, happened + interval 3 second, 'visitor-' || person, whose,
        'full', '', session, session, '', '', '', '', '', happened + interval 5 second
    from named
"""  # noqa: S608 - names and numbers of this module


class World:
    """The projects' data; all moments are UTC without a zone.

    Args:
        seed: Another seed is another product.
        scale: How much happens; 1 is 200 events a day in the first project.
    """

    def __init__(self, *, seed: int, scale: float) -> None:
        self._seed = seed
        self.ahead = timedelta()
        self._lock = threading.Lock()
        self._database = duckdb.connect(":memory:", config={"threads": 1})
        self._database.execute(_TABLES)
        self._database.execute(_EVENTS.format(seed=seed))
        #: Columns by table that may be queried.
        self.columns = {
            table: frozenset(self.query(f"select * from {table} limit 0")[0])  # noqa: S608
            for table in ("events", "persons", "sessions")
        }
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for team, rate in _PER_DAY.items():
            count = max(1, int(rate * scale))
            # Also for the next two days, so that events arrive as the clock advances.
            self.make(
                team, midnight - timedelta(days=_DAYS), days=_DAYS + 2, count=count * (_DAYS + 2)
            )
            self._persons(team)
            self._sessions(team)
        add_shared(self, PROJECT, SECOND_PROJECT, midnight)

    def now(self) -> datetime:
        """The vendor's clock."""
        return (datetime.now(UTC) + self.ahead).replace(tzinfo=None)

    def make(
        self, team: int, begin: datetime, *, days: int, count: int, tied: int = 0, first: int = 0
    ) -> None:
        """Make many events.

        Args:
            team: Id of the project.
            begin: The first moment.
            days: Over how many days they are spread.
            count: How many events are made.
            tied: How many of them share a timestamp with others: 5,000 each.
            first: The number of the first; others have other uuids.
        """
        step = max(1, days * 86_400_000_000 // count)
        self._database.execute(
            _MAKE,
            {
                "seed": self._seed,
                "team": team,
                "first": first,
                "count": count,
                "tied": tied,
                "begin": begin,
                "step": step,
            },
        )

    def add(self, team: int, events: Iterable[dict[str, Any]]) -> list[str]:
        """Add single events, and return their uuids.

        Args:
            team: Id of the project.
            events: Any columns; the others are made up. ``visible_at`` is when queries
                find it: at once by default.
        """
        rows = []
        for event in events:
            at = _moment(event.get("timestamp")) or self.now()
            created = _moment(event.get("created_at")) or self.now()
            identifier = event.get("uuid") or str(uuid.uuid4())
            rows.append(
                (
                    team,
                    identifier,
                    event.get("event", "order placed"),
                    event.get("properties", "{}"),
                    at,
                    created,
                    event.get("distinct_id", "visitor-1"),
                    event.get("person_id", str(uuid.UUID(int=1))),
                    "full",
                    "",
                    event.get("session_id", ""),
                    *[""] * 6,
                    _moment(event.get("visible_at")) or datetime(1970, 1, 1),  # noqa: DTZ001
                )
            )
        if rows:
            # By columns: row by row takes 28 times as long.
            columns = [list(column) for column in zip(*rows, strict=True)]
            marks = ", ".join(["unnest(?)"] * len(columns))
            self.query(f"insert into single_events select {marks}", columns)
        return [row[1] for row in rows]

    def merge(self) -> None:
        """Keep only the newest copy of each single event, as ClickHouse does eventually."""
        self.query(MERGE)

    def clear(self, team: int) -> None:
        """Delete all events of a project.

        Args:
            team: Id of the project.
        """
        for table in ("single_events", "made_events"):
            self.query(f"delete from {table} where team_id = ?", [team])  # noqa: S608

    def delete_events(self, team: int, uuids: Iterable[str]) -> None:
        """Delete all events that have one of some uuids.

        Args:
            team: Id of the project.
            uuids: The uuids of the events to delete.
        """
        self._delete(team, "uuid in (select unnest(?))", [*uuids])

    def delete_person(self, team: int, person: str) -> list[str]:
        """Delete a person with all of their events, and return the uuids of these.

        Args:
            team: Id of the project.
            person: Id of the person.
        """
        _, _, rows = self.query(
            "select distinct uuid from events where team_id = ? and person_id = ?", [team, person]
        )
        self._delete(team, "person_id = ?", person)
        self.query("delete from persons where team_id = ? and id = ?", [team, person])
        return [identifier for (identifier,) in rows]

    def _delete(self, team: int, condition: str, value: Any) -> None:
        """Delete the events that meet a condition."""
        self.query(
            f"delete from single_events where team_id = ? and {condition}",  # noqa: S608 - known
            [team, value],
        )
        # Those made by the million are stored by their number, which ends their uuid.
        self.query(
            f"""delete from made_events where team_id = ? and n in (
                select ('0x' || uuid[-8:])::bigint from events where team_id = ? and {condition}
            )""",  # noqa: S608 - known conditions
            [team, team, value],
        )

    def add_persons(self, team: int, persons: Iterable[dict[str, Any]]) -> list[str]:
        """Add persons, and return their ids.

        Args:
            team: Id of the project.
            persons: With any of ``id``, ``created_at``, ``properties``.
        """
        identifiers = []
        for person in persons:
            identifier = person.get("id") or str(uuid.uuid4())
            at = _moment(person.get("created_at")) or self.now()
            properties = person.get("properties", "{}")
            self.query(
                "insert into persons values (?, ?, ?, ?, 0, timestamp '1970-01-01')",
                [team, identifier, at, properties],
            )
            identifiers.append(identifier)
        return identifiers

    def merge_persons(self, team: int, survivor: str, other: str) -> None:
        """Merge a person into another, who gets the earlier time of creation.

        Args:
            team: Id of the project.
            survivor: Id of the person that stays.
            other: Id of the person that is merged.
        """
        self.query(
            """update persons set created_at = (
                select min(created_at) from persons where team_id = ? and id in (?, ?)
            ) where team_id = ? and id = ?""",
            [team, survivor, other, team, survivor],
        )
        self.query("delete from persons where team_id = ? and id = ?", [team, other])

    def query(self, sql: str, parameters: Any = None) -> tuple[list[str], list[str], list[Any]]:
        """Run SQL, and return columns, their types, and rows."""
        with self._lock:
            cursor = self._database.execute(sql, parameters)
            columns = cursor.description or []
            return (
                [column[0] for column in columns],
                [str(column[1]) for column in columns],
                cursor.fetchall(),
            )

    def _persons(self, team: int) -> None:
        self._database.execute(
            """
            insert into persons select $team,
                printf('%08x-0000-4000-8000-%012x', ($seed + range)::bigint, range::bigint),
                current_date::timestamp - interval 70 day + to_hours(range::integer),
                '{"email": "buyer' || range || '@example.com", "plan": "basic"}',
                range % 2, timestamp '1970-01-01'
            from range($count)
            """,
            {"team": team, "seed": self._seed, "count": _PERSONS},
        )

    def _sessions(self, team: int) -> None:
        self._database.execute(
            """
            insert into sessions
            select team_id, "$session_id", any_value(distinct_id), min("timestamp"),
                max("timestamp"), 'https://shop.example.com/', '/', 'https://shop.example.com/thanks',
                'aff1', 'cpc', 'spring',
                count(*) filter (event = '$pageview'), count(*) filter (event = '$autocapture'),
                date_diff('second', min("timestamp"), max("timestamp")),
                -- Null where nothing was viewed or clicked, as PostHog cannot tell then.
                (nullif(count(*) filter (event in ('$pageview', '$autocapture')), 0) = 1)::utinyint,
                'Affiliate',
                min(visible_at)
            from events where team_id = $team group by 1, 2
            """,
            {"team": team},
        )


def _moment(value: str | None) -> datetime | None:
    if not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
