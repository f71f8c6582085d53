"""Declares Google Sheets as a vendor of the sandbox."""

from __future__ import annotations

import json

from signalroom_sandbox.gsheets.access import API_KEY
from signalroom_sandbox.gsheets.actions import Actions
from signalroom_sandbox.gsheets.api import Google
from signalroom_sandbox.gsheets.world import MAPPINGS
from signalroom_sandbox.plugins import Plugin

PLUGIN = Plugin(
    tap="tap-gsheets",
    vendor=Google,
    actions=Actions,
    settings=lambda url, _: {
        "sheets_api_url": url,
        "drive_api_url": url,
        "api_key": API_KEY,
        "spreadsheets": json.dumps([{"spreadsheet": MAPPINGS}]),
    },
)
