"""PostHog's list of persons, which has no count, and pages of ids.

As posthog/api/person.py has it: newest first, ``next`` whenever a page of ids is full, so that a
full last page leads to an empty one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_sandbox.posthog.world import World

_PAGE, _MOST = 100, 1000


def list_page(world: World, team: int, query: Mapping[str, str], url: str) -> dict[str, Any]:
    """A page of persons.

    Args:
        world: The database of the projects.
        team: Id of the project.
        query: Parameters of the request.
        url: URL of the request, without the query.
    """
    limit = min(int(query.get("limit") or _PAGE), _MOST)
    offset = int(query.get("offset") or 0)
    _, __, rows = world.query(
        """
        select id, created_at, properties, is_identified, rank
        from (
            select *, row_number() over (order by created_at, id) as rank from persons
            where team_id = ? and visible_at <= ?
        ) order by rank desc limit ? offset ?
        """,
        [team, world.now(), limit, offset],
    )
    following = f"{url}?limit={limit}&offset={offset + limit}" if len(rows) == limit else None
    previous = f"{url}?limit={limit}&offset={max(0, offset - limit)}" if offset else None
    return {"next": following, "previous": previous, "results": [_person(row) for row in rows]}


def _person(row: tuple[Any, ...]) -> dict[str, Any]:
    identifier, created, properties, identified, number = row
    known = json.loads(properties)
    return {
        "id": number,
        "type": "person",
        "name": known.get("email", identifier),
        "distinct_ids": [f"visitor-{number}"],
        "properties": known,
        "created_at": created.isoformat() + "Z",
        "uuid": identifier,
        "is_identified": bool(identified),
        "last_seen_at": None,
    }
