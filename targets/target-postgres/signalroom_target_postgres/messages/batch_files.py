"""Files of BATCH messages: the SDK's formats, and Arrow's own, which is the fastest."""

from __future__ import annotations

import codecs
import gzip
import zlib
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pyarrow as pa
from msgspec import Raw
from upath import UPath

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.messages.models import Message
from signalroom_target_postgres.messages.rejects import UNFIT, RejectedRecord, without_values
from signalroom_target_postgres.values.arrow_json import record_json, records_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ROWS_AT_ONCE = 4096
_BYTES_AT_ONCE = 8_000_000
_LINES_AT_ONCE = 256
_GZIP = b"\x1f\x8b"
#: Files in a folder with this prefix were written for the target alone.
TEMP_DIR_PREFIX = "signalroom-batch-"


class BatchFile:
    """A file of rows.

    Args:
        url: The address of the file.
        encoding: The encoding of the message, with `format` (`arrow`, `parquet` or `jsonl`).
        storage: Options of the file system, for fsspec.
        version: The version of the stream that its rows are of, where the message has one.
    """

    def __init__(
        self,
        url: str,
        encoding: Mapping[str, Any],
        storage: Mapping[str, Any] | None = None,
        version: int | None = None,
    ) -> None:
        self.url = url
        self.version = version
        self._format = encoding.get("format")
        self._storage = storage or {}
        if self._format not in {"arrow", "parquet", "jsonl"}:
            msg = (
                f"Batch files of the format {self._format!r} cannot be loaded (arrow, parquet or "
                "jsonl)."
            )
            raise InputError(msg)

    @property
    def has_columns(self) -> bool:
        """Whether it has columns; otherwise it has records, one per line."""
        return self._format != "jsonl"

    def iter_batches(self) -> Iterator[pa.RecordBatch]:
        """Read a file of columns.

        Yields:
            Rows as the file has them.

        Raises:
            InputError: If the file is missing or invalid.
        """
        batches = self._arrow_columns() if self._format == "arrow" else self._parquet_columns()
        for batch in batches:
            names = batch.schema.names
            if len(set(names)) < len(names):
                twice = {name for name in names if names.count(name) > 1}
                msg = (
                    f"The batch file {self.url} has columns of the same name: "
                    f"{', '.join(sorted(twice))}. This is a bug in the tap: please report it."
                )
                raise InputError(msg)
            yield batch

    def _parquet_columns(self) -> Iterator[pa.RecordBatch]:
        # Imported here, as it is slow, and most runs have no such file.
        import pyarrow.parquet as pq  # noqa: PLC0415

        with self._open() as file:
            # Reading whole row groups ahead only helps with slow storage.
            parquet = pq.ParquetFile(file, pre_buffer=self._local_path is None)
            groups = [parquet.metadata.row_group(n) for n in range(parquet.num_row_groups)]
            widest = max(
                (group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0
            )
            yield from parquet.iter_batches(
                min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(widest, 1) or 1)
            )

    def _arrow_columns(self) -> Iterator[pa.RecordBatch]:
        with self._open() as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                for first in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield batch.slice(first, _ROWS_AT_ONCE)

    def iter_messages(self) -> Iterator[Sequence[Message]]:
        """Read a file of records.

        Yields:
            RECORD messages of some lines.

        Raises:
            InputError: If the file is missing or invalid.
        """
        with self._open() as file:
            for lines in _group_lines(_decompress(file)):
                yield [
                    Message(type="RECORD", record=Raw(line), version=self.version) for line in lines
                ]

    def iter_rows(self, kinds: Mapping[str, str]) -> Iterator[Message | RejectedRecord]:
        """Read a file of either kind as records, for stream maps.

        Args:
            kinds: What the fields' bytes and texts are, as for `records_json`.

        Yields:
            RECORD messages; and rows that JSON cannot have, as rejected records.
        """
        if self.has_columns:
            for batch in self.iter_batches():
                yield from _rows(batch, kinds, self.version)
        else:
            for messages in self.iter_messages():
                yield from messages

    def remove(self) -> None:
        """Delete the file if it is local and temporary, and its folder with the last one."""
        path = self._local_path
        if path is None or not path.parent.name.startswith(TEMP_DIR_PREFIX):
            return
        path.unlink(missing_ok=True)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    @property
    def _local_path(self) -> Path | None:
        address = urlparse(self.url)
        return Path(unquote(address.path)) if address.scheme in {"", "file"} else None

    @contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        path = self._local_path
        try:
            if self._format == "arrow" and path is not None:
                # Nothing is copied: the columns are where the file's bytes are.
                with pa.memory_map(str(path)) as file:
                    yield file
                return
            with UPath(self.url, **self._storage).open("rb") as file:
                yield file
        except FileNotFoundError as error:
            msg = f"The batch file {self.url} does not exist. Run the tap again."
            raise InputError(msg) from error
        except ImportError as error:
            msg = (
                f"The batch file {self.url} cannot be read: {error} (a package, into the loader's "
                "environment)."
            )
            raise InputError(msg) from error
        except (OSError, ValueError, EOFError, zlib.error) as error:
            msg = f"The batch file {self.url} cannot be read: {error}"
            raise InputError(msg) from error


def _rows(
    batch: pa.RecordBatch, kinds: Mapping[str, str], version: int | None
) -> Iterator[Message | RejectedRecord]:
    try:
        records = records_json(batch, kinds)
    except UNFIT as error:
        if batch.num_rows == 1:
            reason = without_values(error, "a value that JSON has")
            yield RejectedRecord(record_json(batch), reason, _unfit_column(batch, kinds))
            return
        middle = batch.num_rows // 2
        for half in (batch.slice(0, middle), batch.slice(middle)):
            yield from _rows(half, kinds, version)
    else:
        for record in records:
            yield Message(type="RECORD", record=Raw(record), version=version)


def _unfit_column(row: pa.RecordBatch, kinds: Mapping[str, str]) -> str | None:
    name: str
    for name in row.schema.names:
        try:
            records_json(row.select([name]), kinds)
        except UNFIT:
            return name
    return None


def _decompress(file: IO[bytes]) -> Iterable[bytes]:
    """Decompress a file that is compressed, whatever the message says.

    With `compression: none` the SDK declares none, and compresses all the same: singer-sdk 0.54.9,
    https://github.com/meltano/sdk/blob/v0.54.9/singer_sdk/contrib/batch_encoder_jsonl.py
    """
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if is_packed else file


def _group_lines(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group lines, without the empty ones."""
    marked = iter(lines)
    first = next(marked, b"").removeprefix(codecs.BOM_UTF8)
    filled = (line for line in chain([first], marked) if line.strip())
    while lines := list(islice(filled, _LINES_AT_ONCE)):
        yield lines
