"""A call of the API, with the pages and filters that its query requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic import roles
from signalroom_sandbox.mautic.access import may_view, permission_error
from signalroom_sandbox.mautic.replies import OutOfMemoryError, number_in
from signalroom_sandbox.mautic.where import ordered_values

if TYPE_CHECKING:
    from signalroom_sandbox.mautic.instance import Instance
    from signalroom_sandbox.mautic.switches import Switches
    from signalroom_sandbox.mautic.world import World

_DEFAULT_LIMIT = 30
#: Since this version, filters are added to the list's own ones, and values are not escaped.
SEVEN = 7


@dataclass(frozen=True)
class Call:
    """A call that was authenticated.

    Attributes:
        mautic: The instance that is called.
        path: Parameters of the path, such as an id.
        query: The query string as a tree.
        client: Id of the client whose role decides.
    """

    mautic: Instance
    path: dict[str, Any]
    query: dict[str, Any]
    client: str

    @property
    def world(self) -> World:
        """The instance's database."""
        return self.mautic.world

    @property
    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """The instance's entities, by list."""
        return self.mautic.lists

    @property
    def switches(self) -> Switches:
        """The instance's behaviours."""
        return self.mautic.switches

    @property
    def escapes(self) -> bool:
        """Whether values of filters are escaped as HTML before they are compared."""
        return self.switches.version < SEVEN

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The filters of the query, in order."""
        return [] if self.switches.where_ignored else ordered_values(self.query.get("where"))

    @property
    def ids(self) -> set[int] | None:
        """The ids that the query searches for; None without a search."""
        return roles.ids_of_search(self.query.get("search", ""))

    @property
    def is_descending(self) -> bool:
        """Whether the order of ``orderBy`` is descending."""
        return bool(self.query.get("orderByDir", "").lower() == "desc")

    def check_permission(self, name: str) -> None:
        """Reject a call for data that the client's role may not view.

        Args:
            name: Name of a list or a table.

        Raises:
            ApiError: With status 403.
        """
        if not may_view(self.client, name):
            raise permission_error()

    def hides_others(self, name: str) -> bool:
        """Whether a list is reduced to the viewer's own rows.

        Args:
            name: Name of the list.
        """
        return roles.hides(self.switches, name, filtered=bool(self.filters))

    def total(self, count: int) -> Any:
        """The total as the response states it.

        Args:
            count: How many rows there really are.
        """
        stated = {"right": count, "low": count // 2, "high": count + 9}
        return stated.get(self.switches.total, "abc")

    def page(self, default: int = _DEFAULT_LIMIT) -> tuple[int, int]:
        """Where the page begins, and its rows.

        Args:
            default: The limit without a limit in the query.

        Raises:
            OutOfMemoryError: If the page is larger than PHP's memory.
        """
        start = number_in(self.query.get("start") or "0")
        limit = number_in(self.query.get("limit") or default)
        if self.switches.memory_rows and limit > self.switches.memory_rows:
            raise OutOfMemoryError(self.switches.memory_status)
        return start, limit

    def list_page(self) -> tuple[int, int | None]:
        """Where a page of a list begins, and its rows; None for all, by a limit of 0."""
        start, limit = self.page()
        return (0, None) if self.query.get("limit") == "0" else (start, limit)
