"""All vendors on one server, and the endpoint that controls them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from signalroom_sandbox.control import control_app
from signalroom_sandbox.everflow import NETWORK_KEY, Everflow
from signalroom_sandbox.faults import Fault, FaultMiddleware
from signalroom_sandbox.gsheets import API_KEY as GOOGLE_KEY
from signalroom_sandbox.gsheets import MAPPINGS, Google
from signalroom_sandbox.journal import Journal
from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET, Mautic
from signalroom_sandbox.plugs import Resettable, Vendor, plugs
from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT, PostHog
from signalroom_sandbox.redtrack import API_KEY, RedTrack
from signalroom_sandbox.sticky_s3 import ACCESS_KEY, SECRET, StickyS3

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class Sandbox:
    """The vendors, what happens to them, and what they were asked."""

    seed: int = 713
    scale: float = 1.0
    latency: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    journal: Journal = field(default_factory=Journal)
    everflow: Everflow = field(init=False)
    gsheets: Google = field(init=False)
    mautic: Mautic = field(init=False)
    posthog: PostHog = field(init=False)
    redtrack: RedTrack = field(init=False)
    s3: StickyS3 = field(init=False)
    #: Those that plug themselves in, by name.
    plugged: dict[str, Vendor] = field(init=False)

    def __post_init__(self) -> None:
        self.everflow = Everflow(seed=self.seed, scale=self.scale)
        self.gsheets = Google(seed=self.seed, scale=self.scale)
        self.mautic = Mautic(seed=self.seed, scale=self.scale)
        self.posthog = PostHog(seed=self.seed, scale=self.scale)
        self.redtrack = RedTrack(seed=self.seed, scale=self.scale)
        self.s3 = StickyS3(seed=self.seed, scale=self.scale)
        self.plugged = {
            name: plug.vendor(seed=self.seed, scale=self.scale) for name, plug in plugs().items()
        }
        self._vendors: tuple[Resettable, ...] = (
            self.everflow,
            self.gsheets,
            self.mautic,
            self.posthog,
            self.redtrack,
            self.s3,
            *self.plugged.values(),
        )
        self._slow_down()

    def _slow_down(self) -> None:
        for vendor in self._vendors:
            vendor.latency = self.latency

    def reset(self) -> None:
        """Undo everything that was changed from outside."""
        self.faults.clear()
        self.journal.entries.clear()
        for vendor in self._vendors:
            vendor.reset()
        self._slow_down()

    def app(self) -> ASGIApp:
        """The ASGI application."""
        others = Starlette(
            routes=[
                Mount("/everflow", self.everflow.app()),
                Mount("/gsheets", self.gsheets.app()),
                Mount("/mautic", self.mautic.app()),
                Mount("/posthog", self.posthog.app()),
                Mount("/redtrack", self.redtrack.app()),
                *(Mount(f"/{name}", vendor.app()) for name, vendor in self.plugged.items()),
            ]
        )

        async def vendors(scope: Scope, receive: Receive, send: Send) -> None:
            first = scope.get("path", "").split("/")[1:2]
            app = self.s3 if first == ["s3"] else others
            await app(scope, receive, send)

        faulty = FaultMiddleware(vendors, self.faults)
        control = Starlette(routes=[Mount("/control", control_app(self))])

        async def either(scope: Scope, receive: Receive, send: Send) -> None:
            # Not by a router of Starlette's: faults need the server's own ``send``.
            app = control if scope.get("path", "").startswith("/control") else faulty
            await app(scope, receive, send)

        return self.journal.wrap(either)


def dotenv(url: str, bucket: str) -> dict[str, str]:
    """The environment with which the taps use a sandbox.

    Args:
        url: Where it listens.
        bucket: Its bucket.
    """
    plugged: dict[str, str] = {}
    for plug in plugs().values():
        plugged |= plug.variables(url)
    return {
        "TAP_EVERFLOW_API_URL": f"{url}/everflow",
        "TAP_EVERFLOW_API_KEY": NETWORK_KEY,
        "TAP_GSHEETS_SHEETS_API_URL": f"{url}/gsheets",
        "TAP_GSHEETS_DRIVE_API_URL": f"{url}/gsheets",
        "TAP_GSHEETS_API_KEY": GOOGLE_KEY,
        "TAP_GSHEETS_SPREADSHEETS": json.dumps([{"spreadsheet": MAPPINGS}]),
        "TAP_MAUTIC_API_URL": f"{url}/mautic",
        "TAP_MAUTIC_OAUTH_CLIENT_ID": CLIENT_ID,
        "TAP_MAUTIC_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "TAP_POSTHOG_API_URL": f"{url}/posthog",
        "TAP_POSTHOG_API_KEY": PERSONAL_KEY,
        "TAP_POSTHOG_PROJECT_ID": str(PROJECT),
        "TAP_REDTRACK_API_URL": f"{url}/redtrack",
        "TAP_REDTRACK_API_KEY": API_KEY,
        "TAP_STICKY_S3_ENDPOINT_URL": f"{url}/s3",
        "TAP_STICKY_S3_BUCKET": bucket,
        "TAP_STICKY_S3_AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY": SECRET,
        **plugged,
    }
