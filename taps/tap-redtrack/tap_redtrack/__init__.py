"""Singer tap for RedTrack."""

from __future__ import annotations
