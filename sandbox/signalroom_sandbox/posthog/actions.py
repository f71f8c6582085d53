"""Control actions: changes of the projects, and totals to compare with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.actions import VendorActions, limits_action, read_only, switches_action
from signalroom_sandbox.posthog.access import Key
from signalroom_sandbox.posthog.limits import Limits
from signalroom_sandbox.posthog.shared_uuids import IDENTITY
from signalroom_sandbox.posthog.switches import Switches
from signalroom_sandbox.posthog.world import PROJECT, SECOND_PROJECT

if TYPE_CHECKING:
    from signalroom_sandbox.posthog.world import World


class Actions(VendorActions):
    """Control actions of PostHog."""

    limits = limits_action(Limits)
    switches = switches_action(Switches)

    def zone(self, name: str, project: int = PROJECT) -> None:
        """Set a project's time zone."""
        self._vendor.zones[project] = name

    def key(
        self,
        key: str,
        scopes: tuple[str, ...] | None = None,
        projects: tuple[int, ...] | None = None,
        reads: tuple[int, ...] | None = None,
    ) -> None:
        """Change the permissions of a key, or create one."""
        changes = {"scopes": scopes, "projects": projects, "reads": reads}
        known = self._vendor.keys.get(key, Key())
        self._vendor.keys[key] = replace(
            known, **{name: value for name, value in changes.items() if value is not None}
        )

    def revoke(self, key: str) -> None:
        """Revoke a key."""
        self._vendor.keys.pop(key, None)

    def events(self, events: list[dict[str, Any]], project: int = PROJECT) -> Any:
        """Add events (columns, `visible_at`); returns their uuids."""
        return self._change().add(project, events)

    def persons(self, persons: list[dict[str, Any]], project: int = PROJECT) -> Any:
        """Add persons (`id`, `created_at`, `properties`); returns their ids."""
        return self._change().add_persons(project, persons)

    def clear_persons(self, project: int = PROJECT) -> None:
        """Delete all persons."""
        self._change().query("delete from persons where team_id = ?", [project])

    def merge_persons(self, survivor: str, other: str, project: int = PROJECT) -> None:
        """Merge a person into another; the earlier `created_at` stays."""
        self._change().merge_persons(project, survivor, other)

    @read_only
    def person_ids(self, project: int = PROJECT) -> Any:
        """All ids of persons, newest first."""
        _, _, rows = self._vendor.world.query(
            "select id from persons where team_id = ? order by created_at desc, id", [project]
        )
        return [identifier for (identifier,) in rows]

    def clear_events(self, project: int = PROJECT) -> None:
        """Delete all events."""
        self._change().clear(project)

    def delete_events(self, uuids: list[str], project: int = PROJECT) -> None:
        """Delete all events that have one of some uuids."""
        self._change().delete_events(project, uuids)

    def delete_person(self, person: str, project: int = PROJECT) -> Any:
        """Delete a person with all of their events; returns the uuids of these."""
        return self._change().delete_person(project, person)

    def merge_events(self) -> None:
        """Keep the newest copy of each event, as ClickHouse does in time."""
        self._change().merge()

    def make_events(self, begin: str, days: int, count: int, tied: int = 0) -> None:
        """Add many events from a day on, `tied` of them at shared timestamps."""
        moment = datetime.fromisoformat(begin).replace(tzinfo=None)
        self._change().make(PROJECT, moment, days=days, count=count, tied=tied, first=100_000_000)

    def change(self, resource: str, identifier: Any, **fields: Any) -> None:
        """Change a row of a list."""
        for row in self._rows(resource):
            if row["id"] == identifier:
                row.update(fields)

    def delete(self, resource: str, identifier: Any) -> None:
        """Delete a row of a list."""
        rows = self._rows(resource)
        rows[:] = [row for row in rows if row["id"] != identifier]

    def share(self, resource: str) -> None:
        """List a row of the first project in the second one too."""
        rows = self._vendor.lists[SECOND_PROJECT][resource]
        rows.append(dict(self._rows(resource)[0]))

    @read_only
    def listed(self, resource: str) -> Any:
        """All rows of a list."""
        return self._rows(resource)

    @read_only
    def totals(self, start: str, end: str, project: int = PROJECT) -> Any:
        """Counts and a digest of the events from `start` to before `end`.

        ``count`` and ``digest`` are of their uuids; ``identities`` is what PostHog counts when all
        copies are merged, as some share their uuid.
        """
        _, _, rows = self._vendor.world.query(
            f"""
            with seen as (
                select uuid, event, distinct_id, "timestamp" from events where team_id = ?
                and visible_at <= ? and "timestamp" >= ? and "timestamp" < ?
            ), single as (select distinct uuid from seen)
            select count(*), count(distinct uuid), md5(string_agg(uuid, ',' order by uuid)),
                (select count(distinct ({IDENTITY})) from seen)
            from single
            """,  # noqa: S608 - names of the sandbox
            [project, self._vendor.world.now(), start, end],
        )
        ((count, distinct, digest, identities),) = rows
        return {"count": count, "distinct": distinct, "digest": digest, "identities": identities}

    @read_only
    def identities(self, start: str, end: str, project: int = PROJECT) -> Any:
        """The events as PostHog counts them: uuid, name, distinct_id and day."""
        return [[*map(str, row)] for row in self._distinct(IDENTITY, start, end, project)]

    @read_only
    def sums(self, start: str, end: str, project: int = PROJECT) -> Any:
        """Checksums of a table of all events: count, sums of uuids, times, order ids, cents.

        Count, then sums: of the first and the last eight digits of the uuids, of the moments'
        microseconds, and of the properties' order ids and cents. In little memory, however many
        they are.
        """
        _, _, rows = self._vendor.world.query(
            """
            select count(*), sum(('0x' || uuid[:8])::bigint), sum(('0x' || uuid[-8:])::bigint),
                sum(epoch_us("timestamp")), sum((properties->>'order_id')::bigint),
                sum(round((properties->>'revenue')::double * 100)::bigint)
            from events where team_id = ? and visible_at <= ? and "timestamp" >= ?
                and "timestamp" < ?
            """,
            [project, self._vendor.world.now(), start, end],
        )
        return [int(value or 0) for value in rows[0]]

    @read_only
    def uuids(self, start: str, end: str, project: int = PROJECT) -> Any:
        """The uuids of the events from `start` to before `end`."""
        return [identifier for (identifier,) in self._distinct("uuid", start, end, project)]

    def _distinct(self, columns: str, start: str, end: str, project: int) -> Any:
        _, _, rows = self._vendor.world.query(
            f"""select distinct {columns} from events where team_id = ? and visible_at <= ?
            and "timestamp" >= ? and "timestamp" < ? order by all""",  # noqa: S608 - known names
            [project, self._vendor.world.now(), start, end],
        )
        return rows

    def _change(self) -> World:
        """The events and persons, for a change that the next reset undoes."""
        self._vendor.changed = True
        world: World = self._vendor.world
        return world

    def _rows(self, resource: str) -> Any:
        return self._vendor.lists[PROJECT][resource]
