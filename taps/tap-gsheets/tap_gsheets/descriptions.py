"""Descriptions of tables and columns, for the catalog and the tables' comments.

The columns of a tab are its owner's: only the tap's own are described.
"""

from __future__ import annotations

from signalroom_singer import Descriptions

DESCRIPTIONS = Descriptions(
    {"gsheets_sheets": "All tabs of the spreadsheets, whether they are loaded or not"},
    {
        "_row_number": "Row of the sheet; the first is 1",
        "_sheet_id": "Google's id of the tab (gid): `gsheets_sheets.sheet_id`",
        "_sheet_title": "Name of the tab",
        "_spreadsheet_id": "Google's id of the spreadsheet: `gsheets_sheets.spreadsheet_id`",
        "gsheets_sheets.hidden": "Whether the tab is hidden",
        "gsheets_sheets.index": "Position of the tab; the first is 0",
        "gsheets_sheets.locale": "Locale of the spreadsheet, such as en_US",
        "gsheets_sheets.rows_read": "Rows that were loaded; null if none were read",
        "gsheets_sheets.sheet_id": "Google's id of the tab (gid)",
        "gsheets_sheets.sheet_type": "GRID for cells; OBJECT for a chart, DATA_SOURCE for BigQuery",
        "gsheets_sheets.spreadsheet_id": "Google's id of the spreadsheet",
        "gsheets_sheets.spreadsheet_title": "Name of the spreadsheet",
        "gsheets_sheets.time_zone": "IANA time zone of the spreadsheet: that of its times",
        "gsheets_sheets.title": "Name of the tab",
    },
)
