"""The sandbox's credentials are secrets: a test whose output has one fails."""

from __future__ import annotations

from signalroom_sandbox import everflow, gsheets, mautic, posthog, sticky_s3
from signalroom_sandbox.posthog import access
from signalroom_sandbox.redtrack import api as redtrack
from signalroom_sandbox.redtrack import entities
from signalroom_singer.testing.plugin import leak_detector

SANDBOX = frozenset(
    {
        everflow.AFFILIATE_KEY,
        everflow.LIMITED_KEY,
        everflow.NETWORK_KEY,
        *(gsheets.OAUTH[name] for name in ("client_secret", "refresh_token")),
        gsheets.API_KEY,
        mautic.CLIENT_SECRET,
        mautic.PASSWORD,
        posthog.LIMITED_KEY,
        posthog.PERSONAL_KEY,
        posthog.SCOPED_KEY,
        redtrack.API_KEY,
        entities.HIDDEN,
        entities.SECRET,
        access.SECRET,
        sticky_s3.SECRET,
        # How tokens that are made at run time begin, and any private key.
        "sandbox-token-",
        "ya29.sandbox-google-",
        "PRIVATE KEY-----",
    }
)


def pytest_sessionstart(session):
    """Add them to what the kit's plugin searches for."""
    leak_detector(session.config).learn(SANDBOX)
