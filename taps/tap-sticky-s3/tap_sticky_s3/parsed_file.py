"""An object whose rows are in a local Arrow or Parquet file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from signalroom_singer.privacy.card_data import CardFindings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from signalroom_singer import TapError
    from tap_sticky_s3.client import S3Object

_ARROW_SUFFIX = ".arrow"
_BATCH_ROWS = 4096


@dataclass
class ParsedFile:
    r"""An object that was read completely, or could not be read.

    Attributes:
        obj: The version that was read.
        path: The batch file with its rows; None if it has no rows.
        constants: Values that are the same in all rows, by column.
        header: The header's cells, as the file has them.
        row_count: How many rows the file has, skipped ones included.
        short_rows: How many rows have too few cells.
        long_rows: How many rows have too many cells.
        skipped_rows: How many rows were left out.
        unlisted_nulls: Cells such as ``\N``, which most programs that escape mean as NULL, but
            which `null_values` does not list.
        error: Why the file could not be read.
        cards: The card data that was removed.
    """

    obj: S3Object
    path: Path | None = None
    constants: dict[str, Any] = field(default_factory=dict)
    header: Sequence[str] = ()
    row_count: int = 0
    short_rows: int = 0
    long_rows: int = 0
    skipped_rows: int = 0
    unlisted_nulls: int = 0
    error: TapError | None = None
    cards: CardFindings = field(default_factory=CardFindings)

    def records(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows.

        Yields:
            The cells of a row by column, without the constants.
        """
        if self.path is None:
            return
        for batch in _read_batches(self.path):
            names = [name for name in batch.schema.names if name not in self.constants]
            yield from batch.select(names).to_pylist()


def write_batches(path: Path, batches: Iterator[pa.RecordBatch], constants: Sequence[str]) -> None:
    """Write a batch file, in the format of the path's suffix; without batches, no file.

    Args:
        path: Path of the new file, ending in `.arrow` or `.parquet`.
        batches: The rows to write.
        constants: Columns with the same value in all rows.
    """
    with ExitStack() as stack:
        writer: Any = None
        for batch in batches:
            if writer is None:
                writer = stack.enter_context(_open_writer(path, batch.schema, constants))
            # Of record batches, Parquet's writer would buffer a million rows.
            writer.write_table(pa.Table.from_batches([batch]))


def _open_writer(path: Path, schema: pa.Schema, constants: Sequence[str]) -> Any:
    if path.suffix == _ARROW_SUFFIX:
        return pa.ipc.new_file(str(path), schema)
    import pyarrow.parquet as pq  # noqa: PLC0415 - only for those who use it

    # For speed, as it lives for a second: only the constants are compressed.
    return pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=[*constants], write_statistics=False
    )


def _read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == _ARROW_SUFFIX:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        return
    import pyarrow.parquet as pq  # noqa: PLC0415 - only for those who use it

    with pq.ParquetFile(path, pre_buffer=False) as parquet:
        yield from parquet.iter_batches(_BATCH_ROWS)
