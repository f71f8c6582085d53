"""The log of the files that were read: filled by the tables, written by the stream `files`."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from signalroom_singer import utc_isoformat
from tap_sticky_s3.file_filter import date_in_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.helpers.types import Record

    from tap_sticky_s3.parsed_file import ParsedFile

FILE_NAME = "_file_name"


class FileLog:
    """Passes a record of each file on, as soon as the file is done."""

    def __init__(self) -> None:
        self._writers: list[Callable[[Record], None]] = []

    def add_writer(self, write: Callable[[Record], None]) -> None:
        """Add a function that writes the records.

        Args:
            write: Is called with the record of each file.
        """
        self._writers.append(write)

    def add(self, file: ParsedFile, table: str, bucket: str) -> None:
        """Add a file that was loaded, or could not be.

        Args:
            file: The file after it was read.
            table: Name of the stream with its rows.
            bucket: Name of the bucket that it is in.
        """
        record = make_record(file, table, bucket)
        for write in self._writers:
            write(record)


def make_record(file: ParsedFile, table: str, bucket: str) -> Record:
    """Make the record of a file.

    Args:
        file: The file after it was read.
        table: Name of the stream with its rows.
        bucket: Name of the bucket that it is in.
    """
    obj, header = file.obj, list(file.header)
    return {
        FILE_NAME: f"{bucket}/{obj.key}",
        "_file_etag": obj.etag,
        "_file_date": date_in_key(obj.key),
        "_file_last_modified": utc_isoformat(obj.modified),
        "table_name": table,
        "bucket": bucket,
        "key": obj.key,
        "size": obj.size,
        "status": "bad" if file.error else "loaded",
        "error": str(file.error) if file.error else None,
        "row_count": None if file.error else file.row_count,
        "short_row_count": file.short_rows,
        "long_row_count": file.long_rows,
        "skipped_row_count": file.skipped_rows,
        "header": header,
        "header_hash": hashlib.sha256(json.dumps(header).encode()).hexdigest(),
    }
