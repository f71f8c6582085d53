"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest
from gsheets_zoo import BOOK

from signalroom_sandbox.gsheets import service_account
from tap_gsheets.tap import TapGsheets


@pytest.fixture
def google(sandbox):
    """Google as new, with a quota that no test meets by accident."""
    control = sandbox.control.gsheets
    control.access(per_user=10**6)
    return control


@pytest.fixture
def make_tap(sandbox, google):
    """Make the tap; without other settings it reads all tabs of one spreadsheet, with no waits."""

    def make(state=None, **config):
        settings = {
            "credentials_json": service_account(sandbox.gsheets_url),
            "sheets_api_url": sandbox.gsheets_url,
            "drive_api_url": sandbox.gsheets_url,
            "oauth_token_uri": f"{sandbox.gsheets_url}/token",
            "spreadsheets": [{"spreadsheet": BOOK}],
            "max_retry_wait": 0,
            "max_reads_per_minute": 10**6,
        }
        return TapGsheets(config=settings | config, state=state)

    return make


@pytest.fixture
def reads(sandbox):
    """How often Sheets was asked."""

    def count():
        requests = sandbox.control.requests()["requests"]
        return len([request for request in requests if "/v4/" in request["path"]])

    return count
