"""``python -m tap_everflow``."""

from __future__ import annotations

from tap_everflow.tap import TapEverflow

TapEverflow.cli()
