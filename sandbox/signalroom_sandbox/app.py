"""All vendors on one server, and the endpoint that controls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from signalroom_sandbox.control import control_app
from signalroom_sandbox.faults import FaultMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from signalroom_sandbox.sandbox import Sandbox


def build_app(sandbox: Sandbox) -> ASGIApp:
    """Build the ASGI application of all vendors, with the endpoint that controls them.

    Args:
        sandbox: The vendors' state, which requests read and change.
    """
    apps = {name: vendor.app() for name, vendor in sandbox.vendors.items()}

    async def serve_vendor(scope: Scope, receive: Receive, send: Send) -> None:
        # Not by a router of Starlette's: faults need the server's own ``send``.
        name = scope.get("path", "").split("/")[1:2]
        if not name or name[0] not in apps:
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        below = {**scope, "app_root_path": "", "root_path": f"/{name[0]}"}
        await apps[name[0]](below, receive, send)

    faulty = FaultMiddleware(serve_vendor, sandbox.faults)
    control = Starlette(routes=[Mount("/control", control_app(sandbox))])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        app = control if scope.get("path", "").startswith("/control") else faulty
        await app(scope, receive, send)

    return sandbox.journal.wrap(serve)
