"""The state of an instance of Mautic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.mautic import entities
from signalroom_sandbox.mautic.access import Access
from signalroom_sandbox.mautic.limits import Limits
from signalroom_sandbox.mautic.switches import Switches
from signalroom_sandbox.mautic.world import World
from signalroom_sandbox.vendor import Vendor

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass
class Instance(Vendor):
    """An instance of Mautic."""

    access: Access = field(init=False)
    limits: Limits = field(init=False)
    switches: Switches = field(init=False)
    #: Whether a test changed the data, so that the next reset has to restore it.
    changed: bool = field(default=False, init=False)
    #: Chooses the order of rows that are not sorted.
    request_count: int = field(default=0, init=False)
    _world: World | None = field(default=None, init=False)
    _lists: tuple[int, dict[str, list[dict[str, Any]]]] | None = field(default=None, init=False)

    def reset(self) -> None:
        """Undo what tests changed."""
        super().reset()
        self.access = Access()
        self.limits = Limits()
        self.switches = Switches()
        self.request_count = 0
        if self.changed:
            self._world, self._lists, self.changed = None, None, False
        elif self._world:
            self._world.ahead *= 0

    @property
    def world(self) -> World:
        """Contacts and tables of the current version, made when they are first needed."""
        if self._world is None or self._world.version != self.switches.version:
            self._world = World(self.scale, self.switches.version)
        return self._world

    @property
    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """The entities, by list."""
        if self._lists is None or self._lists[0] != self.switches.version:
            self._lists = self.switches.version, entities.initial_lists(self.switches.version)
        return self._lists[1]

    def advance(self, by: timedelta) -> None:
        """Set the clock ahead."""
        self.world.ahead += by
