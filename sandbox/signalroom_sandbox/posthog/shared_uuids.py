"""Events that share their uuid, as faulty or retrying clients send them.

PostHog's table is a ReplacingMergeTree ordered by project, day (UTC), event name, distinct_id and
uuid (posthog/models/event/sql.py): events that differ in one of these are several, and copies of
one are there until ClickHouse merges them, which keeps the newest.
https://github.com/PostHog/posthog/issues/30692 has 0.7 % of a customer's uuids more than once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


#: How many days ago the projects have such events.
DAYS_AGO = 20
_COLUMNS = ("uuid", "event", "distinct_id", "timestamp", "properties", "person_id", "session_id")
_LATER = timedelta(hours=2)

#: The identity of an event, in the sandbox's SQL.
IDENTITY = 'uuid, event, distinct_id, "timestamp"::date'


class EventStore(Protocol):
    """What these events are added to: the database of the projects."""

    def add(self, team: int, events: Iterable[dict[str, Any]]) -> list[str]:
        """Add events to a project; gives their uuids."""

    def query(self, sql: str, parameters: Any = None) -> tuple[list[str], list[str], list[Any]]:
        """Run a query; gives names, types and rows."""


MERGE = f"""
    delete from single_events where rowid in (
        select rowid from (
            select rowid, row_number() over (
                partition by team_id, {IDENTITY} order by created_at desc, rowid desc
            ) as place
            from single_events
        ) where place > 1
    )
"""  # noqa: S608 - names of this module


def add_shared(world: EventStore, team: int, other: int, midnight: datetime) -> None:
    """Add siblings and copies of some of a day's events.

    Args:
        world: The database of the projects.
        team: The project that has the events.
        other: The project that gets one of their uuids too.
        midnight: The beginning of today.
    """
    begin = midnight - timedelta(days=DAYS_AGO)
    _, __, events = world.query(
        """
        select uuid, event, distinct_id, "timestamp", properties, person_id, "$session_id"
        from events where team_id = ? and "timestamp" >= ? and "timestamp" < ?
        order by "timestamp" limit 6
        """,
        [team, begin, begin + timedelta(hours=12)],
    )
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in events]
    changes: tuple[dict[str, Any], ...] = (
        {"event": "another name"},
        {"distinct_id": "another visitor"},
        {"timestamp": timedelta(days=1)},
        # A copy that is not merged yet, and one whose client corrected its clock.
        {},
        {"timestamp": timedelta(seconds=1.5)},
    )
    for row, change in zip(rows, changes, strict=False):
        moved = row["timestamp"] + change.get("timestamp", timedelta())
        sibling = {**row, **change, "timestamp": moved.isoformat()}
        created = (moved + _LATER).isoformat()
        world.add(team, [{**sibling, "created_at": created, "visible_at": created}])
    for row in rows[len(changes) :]:
        at = row["timestamp"].isoformat()
        world.add(other, [{**row, "timestamp": at, "created_at": at, "visible_at": at}])
    # A client that sends to both projects has the same session in both.
    world.query(
        """
        insert into sessions select ? as team_id, * exclude (team_id) from sessions
        where team_id = ? and "$start_timestamp" >= ? order by "$start_timestamp" limit 1
        """,
        [other, team, begin],
    )
