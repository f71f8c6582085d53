"""What a test does to PostHog, and what it asks of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog.access import Key
from signalroom_sandbox.posthog.limits import Limits
from signalroom_sandbox.posthog.shared_uuids import IDENTITY
from signalroom_sandbox.posthog.world import PROJECT, SECOND_PROJECT

if TYPE_CHECKING:
    from signalroom_sandbox.posthog.api import PostHog


class Actions:
    """What a test does.

    Args:
        posthog: To whom.
    """

    def __init__(self, posthog: PostHog) -> None:
        self._posthog = posthog

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._posthog.latency = float(seconds)

    def limits(self, **limits: int) -> None:
        """Set limits; what is not given is as documented."""
        self._posthog.limits = Limits(**limits)

    def switches(self, **switches: Any) -> None:
        """Turn lasting behaviours on or off."""
        self._posthog.switch(**switches)

    def zone(self, name: str, project: int = PROJECT) -> None:
        """Give a project another time zone."""
        self._posthog.zones[project] = name

    def key(self, key: str, **changes: Any) -> None:
        """Change what a key may read, or make one."""
        known = self._posthog.keys.get(key, Key())
        given = {name: tuple(value) for name, value in changes.items()}
        self._posthog.keys[key] = replace(known, **given)

    def revoke(self, key: str) -> None:
        """Let a key be unknown."""
        self._posthog.keys.pop(key, None)

    def events(self, events: list[dict[str, Any]], project: int = PROJECT) -> list[str]:
        """Let events happen; gives their uuids."""
        self._posthog.changed = True
        return self._posthog.world.add(project, events)

    def persons(self, persons: list[dict[str, Any]], project: int = PROJECT) -> list[str]:
        """Let persons be there; gives their ids."""
        self._posthog.changed = True
        return self._posthog.world.add_persons(project, persons)

    def clear_persons(self, project: int = PROJECT) -> None:
        """Let nobody be there."""
        self._posthog.changed = True
        self._posthog.world.query("delete from persons where team_id = ?", [project])

    def merge_persons(self, survivor: str, other: str, project: int = PROJECT) -> None:
        """Merge a person into another: the older moment of creation stays."""
        self._posthog.changed = True
        self._posthog.world.merge_persons(project, survivor, other)

    def person_ids(self, project: int = PROJECT) -> list[str]:
        """All persons, the newest first."""
        _, _, rows = self._posthog.world.query(
            "select id from persons where team_id = ? order by created_at desc, id", [project]
        )
        return [identifier for (identifier,) in rows]

    def clear_events(self, project: int = PROJECT) -> None:
        """Let none have happened."""
        self._posthog.changed = True
        self._posthog.world.clear(project)

    def merge_events(self) -> None:
        """Let ClickHouse merge the copies of each event: the newest stays."""
        self._posthog.changed = True
        self._posthog.world.merge()

    def make_events(self, begin: str, days: int, count: int, tied: int = 0) -> None:
        """Let many happen, from a day on, some of them in the same moments."""
        self._posthog.changed = True
        moment = datetime.fromisoformat(begin).replace(tzinfo=None)
        self._posthog.world.make(
            PROJECT, moment, days=days, count=count, tied=tied, first=100_000_000
        )

    def change(self, resource: str, identifier: Any, **changes: Any) -> None:
        """Change a row of a list."""
        for row in self._rows(resource):
            if row["id"] == identifier:
                row.update(changes)

    def delete(self, resource: str, identifier: Any) -> None:
        """Delete a row of a list."""
        rows = self._rows(resource)
        rows[:] = [row for row in rows if row["id"] != identifier]

    def share(self, resource: str) -> None:
        """List a row of the first project with the second one too, under the same id."""
        rows = self._posthog.lists[SECOND_PROJECT][resource]
        rows.append(dict(self._rows(resource)[0]))

    def listed(self, resource: str) -> list[dict[str, Any]]:
        """All rows of a list."""
        return self._rows(resource)

    def totals(self, start: str, end: str, project: int = PROJECT) -> dict[str, Any]:
        """What the events must add up to: those from a moment on, before another.

        ``count`` and ``digest`` are of their uuids; ``identities`` is what PostHog counts when all
        copies are merged, as some share their uuid.
        """
        _, _, rows = self._posthog.world.query(
            f"""
            with seen as (
                select uuid, event, distinct_id, "timestamp" from events where team_id = ?
                and visible_at <= ? and "timestamp" >= ? and "timestamp" < ?
            ), single as (select distinct uuid from seen)
            select count(*), count(distinct uuid), md5(string_agg(uuid, ',' order by uuid)),
                (select count(distinct ({IDENTITY})) from seen)
            from single
            """,  # noqa: S608 - names of the sandbox
            [project, self._posthog.world.now(), start, end],
        )
        ((count, distinct, digest, identities),) = rows
        return {"count": count, "distinct": distinct, "digest": digest, "identities": identities}

    def identities(self, start: str, end: str, project: int = PROJECT) -> list[list[str]]:
        """The same as ``uuids``, by all that tells events apart: uuid, name, distinct_id, day."""
        return [[*map(str, row)] for row in self._distinct(IDENTITY, start, end, project)]

    def sums(self, start: str, end: str, project: int = PROJECT) -> list[int]:
        """What a table of all events from a moment on, before another, must come to.

        Count, then sums: of the first and the last eight digits of the uuids, of the moments'
        microseconds, and of the properties' order ids and cents. In little memory, however many
        they are.
        """
        _, _, rows = self._posthog.world.query(
            """
            select count(*), sum(('0x' || uuid[:8])::bigint), sum(('0x' || uuid[-8:])::bigint),
                sum(epoch_us("timestamp")), sum((properties->>'order_id')::bigint),
                sum(round((properties->>'revenue')::double * 100)::bigint)
            from events where team_id = ? and visible_at <= ? and "timestamp" >= ?
                and "timestamp" < ?
            """,
            [project, self._posthog.world.now(), start, end],
        )
        return [int(value or 0) for value in rows[0]]

    def uuids(self, start: str, end: str, project: int = PROJECT) -> list[str]:
        """The events from a moment on, before another, that can be seen by now."""
        return [identifier for (identifier,) in self._distinct("uuid", start, end, project)]

    def _distinct(self, columns: str, start: str, end: str, project: int) -> list[Any]:
        _, _, rows = self._posthog.world.query(
            f"""select distinct {columns} from events where team_id = ? and visible_at <= ?
            and "timestamp" >= ? and "timestamp" < ? order by all""",  # noqa: S608 - known names
            [project, self._posthog.world.now(), start, end],
        )
        return rows

    def _rows(self, resource: str) -> list[dict[str, Any]]:
        return self._posthog.lists[PROJECT][resource]
