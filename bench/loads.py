"""Made-up streams for loading: ``loads.py wide|narrow ROWS FOLDER [--formats ...]``.

The same seed, rows and revision give the same files. A revision has the keys of every other
and other values, so that what a second load leaves behind can be told from the first's. Next
to the files lies ``about.json``: the table, and a query with what it gives once all is loaded.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 10_000  # rows in memory, in a row group, and from STATE to STATE
START = datetime(2025, 1, 1, tzinfo=UTC)
NULL = r"\N"  # in the CSV, where an empty field is an empty text
POOL = 5_000  # distinct values of a text column

TEXT = {"type": ["string", "null"]}
ITEM = {"sku": "sku", "name": "product", "price": "money", "quantity": "count", "tax": "money"}
PLACE = {
    "name": "person",
    "company": "company",
    "address_1": "street",
    "address_2": "flat",
    "city": "city",
    "zip": "zip",
    "region": "code",
    "country": "code",
    "phone": "phone",
}
ORDER = {
    "customer_id": "id",
    "first_name": "first_name",
    "last_name": "last_name",
    "financial_status": "status",
    "fulfillment_status": "status",
    "currency": "code",
    "subtotal": "money",
    "shipping": "money",
    "taxes": "money",
    "total": "money",
    "discount_code": "sku",
    "discount_amount": "money",
    "refunded_amount": "money",
    "created_at": "moment",
    "paid_at": "moment",
    "fulfilled_at": "moment",
    "cancelled_at": "moment",
    "due_date": "date",
    "checkout_id": "id",
    "transaction_id": "id",
    "source": "status",
    "campaign_id": "id",
    "note": "note",
    "tags": "note",
    "vendor": "company",
    "risk_level": "status",
}
#: The kind of value in each text column of the wide stream, and the share that is not empty.
WIDE = {
    **{f"order_{name}": (kind, 0.8) for name, kind in ORDER.items()},
    **{f"billing_{name}": (kind, 0.85) for name, kind in PLACE.items()},
    **{f"shipping_{name}": (kind, 0.85) for name, kind in PLACE.items()},
    **{
        f"item_{number}_{name}": (kind, 1.1 - number / 10)
        for number in range(1, 10)
        for name, kind in ITEM.items()
    },
    **{f"tax_{number}_amount": ("money", 1 / number) for number in range(1, 6)},
    **{f"custom_{number}": ("product", 0.5) for number in range(1, 31)},
}
WORDS = [
    "amber",
    "basic",
    "coral",
    "delta",
    "ember",
    "frost",
    "grove",
    "haven",
    "ivory",
    "jade",
    "lunar",
    "maple",
    "ocean",
]
NAMES = [
    "Ana",
    "Bo",
    "Chloé",
    "Dmitri",
    "Emma",
    "Fatima",
    "Grace",
    "Håkon",
    "Ines",
    "José",
    "Kim",
    "Liam",
    "Mei",
    "Noor",
    "Olga",
]
KINDS = {
    "id": lambda draw: str(draw.randrange(10**9, 10**10)),
    "money": lambda draw: f"{draw.randrange(50_000) / 100:.2f}",
    "count": lambda draw: str(draw.randrange(1, 12)),
    "date": lambda draw: str((START + timedelta(days=draw.randrange(500))).date()),
    "moment": lambda draw: f"{START + timedelta(seconds=draw.randrange(10**7)):%Y-%m-%d %H:%M:%S}",
    "first_name": lambda draw: draw.choice(NAMES),
    "last_name": lambda draw: f"{draw.choice(WORDS).title()}son",
    "person": lambda draw: f"{draw.choice(NAMES)} {draw.choice(WORDS).title()}son",
    "company": lambda draw: f"{draw.choice(WORDS).title()} {draw.choice(WORDS).title()}, Inc.",
    "street": lambda draw: f"{draw.randrange(1, 9999)} {draw.choice(WORDS).title()} Street",
    "flat": lambda draw: draw.choice(["", "", "", f'"{draw.choice(WORDS)}", flat 2']),
    "city": lambda draw: f"{draw.choice(WORDS).title()}ville",
    "zip": lambda draw: f"{draw.randrange(10**5):05}",
    "code": lambda draw: draw.choice(["US", "CA", "DE", "FR", "SE"]),
    "phone": lambda draw: f"+1555{draw.randrange(10**7):07}",
    "status": lambda draw: draw.choice(WORDS),
    "sku": lambda draw: f"{draw.choice(WORDS)[:3].upper()}-{draw.randrange(10**4):04}",
    "product": lambda draw: f"{draw.choice(WORDS).title()} {draw.choice(WORDS)} set",
    "note": lambda draw: draw.choice(["", "", "", "", "leave at the door,\nplease ring", "a, b"]),
}


class Shape(ABC):
    """What a stream looks like."""

    stream: str
    keys: tuple[str, ...]
    properties: dict[str, dict]
    #: SQL aggregates that together tell whether all of it is there.
    checks: tuple[str, ...]

    @abstractmethod
    def columns(self, first: int, count: int, draw: Random) -> list[list]:
        """Values, column by column, of some rows."""

    @abstractmethod
    def sums(self, columns: list[list]) -> list[int]:
        """What these rows add to the checks but the first two, which are count and keys."""

    @abstractmethod
    def key_texts(self, columns: list[list]) -> list[str]:
        """The keys as the second check joins them."""


class Wide(Shape):
    """An export of orders: 129 columns of text, about 1 KB a row."""

    stream = "orders"
    keys = ("_file_name", "_row_id")
    # Keys first, then what hardly any two rows share.
    properties = (
        {name: {"type": "string"} for name in keys}
        | dict.fromkeys(("order_id", "order_number", "order_email"), TEXT)
        | dict.fromkeys(WIDE, TEXT)
    )
    checks = (
        "count(*)",
        "md5(string_agg(_file_name || ':' || _row_id, ',' ORDER BY _file_name, _row_id::integer))",
        "sum(replace(order_number, '#', '')::bigint)",
        "sum({})".format(" + ".join(f"coalesce(length({name}), 0)" for name in properties)),
        "sum({})".format(" + ".join(f"({name} IS NULL)::integer" for name in properties)),
    )

    def __init__(self, seed: Random) -> None:
        """Draw what the columns choose from."""
        self.pools = [self.pool(seed, *WIDE[name]) for name in WIDE]

    @staticmethod
    def pool(draw: Random, kind: str, filled: float) -> list[str | None]:
        """Values of one kind, with the empty ones among them, and some nulls."""
        value = KINDS[kind]
        chosen = draw.choices(["value", "", None], [filled, 1 - filled, 0.01], k=POOL)
        return [value(draw) if which == "value" else which for which in chosen]

    def columns(self, first, count, draw):
        """Values of some rows; 25,000 come from one file."""
        rows = range(first, first + count)
        return [
            [f"orders-export-{row // 25_000 + 1:04}.csv" for row in rows],
            [str(row % 25_000 + 1) for row in rows],
            [str(5_000_000_000 + row * 7_919) for row in rows],
            [f"#{1_000 + row + draw.randrange(10**6)}" for row in rows],
            [f"person{draw.randrange(10**6)}@example.com" for row in rows],
            *(draw.choices(pool, k=count) for pool in self.pools),
        ]

    def sums(self, columns):
        """The order numbers, the length of all texts, and the nulls."""
        texts = [[value for value in column if value is not None] for column in columns]
        nulls = sum(map(len, columns)) - sum(map(len, texts))
        numbers = sum(int(number.removeprefix("#")) for number in columns[3])
        return [numbers, sum(sum(map(len, column)) for column in texts), nulls]

    def key_texts(self, columns):
        """File and row."""
        return [f"{file}:{row}" for file, row in zip(*columns[:2], strict=True)]


class Narrow(Shape):
    """Events: seven columns of different types, one of them nested."""

    stream = "events"
    keys = ("id",)
    properties = {  # noqa: RUF012 - a constant
        "id": {"type": "integer"},
        "uuid": TEXT,
        "amount": {"type": ["number", "null"]},
        "created_at": {"type": ["string", "null"], "format": "date-time"},
        "is_active": {"type": ["boolean", "null"]},
        "name": TEXT,
        "properties": {"type": ["object", "null"], "additionalProperties": True},
    }
    checks = (
        "count(*)",
        "md5(string_agg(id || ':' || uuid, ',' ORDER BY id))",
        "sum(round(amount::numeric * 100))",
        "sum(extract(epoch FROM created_at))",
        "count(*) FILTER (WHERE is_active)",
        "sum(length(name))",
        "sum((properties #>> '{order,parcel,grams}')::bigint)",
    )

    def __init__(self, seed: Random) -> None:
        """Draw what the names are chosen from."""
        self.names = [KINDS["person"](seed) for _ in range(POOL)]

    def columns(self, first, count, draw):
        """Values of some rows."""
        rows = range(1 + first, 1 + first + count)
        moments = (START + timedelta(seconds=draw.randrange(10**7)) for _ in rows)
        return [
            list(rows),
            # Not drawn, as it is part of the check of the keys.
            [f"{row:08x}-0000-4000-8000-{row * 2_654_435_761 % 2**48:012x}" for row in rows],
            [draw.randrange(10**6) / 100 for _ in rows],
            [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments],
            draw.choices([True, True, False], k=count),
            draw.choices(self.names, k=count),
            [self.nested(draw) for _ in rows],
        ]

    @staticmethod
    def nested(draw: Random) -> dict:
        """An object of three levels and of six to ten keys."""
        few = {"source": "email", "campaign": draw.randrange(100), "tags": ["new", "vip"]}
        order = {
            "number": draw.randrange(10**6),
            "parcel": {"grams": draw.randrange(5_000), "carrier": draw.choice(WORDS)},
        }
        many = {"browser": "Firefox", "locale": "de-AT", "price": draw.randrange(10**4) / 100}
        return few | {"order": order} | (many if draw.random() < 0.5 else {})  # noqa: PLR2004

    def sums(self, columns):
        """Cents, seconds, the active, the length of the names, and grams."""
        _, _, amounts, moments, active, names, nested = columns
        return [
            sum(round(amount * 100) for amount in amounts),
            sum(round(datetime.fromisoformat(moment).timestamp()) for moment in moments),
            sum(active),
            sum(map(len, names)),
            sum(value["order"]["parcel"]["grams"] for value in nested),
        ]

    def key_texts(self, columns):
        """Id and uuid."""
        return [f"{key}:{text}" for key, text in zip(*columns[:2], strict=True)]


class Messages:
    """A file of Singer messages."""

    def __init__(self, path: Path, shape: Shape) -> None:
        """Begin with the SCHEMA."""
        self.shape = shape
        self.encode = msgspec.json.Encoder().encode_lines
        self.file = path.open("wb")
        schema = {"type": "object", "properties": shape.properties}
        self.write("SCHEMA", stream=shape.stream, schema=schema, key_properties=shape.keys)

    def write(self, kind: str, **content) -> None:
        """Write one message."""
        self.file.write(self.encode([{"type": kind, **content}]))

    def state(self, row: int) -> None:
        """Write how far this came."""
        bookmark = {"replication_key": self.shape.keys[-1], "replication_key_value": row}
        self.write("STATE", value={"bookmarks": {self.shape.stream: bookmark}})

    def close(self) -> None:
        """Write no more."""
        self.file.close()


class Records(Messages):
    """``records.jsonl``: each row a RECORD, and a STATE after each chunk."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Begin the file."""
        super().__init__(folder / "records.jsonl", shape)

    def add(self, columns: list[list], row: int) -> None:
        """Write some rows, of which the last is this."""
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
    """``table.csv``: for COPY in its CSV format, where a null is a backslash and an N."""

    def __init__(self, folder: Path, _: Shape) -> None:
        """Begin the file; there is no header."""
        self.file = (folder / "table.csv").open("w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)

    def add(self, columns: list[list], _: int) -> None:
        """Write some rows."""
        self.writer.writerows(zip(*map(self.texts, columns), strict=True))

    @staticmethod
    def texts(column: list) -> list:
        """A column as COPY reads it."""
        if isinstance(column[0], dict):
            return [json.dumps(value) for value in column]
        return [NULL if value is None else value for value in column]

    def close(self) -> None:
        """Write no more."""
        self.file.close()


class Batch:
    """``batch.jsonl``: one BATCH, in the form of the Singer SDK, of ``batch.parquet``."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Begin the file."""
        self.folder, self.shape = folder, shape
        self.parquet, self.row = None, 0

    def add(self, columns: list[list], row: int) -> None:
        """Write a row group, of the types the SDK's encoder takes from the first."""
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
        """Write the messages."""
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
    """``about.json``: the table, a query, and what it gives once all is loaded."""

    folder: Path
    shape: Shape
    rows: int = 0
    keys: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sums: list[int] = field(default_factory=list)

    def add(self, columns: list[list], _: int) -> None:
        """Count some rows in."""
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


def write(name: str, rows: int, folder: Path, formats=tuple(FORMATS), *, seed=0, revision=0):
    """Write a stream in some formats, chunk by chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = SHAPES[name](Random(f"{seed} pools"))
    draw = Random(f"{seed} {revision}")
    writers = [kind(folder, shape) for kind in (*(FORMATS[one] for one in formats), About)]
    for first in range(0, rows, CHUNK):
        count = min(CHUNK, rows - first)
        columns = shape.columns(first, count, draw)
        for writer in writers:
            writer.add(columns, first + count)
    for writer in writers:
        writer.close()


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("rows", type=int, help=f"for the benchmarks: {ROWS}")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--revision", type=int, default=0, help="same keys, other values")
    asked = parser.parse_args()
    write(
        asked.shape,
        asked.rows,
        asked.folder,
        asked.formats,
        seed=asked.seed,
        revision=asked.revision,
    )


if __name__ == "__main__":
    main()
