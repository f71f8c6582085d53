"""Control actions: changes of the instance, and totals to compare with."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.actions import (
    VendorActions,
    fields_action,
    limits_action,
    read_only,
    switches_action,
)
from signalroom_sandbox.mautic import gone
from signalroom_sandbox.mautic.access import Access
from signalroom_sandbox.mautic.limits import Limits
from signalroom_sandbox.mautic.switches import Switches

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.world import World


class Actions(VendorActions):
    """Control actions of Mautic."""

    limits = limits_action(Limits)
    switches = switches_action(Switches)
    access = fields_action(
        Access, "access", "Set the lifetime of tokens; turn the API or Basic auth on or off."
    )

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._vendor.access.revoke()

    @read_only
    def tokens(self) -> Any:
        """How many tokens were requested."""
        return self._vendor.access.token_requests

    def edit(self, numbers: list[int], *, audited: bool = True, **fields: Any) -> None:
        """Edit contacts."""
        self._change().edit(numbers, audited=audited, **fields)

    def add(self, count: int, *, audited: bool = True) -> Any:
        """Add contacts dated now; returns their ids."""
        return self._change().add(count, audited=audited)

    def delete(self, numbers: list[int]) -> None:
        """Delete contacts."""
        world = self._change()
        for number in numbers:
            gone.delete(world, number)

    def merge(self, loser: int, winner: int) -> None:
        """Merge a contact into another."""
        gone.merge(self._change(), loser, winner)

    def rename_company(self, number: int, name: str) -> None:
        """Rename a company, also in the field of its contacts."""
        self._change().rename_company(number, name)

    def delete_stage(self, number: int) -> None:
        """Delete a stage, also from its contacts."""
        self._change().leave_stage(number)
        self._vendor.lists["stages"] = [
            row for row in self._vendor.lists["stages"] if row["id"] != number
        ]

    def make_contacts(self, count: int, fields: int = 0) -> None:
        """Add many contacts with past dates, after adding custom fields of all types."""
        world = self._change()
        kinds = ("text", "number", "boolean", "date", "datetime", "select")
        for number in range(fields):
            world.add_field(f"own_{number}", kinds[number % len(kinds)], "professional")
        world.make_contacts(count)

    def add_field(self, alias: str, kind: str = "text") -> None:
        """Add a field to contacts."""
        self._change().add_field(alias, kind)

    def hide_field(self, alias: str) -> None:
        """Unpublish a field: lists and contacts no longer show it."""
        self._change().hidden.add(alias)

    def set(self, table: str, where: dict[str, Any], **columns: Any) -> None:
        """Change rows of a table."""
        self._change().set(table, where, **columns)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Add rows to a table."""
        self._change().insert(table, rows)

    def remove(self, table: str, where: dict[str, Any]) -> None:
        """Remove rows of a table."""
        self._change().remove(table, where)

    def change(self, resource: str, identifier: int, **properties: Any) -> None:
        """Change a row of a list."""
        self._vendor.changed = True
        for row in self._vendor.lists[resource]:
            if row["id"] == identifier:
                row.update(properties)

    @read_only
    def ids(self, resource: str) -> Any:
        """All ids of a list; `leads` are contacts."""
        if resource in {"leads", "companies"}:
            return [row["id"] for row in self._vendor.world.query(f"select id from {resource}")]
        return [row["id"] for row in self._vendor.lists[resource] if not row.get("deleted")]

    @read_only
    def rows(self, table: str) -> Any:
        """All rows of a table."""
        return [dict(row) for row in self._vendor.world.query(f"select * from {table}")]

    @read_only
    def digest(self) -> Any:
        """The number of contacts, and their checksums."""
        return self._vendor.world.digest()

    def now(self, ahead_seconds: float = 0) -> Any:
        """The database's time, after its clock is advanced."""
        self._vendor.world.ahead += timedelta(seconds=ahead_seconds)
        return self._vendor.world.now()

    def _change(self) -> World:
        """The instance, for a change that the next reset undoes."""
        self._vendor.changed = True
        world: World = self._vendor.world
        return world
