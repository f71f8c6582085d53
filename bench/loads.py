"""Write made-up streams to load: ``loads.py wide|narrow ROWS FOLDER [--formats ...]``.

The same seed, rows and revision give the same files. Revisions have the same keys and other
values, which shows what a second load changed. ``about.json`` has the table, a query, and the
result that it must have once all is loaded.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from shapes import START, Narrow, Wide

if TYPE_CHECKING:
    from shapes import Shape

CHUNK = 10_000  # rows in memory, in a row group, and from STATE to STATE
NULL = r"\N"  # in the CSV, where an empty field is an empty text


class Messages:
    """A file of Singer messages."""

    def __init__(self, path: Path, shape: Shape) -> None:
        """Write the SCHEMA."""
        self.shape = shape
        self.encode = msgspec.json.Encoder().encode_lines
        self.file = path.open("wb")
        schema = {"type": "object", "properties": shape.properties}
        self.write("SCHEMA", stream=shape.stream, schema=schema, key_properties=shape.keys)

    def write(self, kind: str, **content) -> None:
        """Write a message."""
        self.file.write(self.encode([{"type": kind, **content}]))

    def state(self, row: int) -> None:
        """Write a STATE with the number of the last row."""
        bookmark = {"replication_key": self.shape.keys[-1], "replication_key_value": row}
        self.write("STATE", value={"bookmarks": {self.shape.stream: bookmark}})

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Records(Messages):
    """``records.jsonl``: each row a RECORD, and a STATE after each chunk."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Open the file."""
        super().__init__(folder / "records.jsonl", shape)

    def add(self, columns: list[list], row: int) -> None:
        """Write rows up to a number, and a STATE."""
        names, stream = list(self.shape.properties), self.shape.stream
        at = (START + timedelta(seconds=row)).isoformat()
        self.file.write(
            self.encode(
                {
                    "type": "RECORD",
                    "stream": stream,
                    "record": dict(zip(names, values, strict=True)),
                    "time_extracted": at,
                }
                for values in zip(*columns, strict=True)
            )
        )
        self.state(row)


class Table:
    r"""``table.csv``, for COPY in its CSV format; a null is ``\N``."""

    def __init__(self, folder: Path, _: Shape) -> None:
        """Open the file, which has no header."""
        self.file = (folder / "table.csv").open("w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)

    def add(self, columns: list[list], _: int) -> None:
        """Write rows."""
        self.writer.writerows(zip(*map(self.texts, columns), strict=True))

    @staticmethod
    def texts(column: list) -> list:
        """A column as COPY reads it."""
        if isinstance(column[0], dict):
            return [json.dumps(value) for value in column]
        return [NULL if value is None else value for value in column]

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Batch:
    """``batch.jsonl``: a BATCH message of the SDK's form, which names ``batch.parquet``."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Open the file."""
        self.folder, self.shape = folder, shape
        self.parquet, self.row = None, 0

    def add(self, columns: list[list], row: int) -> None:
        """Write a row group, with the types that the SDK's encoder would choose for the first."""
        names = list(self.shape.properties)
        schema = self.parquet and self.parquet.schema
        if self.parquet is None:
            table = pa.table(columns, names)
            schema = pa.schema([(name, table.schema.field(name).type) for name in names])
            self.parquet = pq.ParquetWriter(self.folder / "batch.parquet", schema)
        arrays = [
            pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)
        ]
        self.parquet.write_table(pa.Table.from_arrays(arrays, schema=schema))
        self.row = row

    def close(self) -> None:
        """Finish the file, and write the messages."""
        self.parquet.close()
        messages = Messages(self.folder / "batch.jsonl", self.shape)
        messages.write(
            "BATCH",
            stream=self.shape.stream,
            encoding={"format": "parquet", "compression": None},
            manifest=[(self.folder / "batch.parquet").resolve().as_uri()],
        )
        messages.state(self.row)
        messages.close()


@dataclass
class About:
    """``about.json``: the table, the query that checks it, and the expected result."""

    folder: Path
    shape: Shape
    rows: int = 0
    keys: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sums: list[int] = field(default_factory=list)

    def add(self, columns: list[list], _: int) -> None:
        """Add rows to the expected result."""
        texts = self.shape.key_texts(columns)
        self.keys.update(f"{',' if self.rows else ''}{','.join(texts)}".encode())
        self.rows += len(texts)
        sums = self.shape.sums(columns)
        self.sums = list(map(sum, zip(self.sums or [0] * len(sums), sums, strict=True)))

    def close(self) -> None:
        """Write the file."""
        about = {
            "table": self.shape.stream,
            "keys": self.shape.keys,
            "columns": list(self.shape.properties),
            "checks": self.shape.checks,
            "expected": [str(self.rows), self.keys.hexdigest(), *map(str, self.sums)],
        }
        (self.folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")


SHAPES = {"wide": Wide, "narrow": Narrow}
ROWS = {"wide": 102_000, "narrow": 100_000}
FORMATS = {"records": Records, "csv": Table, "batch": Batch}


def write(shape: str, rows: int, folder: Path, formats=tuple(FORMATS), *, seed=0, revision=0):
    """Write a stream in several formats, chunk by chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = SHAPES[shape](Random(f"{seed} pools"))
    draw = Random(f"{seed} {revision}")
    writers = [kind(folder, stream) for kind in (*(FORMATS[name] for name in formats), About)]
    for first in range(0, rows, CHUNK):
        count = min(CHUNK, rows - first)
        columns = stream.columns(first, count, draw)
        for writer in writers:
            writer.add(columns, first + count)
    for writer in writers:
        writer.close()


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("rows", type=int, help=f"for the benchmarks: {ROWS}")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--revision", type=int, default=0, help="same keys, other values")
    options = parser.parse_args()
    write(
        options.shape,
        options.rows,
        options.folder,
        options.formats,
        seed=options.seed,
        revision=options.revision,
    )


if __name__ == "__main__":
    main()
