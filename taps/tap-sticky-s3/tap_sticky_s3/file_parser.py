"""One file: from S3 into a file with the stream's columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from signalroom_singer import CLIENT_ID, EXTRA, LOADED_AT, TapError
from signalroom_singer.cards import CardFindings
from tap_sticky_s3.batch_store import ParsedFile, write
from tap_sticky_s3.card_filter import CardFilter
from tap_sticky_s3.client import ObjectChangedError, ObjectGoneError
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.reader import ROW_ID, CsvReader, read_head
from tap_sticky_s3.file_filter import date_in_key
from tap_sticky_s3.header_check import FilePreview, preview_file
from tap_sticky_s3.s3_errors import ForbiddenObjectError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from signalroom_singer.hashing import ColumnHashes
    from tap_sticky_s3.batch_store import BatchStore
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.csv.dialect import Dialect

_HEADER_BYTES = 64 << 10
_MOMENT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class StreamColumns:
    """The columns of a stream.

    Attributes:
        known: All that it has.
        selected: Those that are wanted, in their order.
        client_id: The client's tag, if there is one.
        hashes: The columns that are loaded as hashes.
    """

    known: frozenset[str]
    selected: tuple[str, ...]
    client_id: str | None = None
    hashes: ColumnHashes | None = None


class FileParser:
    """Reads a table's files; in several threads at once.

    Args:
        bucket: Where they are.
        dialect: How they are written.
        spool: Where they go.
        config: The tap's settings.
        logger: Where it is told what happens.
        named: What names the columns of a file, by its header.
        refusal: What says why a version of a file may not be loaded, if it may not.
    """

    def __init__(
        self,
        bucket: Bucket,
        dialect: Dialect,
        spool: BatchStore,
        config: Mapping[str, Any],
        logger: logging.Logger,
        *,
        named: Callable[[Sequence[str]], list[str]],
        refusal: Callable[[S3Object], TapError | None],
    ) -> None:
        self._named = named
        self._refusal = refusal
        self._bucket = bucket
        self._dialect = dialect
        self._spool = spool
        self._tries: int = config["max_tries"]
        self._keeps_cards: bool = config["keep_card_data"]
        self._logger = logger

    def head(self, thing: S3Object, known: frozenset[str]) -> FilePreview | None:
        """Look at a file's first lines; of a file that is bad, gone or empty, nothing.

        Args:
            thing: The file.
            known: The plain names of the table's columns.
        """
        size = _HEADER_BYTES
        while True:
            try:
                chunks = self._bucket.read(thing, size)
                complete = size >= thing.size
                name = self._name(thing)
                found = read_head(chunks, self._dialect, name=name, complete=complete)
                return preview_file(*found, known, self._dialect) if found else None
            except NeedMoreError:
                size *= 8
            except (BadFileError, ForbiddenObjectError, ObjectChangedError, ObjectGoneError):
                # It is reported when it is read.
                return None

    def read(self, thing: S3Object, layout: StreamColumns) -> ParsedFile | None:
        """Read a file, whole.

        Args:
            thing: The file.
            layout: The stream's columns.

        Returns:
            Its rows, or why there are none; nothing if it is gone.

        Raises:
            TapError: If S3 fails.
        """
        for _ in range(self._tries):
            if refusal := self._refusal(thing):
                return ParsedFile(thing, error=refusal)
            path = self._spool.new_path()
            try:
                return self._read(thing, layout, path)
            except ObjectChangedError:
                self._logger.info("%s was overwritten: reading the new version", thing.key)
                self._spool.drop(path)
            except (BadFileError, ForbiddenObjectError) as error:
                self._spool.drop(path)
                return ParsedFile(thing, error=error)
            except ObjectGoneError:
                self._spool.drop(path)
                return None
            try:
                thing = self._bucket.head(thing.key)
            except ObjectGoneError:
                return None
        msg = (
            f"{self._name(thing)} was overwritten {self._tries} times while it was read. Run "
            "again when it has come to rest, or set `settle_seconds`."
        )
        raise TapError(msg)

    def _name(self, thing: S3Object) -> str:
        return f"{self._bucket.name}/{thing.key}"

    def _read(self, thing: S3Object, layout: StreamColumns, path: Path) -> ParsedFile:
        name = self._name(thing)
        constants = {
            "_file_name": name,
            "_file_date": date_in_key(thing.key),
            "_file_etag": thing.etag,
            "_file_last_modified": thing.modified,
            CLIENT_ID: layout.client_id,
            LOADED_AT: datetime.now(UTC),
        }
        constants = {name: constants[name] for name in layout.selected if name in constants}
        rows = CsvReader(self._bucket.read(thing), self._dialect, name=name, named=self._named)
        findings = CardFindings()
        write(path, self._shaped(rows, layout, constants, findings), list(constants))
        return ParsedFile(
            thing,
            path=path if path.exists() else None,
            constants=constants,
            header=rows.header or [],
            rows=rows.row_count,
            short=rows.short_rows,
            long=rows.long_rows,
            skipped=rows.skipped_rows,
            unnamed_nulls=rows.unnamed_nulls,
            cards=findings,
        )

    def _shaped(
        self,
        rows: CsvReader,
        layout: StreamColumns,
        constants: Mapping[str, Any],
        findings: CardFindings,
    ) -> Iterator[pa.RecordBatch]:
        """Give a file's rows the stream's columns."""
        cards: CardFilter | None = None
        for batch in rows:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            if not self._keeps_cards:
                cards = cards or self._cards(rows, batch, layout, findings)
                columns = cards.cleaned(columns)
            if layout.hashes:
                columns |= _hashed(columns, layout.hashes)
            # Only of a file that was overwritten after its header was read.
            unknown = columns.keys() - layout.known - {ROW_ID, EXTRA}
            if unknown:
                in_order = [name for name in columns if name in unknown]
                columns[EXTRA] = _extra_with(columns, in_order)
            columns |= {name: _repeated(value, batch.num_rows) for name, value in constants.items()}
            missing = pa.nulls(batch.num_rows, pa.string())
            arrays = [columns.get(name, missing) for name in layout.selected]
            yield pa.RecordBatch.from_arrays(arrays, names=list(layout.selected))

    @staticmethod
    def _cards(
        rows: CsvReader, batch: pa.RecordBatch, layout: StreamColumns, findings: CardFindings
    ) -> CardFilter:
        header = rows.header or []
        deselected = layout.known - {*layout.selected}
        return CardFilter(header, batch.schema.names[: len(header)], deselected, findings)


def _hashed(columns: Mapping[str, pa.Array], hashes: ColumnHashes) -> dict[str, pa.Array]:
    return {
        name: pa.array(map(hashes.hashed, column.to_pylist()), pa.string())
        for name, column in columns.items()
        if hashes.has(name)
    }


def _repeated(value: str | datetime | None, count: int) -> pa.Array:
    kind = _MOMENT if isinstance(value, datetime) else pa.string()
    return pa.repeat(pa.scalar(value, kind), count)


def _extra_with(columns: Mapping[str, pa.Array], names: Sequence[str]) -> pa.Array:
    """The column `_extra`, with the columns that the stream does not have."""
    arrays = [columns[name] for name in names]
    cells = pa.RecordBatch.from_arrays(arrays, names=list(names)).to_pylist()
    extras = columns[EXTRA].to_pylist()
    merged = [
        json.dumps({**row, **json.loads(extra or "{}")}, ensure_ascii=False)
        for row, extra in zip(cells, extras, strict=True)
    ]
    return pa.array(merged, pa.string())
