"""Addresses of spreadsheets, as people copy them from a browser or from Drive."""

from __future__ import annotations

import re

from signalroom_singer import ExitCode, TapError, named

# People who are signed in to several accounts have the account's number before the id, and
# the domain of a Google Workspace at the very beginning:
# https://docs.google.com/a/example.com/spreadsheets/u/1/d/<id>/edit
_ADDRESS = re.compile(r"/spreadsheets/(?:u/\d+/)?d/([\w-]+)", re.ASCII)
# Drive's own links: https://drive.google.com/open?id=<id>, .../file/u/0/d/<id>/view
_DRIVE = re.compile(
    r"//drive\.google\.com/(?:open\?(?:.*&)?id=|file/(?:u/\d+/)?d/)([\w-]+)", re.ASCII
)
_ID = re.compile(r"([\w-]+)", re.ASCII)
# What "File > Share > Publish to web" gives. It has an id of its own, which the API does not know.
_PUBLISHED = re.compile(r"/spreadsheets/(?:u/\d+/)?d/e/|(?:^|/)2PACX-")


def id_in(given: str, setting: str) -> str:
    """Find a spreadsheet's id.

    Args:
        given: Its id, or an address with it.
        setting: Which setting has it, for errors.

    Returns:
        The id.

    Raises:
        TapError: If it is neither, or the address of a published page.
    """
    given = given.strip()
    if _PUBLISHED.search(given):
        msg = (
            f"Invalid {named(setting)} {given!r}: it is a page published to the web, not the "
            "spreadsheet itself. Open the spreadsheet in Google Sheets and copy the address from "
            "the browser: https://docs.google.com/spreadsheets/d/<id>/edit."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
    found = _ADDRESS.search(given) or _DRIVE.search(given) or _ID.fullmatch(given)
    if not found:
        msg = (
            f"Invalid {named(setting)} {given!r}: expected a spreadsheet's id or address. Copy the "
            "address from the browser: https://docs.google.com/spreadsheets/d/<id>/edit."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION)
    return found[1]
