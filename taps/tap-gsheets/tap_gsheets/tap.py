"""The tap: its settings, and a stream for each tab."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from singer_sdk.streams import Stream
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    SignalRoomStream,
    SignalRoomTap,
    TapError,
)
from tap_gsheets.client import SheetsClient
from tap_gsheets.credentials import open_session
from tap_gsheets.tables import (
    EmptyTabError,
    Table,
    UnreadableTabError,
    check_keys,
    read_table,
    snake_case,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

_IN_URL = re.compile(r"/spreadsheets/d/([\w-]+)")
_TAB = th.ObjectType(
    th.Property("name", th.StringType, description="The tab's title."),
    th.Property(
        "gid", th.IntegerType, description="The tab's number in its URL; outlives renames."
    ),
    th.Property("header_row", th.IntegerType(minimum=1), description="1 where not set."),
    th.Property("stream", th.StringType, description="The stream's name; the tab's if not set."),
    th.Property("primary_keys", th.ArrayType(th.StringType), description="Natural key columns."),
)


class Tab(SignalRoomStream, Stream):
    """A tab, all of whose rows are in memory before the stream starts."""

    def __init__(self, *args: Any, table: Table, tags: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        self._tags = tags

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for number, row in self._table.rows:
            yield {
                **self._tags,
                "_row_number": number,
                **dict(zip(self._table.columns, row, strict=True)),
            }


class TapGsheets(SignalRoomTap):
    """Reads the tabs of Google spreadsheets as people see them."""

    name = "tap-gsheets"
    package_name = "tap-gsheets"
    # Without the settings there are no streams to list.
    dynamic_catalog = True

    config_jsonschema = th.PropertiesList(
        th.Property("credentials_path", th.StringType, description="A service account's key file."),
        th.Property(
            "credentials_json",
            th.StringType,
            secret=True,
            description="The key file's content instead: JSON, or base64 of it.",
        ),
        th.Property("api_key", th.StringType, secret=True, description="For public sheets only."),
        th.Property("subject", th.StringType, description="Whom to act for, with delegation."),
        th.Property(
            "spreadsheets",
            th.ArrayType(
                th.ObjectType(
                    th.Property(
                        "spreadsheet", th.StringType, required=True, description="Id or URL."
                    ),
                    th.Property("tabs", th.ArrayType(_TAB), description="All visible if not set."),
                )
            ),
            required=True,
            description="What to read.",
        ),
        th.Property(
            "empty_tab",
            th.StringType,
            default="fail",
            allowed_values=["fail", "skip"],
            description="A tab without cells, or without rows, stops the run or is left out.",
        ),
        th.Property("max_reads_per_minute", th.IntegerType(minimum=1), default=50),
        *COMMON_SETTINGS,
        *HTTP_SETTINGS,
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        """Read everything: a stream that starts has all its rows, so no table is emptied."""
        if not any(self.config.get(k) for k in ("credentials_path", "credentials_json", "api_key")):
            msg = "Set credentials_path, credentials_json or api_key."
            raise TapError(msg)
        session, share_with = open_session(self.config)
        with session:
            client = SheetsClient(session, self.config, self.logger, share_with)
            streams = [
                stream
                for asked in self.config["spreadsheets"]
                for stream in self._spreadsheet(client, asked)
            ]
        names = [stream.name for stream in streams]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            msg = f"Two tabs make the stream {doubled[0]}. Give one another name: setting stream."
            raise TapError(msg)
        return streams

    def _spreadsheet(self, client: SheetsClient, asked: dict[str, Any]) -> list[Stream]:
        found = _IN_URL.search(asked["spreadsheet"])
        spreadsheet_id = found[1] if found else asked["spreadsheet"]
        tabs = client.tabs(spreadsheet_id)
        if asked.get("tabs"):
            chosen = [(_find(tabs, one, spreadsheet_id), one) for one in asked["tabs"]]
        else:
            chosen = [(tab, {}) for tab in tabs if not tab.get("hidden")]
        if not chosen:
            return []
        titles = [tab["title"] for tab, _ in chosen]
        streams: list[Stream] = []
        for (tab, one), values in zip(chosen, client.values(spreadsheet_id, titles), strict=True):
            try:
                table = read_table(values, one.get("header_row") or 1)
                if keys := one.get("primary_keys"):
                    check_keys(table, keys)
            except UnreadableTabError as error:
                said = f"Tab {tab['title']!r} of {spreadsheet_id}: {error}. Mend the sheet"
                if self.config["empty_tab"] == "skip" and isinstance(error, EmptyTabError):
                    self.logger.warning("%s; its table stays as it is.", said)
                    continue
                msg = f"{said}, or leave the tab out of the setting tabs. Nothing was loaded."
                raise TapError(msg) from None
            if table.errors:
                self.logger.warning("Tab %r: %d error cells are null.", tab["title"], table.errors)
            streams.append(self._stream(spreadsheet_id, tab, one, table))
        return streams

    def _stream(
        self, spreadsheet_id: str, tab: dict[str, Any], one: dict[str, Any], table: Table
    ) -> Tab:
        tags = {
            "_spreadsheet_id": spreadsheet_id,
            # Absent for 0 where Google leaves out what is at its default.
            "_sheet_id": str(tab.get("sheetId", 0)),
            "_sheet_title": tab["title"],
        }
        return Tab(
            tap=self,
            name=one.get("stream") or snake_case(tab["title"]) or f"tab_{tags['_sheet_id']}",
            schema=th.PropertiesList(
                *(th.Property(name, th.StringType) for name in tags),
                th.Property("_row_number", th.IntegerType),
                *(th.Property(name, th.StringType) for name in table.columns),
            ).to_dict(),
            primary_keys=one.get("primary_keys") or ["_spreadsheet_id", "_sheet_id", "_row_number"],
            table=table,
            tags=tags,
        )


def _find(tabs: list[dict[str, Any]], one: dict[str, Any], spreadsheet_id: str) -> dict[str, Any]:
    for tab in tabs:
        if tab.get("sheetId", 0) == one["gid"] if "gid" in one else tab["title"] == one.get("name"):
            return tab
    wanted = f"gid {one['gid']}" if "gid" in one else repr(one.get("name"))
    msg = (
        f"Spreadsheet {spreadsheet_id} has no tab {wanted}; it has "
        f"{', '.join(repr(tab['title']) for tab in tabs)}. Change the setting tabs."
    )
    raise TapError(msg)
