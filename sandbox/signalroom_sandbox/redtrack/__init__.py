"""A mock server of RedTrack's API."""

from __future__ import annotations

from signalroom_sandbox.redtrack.api import API_KEY, RedTrack

__all__ = ["API_KEY", "RedTrack"]
