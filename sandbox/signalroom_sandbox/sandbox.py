"""The state of all mock vendors, their faults and the journal of their requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.journal import Journal
from signalroom_sandbox.plugins import plugins

if TYPE_CHECKING:
    from signalroom_sandbox.faults import Fault
    from signalroom_sandbox.vendor import Vendor


@dataclass
class Sandbox:
    """The vendors, the faults injected into them, and a journal of their requests."""

    seed: int = 713
    scale: float = 1.0
    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    #: By the name of their plugin.
    vendors: dict[str, Vendor] = field(init=False)

    def __post_init__(self) -> None:
        self.vendors = {
            name: plugin.vendor(seed=self.seed, scale=self.scale)
            for name, plugin in plugins().items()
        }
        self._set_latency()

    def _set_latency(self) -> None:
        for vendor in self.vendors.values():
            vendor.latency = self.latency

    def reset(self) -> None:
        """Undo everything that was changed through the control endpoint."""
        self.faults.clear()
        self.journal.entries.clear()
        for vendor in self.vendors.values():
            vendor.reset()
        self._set_latency()

    def variables(self, url: str, *, short: bool = False) -> dict[str, str]:
        """The environment in which the taps read the mock vendors.

        Args:
            url: URL that the sandbox listens on.
            short: Whether to use the shorter names of variables.
        """
        variables: dict[str, str] = {}
        for name, plugin in plugins().items():
            variables |= plugin.variables(f"{url}/{name}", self.vendors[name], short=short)
        return variables

    def attributes(self, url: str) -> dict[str, Any]:
        """The attributes of ``SandboxServer`` for each vendor.

        Args:
            url: URL that the sandbox listens on.
        """
        attributes = {}
        for name, plugin in plugins().items():
            attributes[f"{name}_url"] = f"{url}/{name}"
            attributes |= plugin.attributes(self.vendors[name])
        return attributes
