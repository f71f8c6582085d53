"""What a test does to the instance, and what it asks of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic.limits import Limits

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.api import Mautic
    from signalroom_sandbox.mautic.world import World


class Actions:
    """What a test does.

    Args:
        vendor: Mautic.
    """

    def __init__(self, vendor: Mautic) -> None:
        self._vendor = vendor

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._vendor.latency = float(seconds)

    def limits(self, **limits: Any) -> None:
        """Set the limit of calls; without it there is none."""
        self._vendor.limits = Limits(**limits)

    def switches(self, **switches: Any) -> None:
        """Turn lasting behaviours on or off; another version is another instance."""
        self._vendor.switch(**switches)

    def access(self, **values: Any) -> None:
        """Set how long tokens last, and whether the API and Basic auth are on."""
        for name, value in values.items():
            setattr(self._vendor.access, name, value)

    def revoke(self) -> None:
        """Forget all tokens."""
        self._vendor.access.revoke()

    def tokens(self) -> int:
        """How many tokens were asked for."""
        return self._vendor.access.asked

    def edit(self, numbers: list[int], *, audited: bool = True, **values: Any) -> None:
        """Edit contacts."""
        self._changed().edit(numbers, audited=audited, **values)

    def add(self, count: int, *, audited: bool = True) -> list[int]:
        """Add contacts, now; gives their ids."""
        return self._changed().add(count, audited=audited)

    def delete(self, numbers: list[int]) -> None:
        """Delete contacts."""
        self._changed().delete(numbers)

    def merge(self, loser: int, winner: int) -> None:
        """Merge a contact into another."""
        self._changed().merge(loser, winner)

    def rename_company(self, number: int, name: str) -> None:
        """Rename a company."""
        self._changed().rename_company(number, name)

    def delete_stage(self, number: int) -> None:
        """Delete a stage."""
        self._changed().leave_stage(number)
        self._vendor.lists["stages"] = [
            row for row in self._vendor.lists["stages"] if row["id"] != number
        ]

    def make_contacts(self, count: int, fields: int = 0) -> None:
        """Add many contacts, as old ones; first so many fields, of all types."""
        world = self._changed()
        kinds = ("text", "number", "boolean", "date", "datetime", "select")
        for number in range(fields):
            world.add_field(f"own_{number}", kinds[number % len(kinds)], "professional")
        world.make_contacts(count)

    def add_field(self, alias: str, kind: str = "text") -> None:
        """Add a field to contacts."""
        self._changed().add_field(alias, kind)

    def hide_field(self, alias: str) -> None:
        """Take a field out of use: lists and contacts do not show it any more."""
        self._changed().hidden.add(alias)

    def set(self, table: str, where: dict[str, Any], **values: Any) -> None:
        """Change rows of a table."""
        self._changed().set(table, where, **values)

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Add rows to a table."""
        self._changed().insert(table, rows)

    def remove(self, table: str, where: dict[str, Any]) -> None:
        """Remove rows of a table."""
        self._changed().remove(table, where)

    def change(self, resource: str, identifier: int, **changes: Any) -> None:
        """Change a row of a list."""
        self._vendor.changed = True
        for row in self._vendor.lists[resource]:
            if row["id"] == identifier:
                row.update(changes)

    def ids(self, resource: str) -> list[int]:
        """All ids of a list that are not deleted, or of contacts."""
        if resource in {"leads", "companies"}:
            return [row["id"] for row in self._vendor.world.query(f"select id from {resource}")]
        return [row["id"] for row in self._vendor.lists[resource] if not row.get("deleted")]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, contacts' too."""
        return [dict(row) for row in self._vendor.world.query(f"select * from {table}")]

    def digest(self) -> dict[str, Any]:
        """How many contacts there are, and what they add up to."""
        return self._vendor.world.digest()

    def now(self, ahead_seconds: float = 0) -> str:
        """The instance's time, as its database has it."""
        self._vendor.world.ahead += timedelta(seconds=ahead_seconds)
        return self._vendor.world.now()

    def _changed(self) -> World:
        self._vendor.changed = True
        return self._vendor.world
