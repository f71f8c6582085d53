"""Run a sandbox within another program, and control it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import uvicorn

from signalroom_sandbox.app import build_app
from signalroom_sandbox.plugins import plugins
from signalroom_sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
_START_SECONDS = 10


class SandboxServer:
    """A sandbox in a thread, on a free port.

    Args:
        seed: Another seed makes other data.
        scale: How much data there is; 1 is about 100 conversions a day.
        wrap: Wraps the ASGI application, for example to record requests and responses.
    """

    def __init__(
        self,
        *,
        seed: int = 713,
        scale: float = 1.0,
        wrap: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        self._sandbox = Sandbox(seed=seed, scale=scale)
        # Without the protocol, asyncio does not set TCP_NODELAY, and each response takes 40 ms.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind((LOOPBACK, 0))
        app = build_app(self._sandbox)
        config = uvicorn.Config(
            wrap(app) if wrap else app, log_level="critical", lifespan="off", http="h11"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True
        )
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        self.dotenv = self._sandbox.variables(self.url)
        # ``everflow_url`` and the like.
        vars(self).update(self._sandbox.attributes(self.url))
        self.control = Control(self.url)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> str: ...

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                msg = "The sandbox did not start"
                raise RuntimeError(msg)
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()
        self._socket.close()


class ControlError(Exception):
    """The control endpoint rejected a request."""


class ControlVendor:
    """The control actions of a vendor, as methods.

    Args:
        control: Client of the control endpoint.
        vendor: Name of the vendor's plugin.
    """

    def __init__(self, control: Control, vendor: str) -> None:
        self._control = control
        self._vendor = vendor
        self._actions = {action.name: action for action in plugins()[vendor].endpoints}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        action = self._actions.get(name)
        if action is None:
            raise AttributeError(name)

        def act(*positional: Any, **named: Any) -> Any:
            values = action.bind(positional, named)
            prepare = plugins()[self._vendor].controls.get(name, dict)
            return self._control.send("POST", f"/{self._vendor}/{name}", prepare(values))

        return act


class Control:
    """Client of the control endpoint; ``control.everflow`` and the like are its vendors.

    Args:
        url: URL that the sandbox listens on.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/control"

    def __getattr__(self, name: str) -> ControlVendor:
        if name not in plugins():
            raise AttributeError(name)
        return self.vendor(name)

    def vendor(self, name: str) -> ControlVendor:
        """The control actions of a vendor.

        Args:
            name: Name of the vendor's plugin, as in ``acme_crm``.
        """
        return ControlVendor(self, name)

    def reset(self) -> None:
        """Undo all changes and faults, and clear the journal."""
        self.send("POST", "/reset")

    def advance(self, seconds: float) -> None:
        """Advance the vendors' clock."""
        self.send("POST", "/clock", {"advance_seconds": seconds})

    def requests(self) -> Any:
        """The journal: ``count``, ``max_concurrent``, ``refused``, ``requests``."""
        return self.send("GET", "/requests")

    def clear_requests(self) -> None:
        """Clear the journal."""
        self.send("DELETE", "/requests")

    def fault(
        self,
        fault: str,
        *,
        vendor: str = "",
        match: str = "",
        times: int = 1,
        skip: int = 0,
        **params: Any,
    ) -> None:
        """Inject a fault into the next requests that match.

        Args:
            fault: Name of the fault.
            vendor: Name of the vendor's plugin; any vendor if it is empty.
            match: Regular expression for the path.
            times: How many requests fail.
            skip: How many matching requests succeed before.
            params: Parameters of the fault.
        """
        values = {"fault": fault, "vendor": vendor, "match": match, "times": times, "skip": skip}
        self.send("POST", "/faults", values | {"params": params})

    def clear_faults(self) -> None:
        """Clear the faults."""
        self.send("DELETE", "/faults")

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the control endpoint, and decode its response.

        Args:
            method: HTTP method of the request.
            path: Path below ``/control``.
            body: JSON body, where the request has one.

        Raises:
            ControlError: If the endpoint rejects it.
        """
        data = None if body is None else msgspec.json.encode(body)
        request = Request(self._url + path, data, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=60) as response:  # noqa: S310
                return msgspec.json.decode(response.read())
        except HTTPError as error:
            with error:
                msg = f"{method} {path}: {error.read().decode()}"
            raise ControlError(msg) from None
