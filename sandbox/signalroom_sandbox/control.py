"""The endpoint through which tests change the vendors, inject faults and read the journal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from signalroom_sandbox.actions import Action
from signalroom_sandbox.faults import Fault
from signalroom_sandbox.plugins import plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from signalroom_sandbox.sandbox import Sandbox

#: Amounts are text, as readers of JSON may convert numbers to floats.
_encoder = msgspec.json.Encoder(decimal_format="string")


class _SandboxActions:
    """Actions on all vendors at once."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def health(self) -> dict[str, bool]:
        """Respond with `{"ok": true}`."""
        return {"ok": True}

    def reset(self) -> None:
        """Undo all changes and faults, and clear the journal."""
        self._sandbox.reset()

    def clock(self, advance_seconds: float) -> None:
        """Advance the vendors' clock; advances add up."""
        for vendor in self._sandbox.vendors.values():
            vendor.advance(timedelta(seconds=advance_seconds))

    def requests(self) -> dict[str, Any]:
        """The journal: `count`, `max_concurrent`, `refused` (429), `requests`."""
        return self._sandbox.journal.summary()

    def clear_requests(self) -> None:
        """Clear the journal."""
        self._sandbox.journal.entries.clear()

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are set."""
        return [asdict(fault) for fault in self._sandbox.faults]

    def add_fault(
        self,
        fault: str,
        *,
        vendor: str = "",
        match: str = "",
        times: int = 1,
        skip: int = 0,
        params: dict[str, Any] | None = None,
    ) -> None:
        """Set a fault."""
        self._sandbox.faults.append(Fault(fault, vendor, match, times, skip, params or {}))

    def clear_faults(self) -> None:
        """Clear the faults."""
        self._sandbox.faults.clear()


@dataclass(frozen=True)
class Endpoint:
    """A path below ``/control``, and its action.

    Attributes:
        methods: HTTP methods, the one to document first.
        path: Path below ``/control``.
        action: The action, with its arguments.
        target: Makes the object whose method the action is.
    """

    methods: tuple[str, ...]
    path: str
    action: Action
    target: Callable[[Sandbox], Any]

    def route(self, sandbox: Sandbox) -> Route:
        """The endpoint as a route.

        Args:
            sandbox: The sandbox to be controlled.
        """

        async def endpoint(request: Request) -> Response:
            values: dict[str, Any] = dict(request.query_params)
            is_text = bool(values)
            try:
                if body := await request.body():
                    values |= msgspec.json.decode(body, type=dict[str, Any])
                result = self.action.run(self.target(sandbox), values, is_text=is_text)
                payload, status = result, 200
            except (LookupError, ValueError) as error:
                payload, status = {"error": f"{type(error).__name__}: {error}"}, 400
            return Response(_encoder.encode(payload), status, media_type="application/json")

        return Route(self.path, endpoint, methods=list(self.methods))


_SHARED = (
    ("GET", "/health", _SandboxActions.health),
    ("POST", "/reset", _SandboxActions.reset),
    ("POST", "/clock", _SandboxActions.clock),
    ("GET", "/requests", _SandboxActions.requests),
    ("DELETE", "/requests", _SandboxActions.clear_requests),
    ("GET", "/faults", _SandboxActions.faults),
    ("POST", "/faults", _SandboxActions.add_fault),
    ("DELETE", "/faults", _SandboxActions.clear_faults),
)


def endpoints() -> list[Endpoint]:
    """All control endpoints: those of the sandbox, then each vendor's."""
    shared = [
        Endpoint((method,), path, Action.from_method(call), _SandboxActions)
        for method, path, call in _SHARED
    ]
    return shared + [
        Endpoint(
            ("GET", "POST") if action.is_read_only else ("POST",),
            f"/{name}/{action.name}",
            action,
            partial(_vendor_actions, name),
        )
        for name, plugin in plugins().items()
        for action in plugin.endpoints
    ]


def _vendor_actions(name: str, sandbox: Sandbox) -> Any:
    return plugins()[name].actions(sandbox.vendors[name])


def control_app(sandbox: Sandbox) -> Starlette:
    """The control endpoint of a sandbox; the README has a table of its paths.

    Args:
        sandbox: The sandbox to be controlled.
    """
    return Starlette(routes=[endpoint.route(sandbox) for endpoint in endpoints()])


def endpoint_table() -> str:
    """The README's table of control endpoints: ``make settings`` writes it."""
    rows = ["| Request below `/control` | Arguments | Does |", "|---|---|---|"]
    for endpoint in endpoints():
        action = endpoint.action
        if action.name in {"limits", "switches"}:
            arguments = "see below"
        else:
            required = ", ".join(f"`{name}`" for name in action.required_names())
            optional = ", ".join(f"`{name}`" for name in action.optional_names())
            others = f"any {action.others}" if action.others else ""
            arguments = "; ".join(part for part in (required, optional, others) if part)
        method = endpoint.methods[0]
        rows.append(f"| `{method} {endpoint.path}` | {arguments or ' '} | {action.summary} |")
    return "\n".join(rows).replace("|   |", "| |")
