"""The tap's settings."""

from __future__ import annotations

from singer_sdk import typing as th

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    KEY,
    RATE_LIMIT_SETTINGS,
    env_aliases,
    rate_limit_setting,
)
from signalroom_singer.privacy.card_data import CARD_SETTINGS
from tap_gsheets.column_types import TYPES

_COLUMN = th.ObjectType(
    th.Property("name", th.StringType(nullable=False), required=True),
    th.Property("type", th.StringType(nullable=False), allowed_values=[*TYPES], required=True),
    th.Property(
        "format",
        th.StringType,
        description="Of dates, as strptime's `%d/%m/%Y`; of numbers, an example such as `1.234,5`.",
    ),
    additional_properties=False,
)
_TAB = th.ObjectType(
    th.Property("name", th.StringType, description="The tab's title."),
    th.Property(
        "gid", th.IntegerType, description="The tab's number in its URL; outlives renames."
    ),
    th.Property(
        "range", th.StringType, description="`B5:G`, or a named range; the whole tab if not set."
    ),
    th.Property(
        "header_row",
        th.IntegerType(minimum=1),
        description="Row of the range with the titles; 1 if not set.",
    ),
    th.Property(
        "stream",
        th.StringType(pattern="^[a-z][a-z0-9_]*$"),
        description="The stream and table name, in snake_case; the tab's title if not set.",
    ),
    th.Property("primary_keys", th.ArrayType(th.StringType), description="Natural key columns."),
    th.Property(
        "columns", th.ArrayType(_COLUMN), description="Types of columns; all others are text."
    ),
    th.Property(
        "fill_merged", th.BooleanType, description="Copy the value of merged cells to all of them."
    ),
    additional_properties=False,
)
_SPREADSHEET = th.ObjectType(
    th.Property(
        "spreadsheet", th.StringType(nullable=False), required=True, description="Id or URL."
    ),
    th.Property("prefix", th.StringType, description="Start of the streams' names."),
    th.Property(
        "tabs", th.ArrayType(_TAB), description="Tabs to read; all visible ones if not set."
    ),
    th.Property("include_hidden", th.BooleanType, description="Read hidden tabs too."),
    additional_properties=False,
)

SETTINGS = th.PropertiesList(
    th.Property(
        "spreadsheets",
        th.ArrayType(_SPREADSHEET),
        required=True,
        title="Spreadsheets",
        description=(
            "Spreadsheets to read: a list of objects with `spreadsheet` (id or URL), and if needed "
            "`tabs` (each with `name` or `gid`, `range`, `header_row`, `stream`, `primary_keys`, "
            "`columns`, `fill_merged`), `include_hidden`, and `prefix` for the streams' names"
        ),
        examples=['[{"spreadsheet": "<id or URL>"}]'],
    ),
    th.Property(
        "credentials_path",
        th.StringType,
        title="Key file",
        description="A service account's key file. Share the spreadsheets with its `client_email`",
        **env_aliases("GOOGLE_SHEETS_CREDENTIALS_PATH"),
    ),
    th.Property(
        "credentials_json",
        th.StringType,
        secret=True,
        title="Key",
        description="The content of the key file instead: JSON, or base64 of it",
        **env_aliases("GOOGLE_SHEETS_CREDENTIALS_JSON"),
    ),
    th.Property(
        "subject",
        th.StringType,
        title="Act for",
        description="The person the service account acts for, with domain-wide delegation",
    ),
    th.Property(
        "oauth_client_id",
        th.StringType,
        title="OAuth client",
        description="OAuth client that the refresh token belongs to",
        **KEY,
    ),
    th.Property(
        "oauth_client_secret",
        th.StringType,
        secret=True,
        title="OAuth client's secret",
        description="Secret of that OAuth client",
        **KEY,
    ),
    th.Property(
        "oauth_refresh_token",
        th.StringType,
        secret=True,
        title="Refresh token",
        description="Refresh token of a person, instead of a service account",
        **KEY,
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="For spreadsheets that anyone with the link can view",
        **KEY,
    ),
    th.Property(
        "render",
        th.StringType,
        default="computed",
        allowed_values=["computed", "formatted"],
        title="Values",
        description=(
            "`computed`: numbers as they are (0.12), dates as shown. `formatted`: everything as "
            "people see it (12%)"
        ),
    ),
    th.Property(
        "error_cells",
        th.StringType,
        default="null",
        allowed_values=["null", "keep", "fail"],
        title="Error cells",
        description=(
            "Cells with formula errors such as #REF!: loaded as NULL (`null`) or as text (`keep`), "
            "or a bad tab (`fail`)"
        ),
    ),
    th.Property(
        "on_bad_tab",
        th.StringType,
        default="fail",
        allowed_values=["fail", "warn"],
        title="On a bad tab",
        description=(
            "A tab that is empty, shrunken, renamed, deleted, without its header or with a broken "
            "key: `fail` stops before anything is loaded; `warn` loads the other tabs. Its table "
            "stays as it is either way"
        ),
    ),
    th.Property(
        "max_shrink_percent",
        th.IntegerType(minimum=0, maximum=100),
        default=50,
        title="Most rows lost",
        description=(
            "Percentage of its rows that a tab may lose since the last successful read; if it had "
            "ten rows or more and loses more, it is a bad tab"
        ),
    ),
    th.Property(
        "accept_changes",
        th.ArrayType(th.StringType),
        default=[],
        title="Accept changes of",
        description=(
            "Streams whose lost rows, lost columns or new tab are intended: set it for one run"
        ),
    ),
    th.Property(
        "change_detection",
        th.StringType,
        default="content",
        allowed_values=["content", "drive", "none"],
        title="Change detection",
        description=(
            "`content`: a tab whose cells have not changed is not loaded again. `drive`: it is not "
            "even read if Drive reports no new version of the spreadsheet; Drive does not notice "
            "new results of formulas and forms. `none`: every run loads all tabs"
        ),
    ),
    rate_limit_setting(
        "max_reads_per_minute",
        "Reads a minute",
        "Google allows a service account 60, for all its users together",
        default=50,
        integer=True,
    ),
    *RATE_LIMIT_SETTINGS,
    th.Property(
        "sheets_api_url",
        th.StringType(nullable=False),
        default="https://sheets.googleapis.com",
        title="Sheets' address",
        description="URL of the Sheets API; for tests",
    ),
    th.Property(
        "drive_api_url",
        th.StringType(nullable=False),
        default="https://www.googleapis.com",
        title="Drive's address",
        description="URL of the Drive API; for tests",
    ),
    th.Property(
        "oauth_token_uri",
        th.StringType(nullable=False),
        default="https://oauth2.googleapis.com/token",
        title="Token address",
        description="URL where a refresh token is exchanged; for tests",
    ),
    *CARD_SETTINGS,
    *COMMON_SETTINGS,
    *HTTP_SETTINGS,
).to_dict()
