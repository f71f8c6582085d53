"""Singer tap for PostHog."""

from __future__ import annotations
