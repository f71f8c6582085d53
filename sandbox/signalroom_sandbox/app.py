"""All vendors on one server, and the endpoint that controls them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from signalroom_sandbox.control import control_app
from signalroom_sandbox.faults import Fault, FaultMiddleware
from signalroom_sandbox.journal import Journal
from signalroom_sandbox.plugins import plugins

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from signalroom_sandbox.plugins import Vendor


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

    def app(self) -> ASGIApp:
        """The ASGI application."""
        apps = {name: vendor.app() for name, vendor in self.vendors.items()}

        async def serve_vendor(scope: Scope, receive: Receive, send: Send) -> None:
            # Not by a router of Starlette's: faults need the server's own ``send``.
            name = scope.get("path", "").split("/")[1:2]
            if not name or name[0] not in apps:
                await PlainTextResponse("Not Found", 404)(scope, receive, send)
                return
            below = {**scope, "app_root_path": "", "root_path": f"/{name[0]}"}
            await apps[name[0]](below, receive, send)

        faulty = FaultMiddleware(serve_vendor, self.faults)
        control = Starlette(routes=[Mount("/control", control_app(self))])

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            app = control if scope.get("path", "").startswith("/control") else faulty
            await app(scope, receive, send)

        return self.journal.wrap(serve)

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
