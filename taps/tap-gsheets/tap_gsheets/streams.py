"""A stream for each tab, and one that lists the tabs."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from singer_sdk.streams import Stream
from typing_extensions import override

from signalroom_singer import Loading, SignalRoomStream, undescribed
from signalroom_singer.cards import CardFindings
from tap_gsheets.changes import digest
from tap_gsheets.descriptions import DESCRIPTIONS
from tap_gsheets.types import TYPES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from singer_sdk.helpers.types import Context, Record

    from tap_gsheets.tables import Table
    from tap_gsheets.tap import TapGsheets
    from tap_gsheets.types import Declared

TAGS = ("_spreadsheet_id", "_sheet_id", "_sheet_title")
#: Where no natural key is set. Positional: good only for a table that is replaced.
POSITION = ("_spreadsheet_id", "_sheet_id", "_row_number")


class Tab(SignalRoomStream, Stream):
    """A tab of a spreadsheet; its columns are those of the sheet.

    All of its rows are in memory before the stream starts.

    Args:
        args: As for the SDK's stream.
        table: The tab's rows.
        tags: What its rows are tagged with.
        declared: Its columns' types.
        before: Its bookmark of the last good read.
        notes: What its next bookmark holds besides.
        skips: Whether it is left out where nothing changed.
        kwargs: As for the SDK's stream.
    """

    _tap: TapGsheets

    descriptions = DESCRIPTIONS
    one_for_each = "each tab"
    loading = Loading(
        "Full table: it is replaced at once if the tab was read whole, and skipped if nothing "
        "changed (`change_detection`)",
        "Every run reads all rows again",
        "They are removed from the table, but for reads that look like an accident",
    )
    # People add columns whenever they like.
    columns_change = True
    # What is in a sheet, its owner put there to be loaded.
    left_out = frozenset()

    def __init__(
        self,
        *args: Any,
        table: Table,
        tags: dict[str, str],
        declared: Mapping[str, Declared],
        before: Mapping[str, Any],
        notes: dict[str, Any],
        skips: bool,
        **kwargs: Any,
    ) -> None:
        schema = th.PropertiesList(
            *(th.Property(name, th.StringType) for name in tags),
            th.Property("_row_number", th.IntegerType),
            *(
                th.Property(name, TYPES[declared[name].kind if name in declared else "string"])
                for name in table.columns
            ),
        ).to_dict()
        super().__init__(*args, schema=schema, **kwargs)
        self.table = table
        self._tags = tags
        self._before = dict(before)
        self._notes = notes
        self._skips = skips

    @cached_property
    def content_hash(self) -> str:
        """Of everything that makes the table what it is: cells, types, keys, selection."""
        deselected = sorted(str(place) for place in self.metadata if not self.mask[place])
        columns = {name: undescribed(one) for name, one in self.schema["properties"].items()}
        schema = {**self.schema, "properties": columns}
        shape = [schema, list(self.primary_keys), deselected, self._tags, self._client_id]
        maps = [self.config.get("stream_maps"), self.config.get("stream_map_config")]
        if self.hashes:
            # Of a salt that is another one by its hash.
            maps = [*maps, *self.hashes.patterns, self.hashes.hashed("")]
        return digest(shape, maps, self.table.rows)

    @property
    def is_unchanged(self) -> bool:
        """Whether its table is as the last good read left it."""
        return self._skips and self._before.get("content_hash") == self.content_hash

    def note(self) -> None:
        """Note in the state what was read."""
        self.get_context_state(None).update(self._notes, content_hash=self.content_hash)

    @property
    @override
    def selected(self) -> bool:
        # A stream that starts replaces its table: one without news does not start.
        return super().selected and not self.is_unchanged

    @selected.setter
    def selected(self, value: bool | None) -> None:
        Stream.selected.fset(self, value)  # type: ignore[attr-defined]

    def _report_cards(self) -> None:
        found = self.table.cards
        loaded = [name for name in self.table.columns if self.mask["properties", name]]
        counts = Counter({name: found.left_out[name] for name in loaded if found.left_out[name]})
        parts = {name: None for name in loaded if name in found.fragments}
        self._tap.cards.add(
            *(self.name, f"the tab {self._tags['_sheet_title']!r}", CardFindings(counts, parts))
        )

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        self._report_cards()
        for number, row in self.table.rows:
            yield {
                **self._tags,
                "_row_number": number,
                **dict(zip(self.table.columns, row, strict=True)),
            }

    @override
    def log_sync_costs(self) -> None:
        super().log_sync_costs()
        # All streams are done by now: once is enough.
        self._tap.cards.log(self.logger)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        yield from super()._sync_records(context, write_messages=write_messages)
        if write_messages:
            # After the rows and the word that they are all: only then was the read a good one.
            self.note()
            self.state_manager.is_flushed = False
            self._write_state_message()


class Sheets(SignalRoomStream, Stream):
    """All tabs there are, read or not."""

    name = "gsheets_sheets"
    descriptions = DESCRIPTIONS
    left_out = frozenset()
    primary_keys = ("spreadsheet_id", "sheet_id")
    schema = th.PropertiesList(
        th.Property("spreadsheet_id", th.StringType),
        th.Property("spreadsheet_title", th.StringType),
        th.Property("locale", th.StringType),
        th.Property("time_zone", th.StringType),
        th.Property("sheet_id", th.StringType),
        th.Property("title", th.StringType),
        th.Property("index", th.IntegerType),
        th.Property("sheet_type", th.StringType),
        th.Property("hidden", th.BooleanType),
        th.Property("row_count", th.IntegerType, description="Of the grid."),
        th.Property("column_count", th.IntegerType, description="Of the grid."),
        th.Property("stream", th.StringType, description="What reads it, if anything does."),
        th.Property("columns", th.ArrayType(th.StringType), description="As they were read."),
        th.Property("rows_read", th.IntegerType),
        th.Property("problem", th.StringType, description="Why its table stays as it is."),
        th.Property("modified_time", th.DateTimeType, description="With `drive` only."),
        th.Property("version", th.StringType, description="With `drive` only."),
    ).to_dict()

    def __init__(self, *args: Any, rows: list[Record], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rows = rows

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from self._rows
