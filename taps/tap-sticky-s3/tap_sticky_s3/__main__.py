"""``python -m tap_sticky_s3``."""

from __future__ import annotations

from tap_sticky_s3.tap import TapStickyS3

TapStickyS3.cli()
