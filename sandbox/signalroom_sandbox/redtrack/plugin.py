"""Declares RedTrack as a vendor of the sandbox."""

from __future__ import annotations

from signalroom_sandbox.plugins import Plugin
from signalroom_sandbox.redtrack.actions import Actions
from signalroom_sandbox.redtrack.api import API_KEY, RedTrack

PLUGIN = Plugin(
    tap="tap-redtrack",
    vendor=RedTrack,
    actions=Actions,
    settings=lambda url, _: {"api_url": url, "api_key": API_KEY},
    short_names={"api_url": "REDTRACK_BASE_URL", "api_key": "REDTRACK_API_KEY"},
)
