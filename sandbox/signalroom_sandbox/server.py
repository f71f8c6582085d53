"""Running a sandbox within another program, and talking to it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec
import uvicorn

from signalroom_sandbox.app import Sandbox, dotenv
from signalroom_sandbox.sticky_s3.client import ControlS3

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from types import TracebackType
    from typing import Self

    from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
_START_SECONDS = 10


class SandboxServer:
    """A sandbox in a thread, on a port of its own.

    Args:
        seed: Another seed is another set of data.
        scale: How much data; 1 is about 100 conversions a day.
        wrap: What its ASGI application is wrapped in, as a recorder of requests and responses.
    """

    def __init__(
        self,
        *,
        seed: int = 713,
        scale: float = 1.0,
        wrap: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        self._sandbox = Sandbox(seed=seed, scale=scale)
        # Of TCP by name: else asyncio takes no delay off it, and each answer waits 40 ms.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind((LOOPBACK, 0))
        app = self._sandbox.app()
        config = uvicorn.Config(
            wrap(app) if wrap else app, log_level="critical", lifespan="off", http="h11"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True
        )
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        self.everflow_url = f"{self.url}/everflow"
        self.s3_url = f"{self.url}/s3"
        self.gsheets_url = f"{self.url}/gsheets"
        self.mautic_url = f"{self.url}/mautic"
        self.posthog_url = f"{self.url}/posthog"
        self.redtrack_url = f"{self.url}/redtrack"
        self.bucket = self._sandbox.s3.bucket
        self.dotenv = dotenv(self.url, self.bucket)
        self.control = Control(self.url)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                msg = "The sandbox did not start"
                raise RuntimeError(msg)
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join()
        self._socket.close()


class ControlError(Exception):
    """The control endpoint refused."""


class ControlVendor:
    """A vendor's part of it: calls the actions of its ``control`` module by name.

    Args:
        control: The endpoint.
        vendor: Whose.
    """

    def __init__(self, control: Control, vendor: str) -> None:
        self._control = control
        self._vendor = vendor

    def __getattr__(self, action: str) -> Callable[..., Any]:
        def act(**given: Any) -> Any:
            return self._control.ask("POST", f"/{self._vendor}/{action}", given)

        return act


class Control:
    """The control endpoint of a running sandbox.

    Args:
        url: Where the sandbox listens.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/control"
        self.s3 = ControlS3(self)
        self.gsheets = ControlVendor(self, "gsheets")
        self.mautic = ControlVendor(self, "mautic")
        self.posthog = ControlVendor(self, "posthog")
        self.redtrack = ControlVendor(self, "redtrack")

    def vendor(self, name: str) -> ControlVendor:
        """The part of a vendor that plugs itself in.

        Args:
            name: The first part of its paths, as in ``acme_crm``.
        """
        return ControlVendor(self, name)

    def reset(self) -> None:
        """Undo everything; forget the requests."""
        self.ask("POST", "/reset")

    def advance(self, seconds: float) -> None:
        """Set the vendors' clock ahead."""
        self.ask("POST", "/clock", {"advance_seconds": seconds})

    def requests(self) -> Any:
        """The journal: ``count``, ``max_concurrent``, ``refused``, ``requests``."""
        return self.ask("GET", "/requests")

    def clear_requests(self) -> None:
        """Forget the requests."""
        self.ask("DELETE", "/requests")

    def fault(
        self,
        fault: str,
        *,
        vendor: str = "everflow",
        match: str = "",
        times: int = 1,
        skip: int = 0,
        **params: Any,
    ) -> None:
        """Let a fault happen to a vendor's next requests that match."""
        given = {"fault": fault, "vendor": vendor, "match": match, "times": times, "skip": skip}
        self.ask("POST", "/faults", given | {"params": params})

    def clear_faults(self) -> None:
        """Let no more faults happen."""
        self.ask("DELETE", "/faults")

    def latency(self, seconds: float) -> None:
        """Let each answer of Everflow's take so long."""
        self.ask("POST", "/everflow/latency", {"seconds": seconds})

    def limits(self, **limits: Any) -> None:
        """Set limits; what is not given is as documented."""
        self.ask("POST", "/everflow/limits", limits)

    def switch(self, **switches: Any) -> None:
        """Turn lasting behaviours on or off."""
        self.ask("POST", "/everflow/switches", switches)

    def restate(self, day: date, timezone: str, **changes: int) -> None:
        """Change a day: ``percent``, ``reject``, ``add_conversions``, ``delete_affiliate``."""
        given = {"date": day.isoformat(), "timezone": timezone, **changes}
        self.ask("POST", "/everflow/restate", given)

    def crowd(
        self, day: date, timezone: str, *, affiliates: int, offers: int, clicks: int = 1
    ) -> None:
        """Replace a day by clicks of each affiliate on each offer."""
        given = {"affiliates": affiliates, "offers": offers, "clicks": clicks}
        self.ask("POST", "/everflow/crowd", given | {"date": day.isoformat(), "timezone": timezone})

    def totals(self, start: date, end: date, timezone: str) -> Any:
        """What daily stats must say: ``days`` and ``totals``; amounts are text."""
        return self._asked_span("/everflow/totals", start, end, timezone)

    def conversions(self, start: date, end: date, timezone: str) -> Any:
        """The conversions and events of whole days."""
        return self._asked_span("/everflow/conversions", start, end, timezone)

    def clicks(self, start: date, end: date, timezone: str) -> int:
        """How many clicks whole days have."""
        return int(self._asked_span("/everflow/clicks", start, end, timezone)["count"])

    def _asked_span(self, path: str, start: date, end: date, timezone: str) -> Any:
        query = {"from": start.isoformat(), "to": end.isoformat(), "timezone": timezone}
        return self.ask("GET", f"{path}?{urlencode(query)}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask for anything; gives what is answered."""
        data = None if body is None else msgspec.json.encode(body)
        request = Request(self._url + path, data, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=60) as response:  # noqa: S310
                return msgspec.json.decode(response.read())
        except HTTPError as error:
            with error:
                msg = f"{method} {path}: {error.read().decode()}"
            raise ControlError(msg) from None
