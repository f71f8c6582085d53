"""Declares Mautic as a vendor of the sandbox."""

from __future__ import annotations

from signalroom_sandbox.mautic.access import CLIENT_ID, CLIENT_SECRET
from signalroom_sandbox.mautic.actions import Actions
from signalroom_sandbox.mautic.api import Mautic
from signalroom_sandbox.plugins import Plugin

PLUGIN = Plugin(
    tap="tap-mautic",
    vendor=Mautic,
    actions=Actions,
    settings=lambda url, _: {
        "api_url": url,
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
    },
    short_names={
        "api_url": "MAUTIC_BASE_URL",
        "oauth_client_id": "MAUTIC_CLIENT_ID",
        "oauth_client_secret": "MAUTIC_CLIENT_SECRET",
    },
)
