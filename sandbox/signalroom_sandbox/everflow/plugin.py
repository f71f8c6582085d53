"""Declares Everflow as a vendor of the sandbox."""

from __future__ import annotations

from signalroom_sandbox.everflow.actions import Actions
from signalroom_sandbox.everflow.api import NETWORK_KEY, Everflow
from signalroom_sandbox.plugins import Plugin

PLUGIN = Plugin(
    tap="tap-everflow",
    vendor=Everflow,
    actions=Actions,
    settings=lambda url, _: {"api_url": url, "api_key": NETWORK_KEY},
    short_names={"api_url": "EVERFLOW_BASE_URL", "api_key": "EVERFLOW_API_KEY"},
)
