"""The stream of the files themselves, and what it shares with their tables."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, SignalRoomStream, utc_isoformat
from tap_sticky_s3.descriptions import DESCRIPTIONS
from tap_sticky_s3.file_filter import date_in_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from tap_sticky_s3.batch_store import ParsedFile
    from tap_sticky_s3.tap import TapStickyS3

FILE_NAME = "_file_name"
_INCREMENTAL = "INCREMENTAL"


class StickyStream(SignalRoomStream):
    """A stream whose progress is not a bookmark but the files that are done."""

    descriptions = DESCRIPTIONS
    # No state but after a file.
    STATE_MSG_FREQUENCY = sys.maxsize
    # What is in a file, its owner put there to be loaded.
    left_out = frozenset()

    _tap: TapStickyS3

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize as the SDK does."""
        super().__init__(*args, **kwargs)
        self.forced_replication_method = _INCREMENTAL

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        # Read whole, all rows of files that are not there any more would have to go.
        self.forced_replication_method = _INCREMENTAL

    @override
    def _increment_stream_state(self, latest_record: Record, **_: Any) -> None:
        """Do nothing: a row more is no progress, a file more is."""


class FilesStream(StickyStream):
    """The files that were read: a row for each version. Written by the tables, as they go."""

    name = "files"
    loading = Loading(
        "Incremental: a row for each version of a file, as it is read",
        "Nothing: another version of a file is another row",
    )
    primary_keys: ClassVar[tuple[str, ...]] = (FILE_NAME, "_file_etag")
    schema = th.PropertiesList(
        th.Property(FILE_NAME, th.StringType, required=True),
        th.Property("_file_etag", th.StringType, required=True),
        th.Property("_file_date", th.StringType, description="The first date in the key"),
        th.Property("_file_last_modified", th.DateTimeType),
        th.Property("table_name", th.StringType, description="The stream with its rows"),
        th.Property("bucket", th.StringType),
        th.Property("key", th.StringType),
        th.Property("size", th.IntegerType, description="Bytes, as they are stored"),
        th.Property("status", th.StringType, description="loaded, or bad"),
        th.Property("error", th.StringType, description="Why it is bad"),
        th.Property(
            "row_count",
            th.IntegerType,
            description="Rows, also those skipped: `_row_id` is less in all rows of this version",
        ),
        th.Property("short_row_count", th.IntegerType, description="Rows with too few cells"),
        th.Property("long_row_count", th.IntegerType, description="Rows with too many cells"),
        th.Property("skipped_row_count", th.IntegerType, description="Rows that were left out"),
        th.Property("header", th.ArrayType(th.StringType), description="As the file has it"),
        th.Property("header_hash", th.StringType, description="The same for the same header"),
    ).to_dict()

    _announced = False

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return ()

    @override
    def get_batch_config(self, config: Any) -> None:
        return None

    @override
    def _write_schema_message(self) -> None:
        if not self._announced:
            self._announced = True
            super()._write_schema_message()

    def note(self, file: ParsedFile, table: str, bucket: str) -> None:
        """Write the row of a file.

        Args:
            file: The file.
            table: The stream with its rows.
            bucket: Where it is.
        """
        if not self.selected:
            return
        self._write_schema_message()
        thing, header = file.thing, list(file.header)
        row = {
            FILE_NAME: f"{bucket}/{thing.key}",
            "_file_etag": thing.etag,
            "_file_date": date_in_key(thing.key),
            "_file_last_modified": utc_isoformat(thing.modified),
            "table_name": table,
            "bucket": bucket,
            "key": thing.key,
            "size": thing.size,
            "status": "bad" if file.error else "loaded",
            "error": str(file.error) if file.error else None,
            "row_count": None if file.error else file.rows,
            "short_row_count": file.short,
            "long_row_count": file.long,
            "skipped_row_count": file.skipped,
            "header": header,
            "header_hash": hashlib.sha256(json.dumps(header).encode()).hexdigest(),
        }
        if record := self.post_process(row):
            self._write_record_message(record)
