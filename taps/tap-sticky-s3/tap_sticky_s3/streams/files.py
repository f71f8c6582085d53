"""The stream of the files themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading
from tap_sticky_s3.file_log import FILE_NAME
from tap_sticky_s3.streams.base import StickyStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_sticky_s3.file_log import FileLog


class FilesStream(StickyStream):
    """The files that were read: a record for each version, written while the tables are read.

    Args:
        tap: The tap that the stream belongs to.
        file_log: The log that the tables add their files to.
    """

    name = "files"
    loading = Loading(
        "Incremental: a row for each version of a file, as it is read",
        "None: another version of a file is another row",
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
        th.Property("size", th.IntegerType, description="Size in bytes, as it is stored"),
        th.Property("status", th.StringType, description="loaded, or bad"),
        th.Property("error", th.StringType, description="Why the file is bad"),
        th.Property(
            "row_count",
            th.IntegerType,
            description="Rows, including skipped ones; `_row_id` of this version's rows is less",
        ),
        th.Property("short_row_count", th.IntegerType, description="Rows with too few cells"),
        th.Property("long_row_count", th.IntegerType, description="Rows with too many cells"),
        th.Property("skipped_row_count", th.IntegerType, description="Rows that were left out"),
        th.Property("header", th.ArrayType(th.StringType), description="Cells of the header"),
        th.Property("header_hash", th.StringType, description="Hash of the header"),
    ).to_dict()

    _has_written_schema = False

    def __init__(self, tap: Tap, file_log: FileLog) -> None:
        super().__init__(tap)
        file_log.add_writer(self._write_file)

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        return ()

    @override
    def get_batch_config(self, config: Any) -> None:
        return None

    @override
    def _write_schema_message(self) -> None:
        if not self._has_written_schema:
            self._has_written_schema = True
            super()._write_schema_message()

    def _write_file(self, file_record: Record) -> None:
        if not self.selected:
            return
        # Tables whose names sort before `files` are read before this stream's own sync.
        self._write_schema_message()
        if record := self.post_process(file_record):
            self._write_record_message(record)
