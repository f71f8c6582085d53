"""Declares PostHog as a vendor of the sandbox."""

from __future__ import annotations

from signalroom_sandbox.plugins import Plugin
from signalroom_sandbox.posthog.access import PERSONAL_KEY
from signalroom_sandbox.posthog.actions import Actions
from signalroom_sandbox.posthog.api import PostHog
from signalroom_sandbox.posthog.world import PROJECT

PLUGIN = Plugin(
    tap="tap-posthog",
    vendor=PostHog,
    actions=Actions,
    settings=lambda url, _: {
        "api_url": url,
        "api_key": PERSONAL_KEY,
        "project_id": str(PROJECT),
    },
    short_names={
        "api_url": "POSTHOG_HOST",
        "api_key": "POSTHOG_API_KEY",
        "project_id": "POSTHOG_PROJECT_ID",
    },
)
