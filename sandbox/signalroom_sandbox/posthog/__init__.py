"""A mock server of PostHog's API: events in a real SQL engine, and the lists around them."""

from __future__ import annotations

from signalroom_sandbox.posthog.access import LIMITED_KEY, PERSONAL_KEY, PROJECT_KEY, SCOPED_KEY
from signalroom_sandbox.posthog.api import PostHog
from signalroom_sandbox.posthog.world import PROJECT, SECOND_PROJECT

__all__ = [
    "LIMITED_KEY",
    "PERSONAL_KEY",
    "PROJECT",
    "PROJECT_KEY",
    "SCOPED_KEY",
    "SECOND_PROJECT",
    "PostHog",
]
