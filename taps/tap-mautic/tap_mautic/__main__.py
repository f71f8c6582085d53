"""``python -m tap_mautic``."""

from __future__ import annotations

from tap_mautic.tap import TapMautic

TapMautic.cli()
