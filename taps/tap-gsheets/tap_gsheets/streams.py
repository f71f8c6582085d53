"""A stream for each tab, and one that lists the tabs."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from singer_sdk.streams import Stream
from typing_extensions import override

from signalroom_singer import Loading, SignalRoomStream, columns_of
from signalroom_singer.privacy.card_data import CardFindings
from signalroom_singer.table_docs import without_description
from tap_gsheets.column_types import TYPES
from tap_gsheets.descriptions import DESCRIPTIONS
from tap_gsheets.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer.privacy.card_data import CardReport
    from tap_gsheets.table import Table

TAGS = ("_spreadsheet_id", "_sheet_id", "_sheet_title")
#: Key of a tab without `primary_keys`: positions, so the table has to be replaced as a whole.
POSITION_KEY = ("_spreadsheet_id", "_sheet_id", "_row_number")


class SheetStream(SignalRoomStream, Stream):
    """A tab of a spreadsheet; its columns are those of the sheet.

    All of its rows are in memory before the stream starts.

    Args:
        args: As for the SDK's stream.
        table: The rows of the tab.
        tags: Values of the columns that tell where a row comes from.
        bookmark: The stream's bookmark from the last successful read.
        bookmark_fields: Fields of the next bookmark, besides the hash of the content.
        skips_unchanged: Whether the stream is skipped if nothing changed.
        card_report: The card data that was removed in the run.
        kwargs: As for the SDK's stream.
    """

    descriptions = DESCRIPTIONS
    one_for_each = "each tab"
    loading = Loading(
        "Full table: it is replaced at once after a successful read, and skipped if nothing "
        "changed (`change_detection`)",
        "Every run reads all rows again",
        "They are removed from the table, unless it looks like an accident",
    )
    # People add columns whenever they like.
    has_dynamic_columns = True
    # Whoever put a column into a sheet wants it loaded.
    left_out = frozenset()

    def __init__(
        self,
        *args: Any,
        table: Table,
        tags: dict[str, str],
        bookmark: Mapping[str, Any],
        bookmark_fields: dict[str, Any],
        skips_unchanged: bool,
        card_report: CardReport,
        **kwargs: Any,
    ) -> None:
        types = {name: column_type.name for name, column_type in table.types.items()}
        schema = th.PropertiesList(
            *(th.Property(name, th.StringType) for name in tags),
            th.Property("_row_number", th.IntegerType),
            *(th.Property(name, TYPES[types.get(name, "string")]) for name in table.columns),
        ).to_dict()
        super().__init__(*args, schema=schema, **kwargs)
        self.table = table
        self._tags = tags
        self._bookmark = dict(bookmark)
        self._bookmark_fields = bookmark_fields
        self._skips_unchanged = skips_unchanged
        self._card_report = card_report

    @cached_property
    def content_hash(self) -> str:
        """A hash of everything that makes the table what it is: cells, types, keys, selection."""
        deselected = sorted(
            str(breadcrumb) for breadcrumb in self.metadata if not self.mask[breadcrumb]
        )
        properties = self.schema["properties"].items()
        columns = {name: without_description(column) for name, column in properties}
        schema = {**self.schema, "properties": columns}
        shape = [schema, list(self.primary_keys), deselected, self._tags, self._client_id]
        maps = [self.config.get("stream_maps"), self.config.get("stream_map_config")]
        if self.hashes:
            # A hash stands for the salt, so that another salt is a change.
            maps = [*maps, *self.hashes.patterns, self.hashes.hash_value("")]
        return fingerprint(shape, maps, self.table.rows)

    @property
    def is_unchanged(self) -> bool:
        """Whether the table is as the last successful read left it."""
        return self._skips_unchanged and self._bookmark.get("content_hash") == self.content_hash

    def save_read(self) -> None:
        """Save in the state what was read."""
        self.get_context_state(None).update(self._bookmark_fields, content_hash=self.content_hash)

    # The SDK's setter stays.
    @Stream.selected.getter  # type: ignore[attr-defined, untyped-decorator]
    def selected(self) -> bool:
        """Whether to sync the stream: a stream that starts replaces its table."""
        return super().selected and not self.is_unchanged

    def _report_cards(self) -> None:
        findings = self.table.cards
        loaded = [name for name in self.table.columns if self.mask["properties", name]]
        counts = {name: findings.left_out[name] for name in loaded if findings.left_out[name]}
        fragments = {name: None for name in loaded if name in findings.fragments}
        place = f"the tab {self._tags['_sheet_title']!r}"
        self._card_report.add(self.name, place, CardFindings(Counter(counts), fragments))

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
        # All streams are done by now; the report is logged by the first of them.
        self._card_report.log(self.logger)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        yield from super()._sync_records(context, write_messages=write_messages)
        if write_messages:
            # After the rows and ACTIVATE_VERSION: only then was the read successful.
            self.save_read()
            self.state_manager.is_flushed = False
            self._write_state_message()


class SheetListStream(SignalRoomStream, Stream):
    """All tabs of the spreadsheets, whether they are read or not."""

    name = "gsheets_sheets"
    descriptions = DESCRIPTIONS
    left_out = frozenset()
    primary_keys = ("spreadsheet_id", "sheet_id")
    schema = th.PropertiesList(
        *columns_of(th.StringType, "spreadsheet_id", "spreadsheet_title", "locale", "time_zone"),
        *columns_of(th.StringType, "sheet_id", "title"),
        th.Property("index", th.IntegerType),
        th.Property("sheet_type", th.StringType),
        th.Property("hidden", th.BooleanType),
        th.Property("row_count", th.IntegerType, description="Rows of the grid"),
        th.Property("column_count", th.IntegerType, description="Columns of the grid"),
        th.Property("stream", th.StringType, description="Stream that reads the tab, if any"),
        th.Property("columns", th.ArrayType(th.StringType), description="Names of the columns"),
        th.Property("rows_read", th.IntegerType),
        th.Property("problem", th.StringType, description="Why the tab was not loaded"),
        th.Property("modified_time", th.DateTimeType, description="Only with `drive`"),
        th.Property("version", th.StringType, description="Only with `drive`"),
    ).to_dict()

    def __init__(self, *args: Any, rows: list[Record], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rows = rows

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        yield from self._rows
