"""A mock server of Google's APIs for sheets: tokens, Sheets v4, and file metadata of Drive v3."""

from __future__ import annotations

from signalroom_sandbox.gsheets.access import API_KEY, CLIENT_EMAIL, OAUTH, service_account
from signalroom_sandbox.gsheets.api import Google
from signalroom_sandbox.gsheets.world import MAPPINGS, PUBLIC, ZOO

__all__ = [
    "API_KEY",
    "CLIENT_EMAIL",
    "MAPPINGS",
    "OAUTH",
    "PUBLIC",
    "ZOO",
    "Google",
    "service_account",
]
