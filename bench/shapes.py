"""The streams that benchmarks load: wide, an export of orders, and narrow, events; all made up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

START = datetime(2025, 1, 1, tzinfo=UTC)
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
#: Makes a value of each kind.
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
    """A stream: its columns, and how to check that all of its rows are loaded."""

    stream: str
    keys: tuple[str, ...]
    properties: dict[str, dict]
    #: SQL aggregates that together show whether all rows are there: the first two are the count
    #: of the rows and a hash of their keys.
    checks: tuple[str, ...]

    @abstractmethod
    def columns(self, first: int, count: int, draw: Random) -> list[list]:
        """Make rows, column by column.

        Args:
            first: The number of the first row, from 0.
            count: How many rows are made.
            draw: Chooses the values.
        """

    @abstractmethod
    def sums(self, columns: list[list]) -> list[int]:
        """What rows add to the checks after the first two."""

    @abstractmethod
    def key_texts(self, columns: list[list]) -> list[str]:
        """The keys of rows, as the second check joins them."""


class Wide(Shape):
    """An export of orders: 129 columns of text, about 1 KB a row."""

    stream = "orders"
    keys = ("_file_name", "_row_id")
    # Keys first, then columns with mostly distinct values.
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
        """Draw the pool of values of each column."""
        self.pools = [self.pool(seed, *WIDE[name]) for name in WIDE]

    @staticmethod
    def pool(draw: Random, kind: str, filled: float) -> list[str | None]:
        """Values of a kind, with empty texts and some nulls among them."""
        make = KINDS[kind]
        fillings = draw.choices(["value", "", None], [filled, 1 - filled, 0.01], k=POOL)
        return [make(draw) if filling == "value" else filling for filling in fillings]

    def columns(self, first, count, draw):
        """Make rows, of which 25,000 come from one file."""
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
        """Sums of the order numbers, of the lengths of all texts, and of the nulls."""
        texts = [[value for value in column if value is not None] for column in columns]
        nulls = sum(map(len, columns)) - sum(map(len, texts))
        numbers = sum(int(number.removeprefix("#")) for number in columns[3])
        return [numbers, sum(sum(map(len, column)) for column in texts), nulls]

    def key_texts(self, columns):
        """File and row of each."""
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
        """Draw the pool of names."""
        self.names = [KINDS["person"](seed) for _ in range(POOL)]

    def columns(self, first, count, draw):
        """Make rows."""
        rows = range(1 + first, 1 + first + count)
        moments = (START + timedelta(seconds=draw.randrange(10**7)) for _ in rows)
        return [
            list(rows),
            # Not random, as it is part of the check of the keys.
            [f"{row:08x}-0000-4000-8000-{row * 2_654_435_761 % 2**48:012x}" for row in rows],
            [draw.randrange(10**6) / 100 for _ in rows],
            [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments],
            draw.choices([True, True, False], k=count),
            draw.choices(self.names, k=count),
            [self.nested(draw) for _ in rows],
        ]

    @staticmethod
    def nested(draw: Random) -> dict:
        """An object of three levels, with six to ten keys."""
        few = {"source": "email", "campaign": draw.randrange(100), "tags": ["new", "vip"]}
        order = {
            "number": draw.randrange(10**6),
            "parcel": {"grams": draw.randrange(5_000), "carrier": draw.choice(WORDS)},
        }
        many = {"browser": "Firefox", "locale": "de-AT", "price": draw.randrange(10**4) / 100}
        return few | {"order": order} | (many if draw.random() < 0.5 else {})  # noqa: PLR2004

    def sums(self, columns):
        """Sums of cents, seconds, active rows, lengths of the names, and grams."""
        _, _, amounts, moments, active, names, nested = columns
        return [
            sum(round(amount * 100) for amount in amounts),
            sum(round(datetime.fromisoformat(moment).timestamp()) for moment in moments),
            sum(active),
            sum(map(len, names)),
            sum(value["order"]["parcel"]["grams"] for value in nested),
        ]

    def key_texts(self, columns):
        """Id and uuid of each."""
        return [f"{key}:{text}" for key, text in zip(*columns[:2], strict=True)]
