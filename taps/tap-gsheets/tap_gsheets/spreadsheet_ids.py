"""Spreadsheet ids, in addresses as people copy them from a browser or from Drive."""

from __future__ import annotations

import re

from signalroom_singer import ExitCode, TapError, setting_label

# People who are signed in to several accounts have the account's number before the id, and
# the domain of a Google Workspace at the very beginning:
# https://docs.google.com/a/example.com/spreadsheets/u/1/d/<id>/edit
_ADDRESS = re.compile(r"/spreadsheets/(?:u/\d+/)?d/([\w-]+)", re.ASCII)
# Drive's own links: https://drive.google.com/open?id=<id>, .../file/u/0/d/<id>/view
_DRIVE = re.compile(
    r"//drive\.google\.com/(?:open\?(?:.*&)?id=|file/(?:u/\d+/)?d/)([\w-]+)", re.ASCII
)
_ID = re.compile(r"([\w-]+)", re.ASCII)
# From "File > Share > Publish to web". It has another id, which the API does not know.
_PUBLISHED = re.compile(r"/spreadsheets/(?:u/\d+/)?d/e/|(?:^|/)2PACX-")


def parse_spreadsheet_id(text: str, setting: str) -> str:
    """Parse the id of a spreadsheet.

    Args:
        text: An id, or an address with it.
        setting: Name of the setting with this text, for errors.

    Returns:
        The id.

    Raises:
        TapError: If the text is neither, or the address of a published page.
    """
    text = text.strip()
    if _PUBLISHED.search(text):
        msg = (
            f"Invalid {setting_label(setting)} {text!r}: it is a page published to the web, not "
            "the spreadsheet itself. Open the spreadsheet in Google Sheets and copy the address "
            "from the browser: https://docs.google.com/spreadsheets/d/<id>/edit."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
    match = _ADDRESS.search(text) or _DRIVE.search(text) or _ID.fullmatch(text)
    if not match:
        msg = (
            f"Invalid {setting_label(setting)} {text!r}: expected a spreadsheet's id or address. "
            "Copy the address from the browser: https://docs.google.com/spreadsheets/d/<id>/edit."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
    return match[1]
