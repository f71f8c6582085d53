"""PostHog's deprecated events endpoint: pages are clamped, and tied events are lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from signalroom_sandbox.posthog.access import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_sandbox.posthog.world import World

_PAGE, _CLAMP, _MOST_OFFSET = 100, 1000, 50_000
_LONGEST = timedelta(days=366)


def list_page(
    world: World, team: int, query: Mapping[str, str], url: str, *, zone: str = "UTC"
) -> Any:
    """A page of events.

    Args:
        world: The database of the projects.
        team: Id of the project.
        query: Parameters of the request.
        url: URL of the request, without the query.
        zone: Its local time is written as if it were UTC: https://github.com/PostHog/posthog/issues/67175
    """
    now = world.now()
    before = _moment(query.get("before"), "before") or now + timedelta(seconds=5)
    after = _moment(query.get("after"), "after") or now - timedelta(hours=24)
    limit = min(int(query.get("limit") or _PAGE), _CLAMP)
    offset = int(query.get("offset") or 0)
    if offset > _MOST_OFFSET:
        raise ApiError(400, "invalid_input", f"Offset must be at most {_MOST_OFFSET}.")
    if before - after > _LONGEST:
        raise ApiError(400, "invalid_input", "The range is longer than 366 days.")
    descending = _first_order(query) == "-timestamp"
    order = "desc" if descending else "asc"
    _, __, rows = world.query(
        f"""
        select uuid, distinct_id, event, properties, "timestamp", elements_chain from events
        where team_id = ? and visible_at <= ? and "timestamp" > ? and "timestamp" < ?
        order by "timestamp" {order}, hash(uuid, event, distinct_id) limit ? offset ?
        """,  # noqa: S608 - one of two words
        [team, now, after, before, limit, offset],
    )
    rows = [(*row[:4], _local(row[4], zone), row[5]) for row in rows]
    following = None
    if len(rows) == limit:
        last = quote(_iso(rows[-1][4]))
        following = f"{url}?{'before' if descending else 'after'}={last}&limit={limit}"
    return {"next": following, "results": [_event(row) for row in rows]}


def _first_order(query: Mapping[str, str]) -> Any:
    """Whatever is not falling time is rising time."""
    try:
        first, *_ = list(json.loads(query.get("orderBy") or '["-timestamp"]'))
    except (TypeError, ValueError):
        raise ApiError(500, "error", "A server error occurred.") from None
    return first


def _event(row: tuple[Any, ...]) -> dict[str, Any]:
    identifier, distinct_id, event, properties, at, chain = row
    try:
        read = json.loads(properties)
    except ValueError:
        read = {}
    return {
        "id": identifier,
        "distinct_id": distinct_id,
        "event": event,
        "properties": read,
        "timestamp": _iso(at),
        "person": read.get("$set", {}).get("email", distinct_id),
        "elements": [],
        "elements_chain": chain,
    }


def _local(at: datetime, zone: str) -> datetime:
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _iso(at: datetime) -> str:
    return at.replace(tzinfo=UTC).isoformat()


def _moment(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, "invalid_input", f"{name} is no ISO timestamp.") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
