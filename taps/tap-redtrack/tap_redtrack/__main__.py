"""``python -m tap_redtrack``."""

from __future__ import annotations

from tap_redtrack.tap import TapRedTrack

TapRedTrack.cli()
