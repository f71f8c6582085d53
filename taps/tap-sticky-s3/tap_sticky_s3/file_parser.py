"""Reads an object from S3 into a batch file with the stream's columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from signalroom_singer import CLIENT_ID, EXTRA, LOADED_AT, ReadAhead, TapError
from signalroom_singer.privacy.card_data import CardFindings
from tap_sticky_s3.card_filter import CardFilter
from tap_sticky_s3.client import SMALL_FILE_THREADS, ObjectChangedError, ObjectGoneError
from tap_sticky_s3.csv.column_names import ROW_ID
from tap_sticky_s3.csv.errors import BadFileError
from tap_sticky_s3.csv.reader import CsvReader
from tap_sticky_s3.file_filter import date_in_key
from tap_sticky_s3.parsed_file import ParsedFile, write_batches
from tap_sticky_s3.s3_errors import ForbiddenObjectError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from signalroom_singer.privacy.hashing import ColumnHashes
    from tap_sticky_s3.batch_store import BatchStore
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.csv.dialect import Dialect

#: Files that are together no larger than that are downloaded into memory, side by side.
_GROUP_BYTES, _GROUP_FILES = 4 << 20, 64
_TIMESTAMP = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class StreamColumns:
    """The columns of a stream.

    Attributes:
        known: All columns of the stream.
        selected: The selected columns, in their order.
        client_id: The value of `_client_id`, if the client is set.
        hashes: The columns that are loaded as hashes.
    """

    known: frozenset[str]
    selected: tuple[str, ...]
    client_id: str | None = None
    hashes: ColumnHashes | None = None


@dataclass(frozen=True)
class _Download:
    """The bytes of a small file, or why they cannot be read.

    Attributes:
        chunks: The bytes in chunks.
        error: What reading them raised.
    """

    chunks: Sequence[bytes] = ()
    error: Exception | None = None

    def read(self) -> Iterator[bytes]:
        """Iterate over the bytes as `Bucket.read` does."""
        yield from self.chunks
        if self.error:
            raise self.error


def group_files(objects: Iterable[S3Object]) -> list[list[S3Object]]:
    """Group small files that follow each other; a larger file is a group of its own.

    Args:
        objects: The files, in the order in which they are loaded.
    """
    groups: list[list[S3Object]] = []
    size = 0
    for obj in objects:
        size += obj.size
        if not groups or size > _GROUP_BYTES or len(groups[-1]) >= _GROUP_FILES:
            groups.append([])
            size = obj.size
        groups[-1].append(obj)
    return groups


class FileParser:
    """Reads a table's files; used by several threads at a time.

    Args:
        bucket: The bucket that the files are in.
        dialect: The files' delimiter, quotes and encoding.
        store: The folder for the batch files.
        config: The tap's settings.
        logger: Logger for files that change while they are read.
        name_columns: Returns a column name for each cell of a header.
        check: Returns why a version of a file may not be loaded; None if it may.
    """

    def __init__(
        self,
        bucket: Bucket,
        dialect: Dialect,
        store: BatchStore,
        config: Mapping[str, Any],
        logger: logging.Logger,
        *,
        name_columns: Callable[[Sequence[str]], list[str]],
        check: Callable[[S3Object], TapError | None],
    ) -> None:
        self._name_columns = name_columns
        self._check = check
        self._bucket = bucket
        self._dialect = dialect
        self._store = store
        self._max_tries: int = config["max_tries"]
        self._keep_card_data: bool = config["keep_card_data"]
        self._logger = logger

    def parse_group(
        self, group: Sequence[S3Object], columns: StreamColumns
    ) -> Iterator[tuple[S3Object, ParsedFile | None]]:
        """Read files one after the other; those of a larger group are downloaded side by side.

        Args:
            group: The files, as the bucket listed them.
            columns: The columns of the stream.

        Yields:
            Each file, and what `parse` returns for it.

        Raises:
            TapError: As `parse` does.
        """
        if len(group) == 1:
            yield group[0], self.parse(group[0], columns)
            return
        with ReadAhead(group, self._download, workers=SMALL_FILE_THREADS) as ahead:
            for obj, downloads in ahead:
                for download in downloads or ():
                    yield obj, self.parse(obj, columns, download)

    def _download(self, obj: S3Object) -> Iterator[list[_Download]]:
        chunks: list[bytes] = []
        try:
            if not self._check(obj):
                chunks.extend(self._bucket.read(obj))
        except (ForbiddenObjectError, ObjectChangedError, ObjectGoneError) as error:
            yield [_Download(chunks, error)]
        else:
            yield [_Download(chunks)]

    def parse(
        self, obj: S3Object, columns: StreamColumns, download: _Download | None = None
    ) -> ParsedFile | None:
        """Read a file completely, in its newest version.

        Args:
            obj: The file, as the bucket listed it.
            columns: The columns of the stream.
            download: Its bytes, if they have been downloaded.

        Returns:
            The file's rows, or why it cannot be read; None if it was deleted.

        Raises:
            TapError: If requests to S3 fail, or the file is overwritten again and again.
        """
        for _ in range(self._max_tries):
            if error := self._check(obj):
                return ParsedFile(obj, error=error)
            path = self._store.new_path()
            chunks = download.read() if download else self._bucket.read(obj)
            download = None
            try:
                return self._parse_version(obj, columns, path, chunks)
            except ObjectChangedError:
                self._logger.info("%s was overwritten: reading the new version", obj.key)
                self._store.remove(path)
            except (BadFileError, ForbiddenObjectError) as bad_file:
                self._store.remove(path)
                return ParsedFile(obj, error=bad_file)
            except ObjectGoneError:
                self._store.remove(path)
                return None
            try:
                obj = self._bucket.current_version(obj.key)
            except ObjectGoneError:
                return None
        msg = (
            f"{self._name(obj)} was overwritten {self._max_tries} times while it was read. Run "
            "again when it is no longer written to, or set `settle_seconds`."
        )
        raise TapError(msg)

    def _name(self, obj: S3Object) -> str:
        return f"{self._bucket.name}/{obj.key}"

    def _parse_version(
        self, obj: S3Object, columns: StreamColumns, path: Path, chunks: Iterable[bytes]
    ) -> ParsedFile:
        name = self._name(obj)
        constants = {
            "_file_name": name,
            "_file_date": date_in_key(obj.key),
            "_file_etag": obj.etag,
            "_file_last_modified": obj.modified,
            CLIENT_ID: columns.client_id,
            LOADED_AT: datetime.now(UTC),
        }
        constants = {name: constants[name] for name in columns.selected if name in constants}
        reader = CsvReader(chunks, self._dialect, name=name, name_columns=self._name_columns)
        findings = CardFindings()
        batches = self._convert_batches(reader, columns, constants, findings)
        write_batches(path, batches, list(constants))
        return ParsedFile(
            obj,
            path=path if path.exists() else None,
            constants=constants,
            header=reader.header or [],
            row_count=reader.row_count,
            short_rows=reader.short_rows,
            long_rows=reader.long_rows,
            skipped_rows=reader.skipped_rows,
            unlisted_nulls=reader.unlisted_nulls,
            cards=findings,
        )

    def _convert_batches(
        self,
        reader: CsvReader,
        columns: StreamColumns,
        constants: Mapping[str, Any],
        findings: CardFindings,
    ) -> Iterator[pa.RecordBatch]:
        """Convert batches with a file's columns to batches with the stream's."""
        card_filter: CardFilter | None = None
        for batch in reader:
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            if not self._keep_card_data:
                card_filter = card_filter or _make_card_filter(reader, batch, columns, findings)
                arrays = card_filter.remove_card_data(arrays)
            if columns.hashes:
                arrays |= _hash_columns(arrays, columns.hashes)
            # Only if the file was overwritten after its header was read.
            unknown = arrays.keys() - columns.known - {ROW_ID, EXTRA}
            if unknown:
                in_order = [name for name in arrays if name in unknown]
                arrays[EXTRA] = _add_to_extra(arrays, in_order)
            arrays |= {name: _repeat(value, batch.num_rows) for name, value in constants.items()}
            missing = pa.nulls(batch.num_rows, pa.string())
            selected = [arrays.get(name, missing) for name in columns.selected]
            yield pa.RecordBatch.from_arrays(selected, names=list(columns.selected))


def _make_card_filter(
    reader: CsvReader, batch: pa.RecordBatch, columns: StreamColumns, findings: CardFindings
) -> CardFilter:
    header = reader.header or []
    deselected = columns.known - {*columns.selected}
    return CardFilter(header, batch.schema.names[: len(header)], deselected, findings)


def _hash_columns(arrays: Mapping[str, pa.Array], hashes: ColumnHashes) -> dict[str, pa.Array]:
    return {
        name: pa.array(map(hashes.hash_value, array.to_pylist()), pa.string())
        for name, array in arrays.items()
        if hashes.is_hashed(name)
    }


def _repeat(value: str | datetime | None, count: int) -> pa.Array:
    arrow_type = _TIMESTAMP if isinstance(value, datetime) else pa.string()
    return pa.repeat(pa.scalar(value, arrow_type), count)


def _add_to_extra(arrays: Mapping[str, pa.Array], names: Sequence[str]) -> pa.Array:
    """Add columns that the stream does not have to the column `_extra`."""
    batch = pa.RecordBatch.from_arrays([arrays[name] for name in names], names=list(names))
    extras = arrays[EXTRA].to_pylist()
    merged = [
        json.dumps({**row, **json.loads(extra or "{}")}, ensure_ascii=False)
        for row, extra in zip(batch.to_pylist(), extras, strict=True)
    ]
    return pa.array(merged, pa.string())
