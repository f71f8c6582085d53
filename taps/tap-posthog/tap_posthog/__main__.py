"""``python -m tap_posthog``."""

from __future__ import annotations

from tap_posthog.tap import TapPostHog

TapPostHog.cli()
