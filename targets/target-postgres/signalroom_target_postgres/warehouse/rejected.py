"""Where records go that cannot be loaded: beside their table, with the reason."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from msgspec import Raw
from psycopg import errors, sql
from singer_sdk.exceptions import MissingKeyPropertiesError

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.values.array_literals import MOST_DIGITS
from signalroom_target_postgres.values.arrow_json import encode
from signalroom_target_postgres.warehouse.policies import check_policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Cursor

    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.warehouse.table import Destination

SUFFIX = "__rejected"
# What JSON may have and jsonb may not: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# What is nested deeper is kept as a text: neither Python nor PostgreSQL takes any depth.
_DEEPEST = 200
# More digits behind the point PostgreSQL's numeric does not have.
_MOST_PLACES = 16_383
_PLAIN_DIGITS = 1_000
_SHORT = 12

_TABLE = """
CREATE TABLE IF NOT EXISTS {} (
    record_hash text PRIMARY KEY,
    reason text NOT NULL,
    record jsonb NOT NULL,
    first_rejected_at timestamptz NOT NULL DEFAULT now(),
    last_rejected_at timestamptz NOT NULL DEFAULT now(),
    times bigint NOT NULL DEFAULT 1
)
"""
# A record that comes again with each run is still one record.
_INSERT = """
INSERT INTO {table} AS old (record_hash, reason, record) VALUES (%s, %s, %s)
ON CONFLICT (record_hash) DO UPDATE SET
    reason = EXCLUDED.reason, last_rejected_at = now(), times = old.times + 1
"""


class BadRecordError(InputError, MissingKeyPropertiesError):
    """A record that does not fit its table."""


class OversizedRecordError(BadRecordError):
    """A record that is too large for its table; other streams can be loaded."""


def keep(cursor: Cursor[Any], destination: Destination, misfits: Sequence[Misfit]) -> None:
    """Keep records where a person can look at them.

    Args:
        cursor: Within a transaction, that of the records that did fit.
        destination: Their table.
        misfits: The records.
    """
    beside = destination.sibling(SUFFIX)
    beside.lock(cursor)
    cursor.execute(sql.SQL(_TABLE).format(beside.identifier))
    # The statement has parameters, for which a percent sign in a name is to be doubled.
    table = sql.SQL(beside.identifier.as_string(cursor).replace("%", "%%"))
    try:
        with cursor.connection.transaction():
            cursor.executemany(
                sql.SQL(_INSERT).format(table=table),
                [(_hash(one), describe(one), _storable(one.record)) for one in misfits],
            )
    except errors.InsufficientPrivilege:
        # Where a policy's condition is at fault, the server says so.
        check_policies(cursor, beside, ("SELECT", "INSERT", "UPDATE"), "Keeping rejected records")
        raise


def release(cursor: Cursor[Any], destination: Destination, misfits: Sequence[Misfit]) -> None:
    """Take records out that the table has taken after all.

    Args:
        cursor: Within the transaction in which it did.
        destination: Their table.
        misfits: The records.
    """
    statement = sql.SQL("DELETE FROM {} WHERE record_hash = ANY({})").format(
        destination.sibling(SUFFIX).identifier, sql.Literal([_hash(one) for one in misfits])
    )
    cursor.execute(statement)


def describe(misfit: Misfit) -> str:
    """Say what is wrong with a record.

    Args:
        misfit: The record.

    Returns:
        A part of a sentence, without the record's values.
    """
    return f"column {misfit.column!r}: {misfit.reason}" if misfit.column else misfit.reason


def short_hash(misfit: Misfit) -> str:
    """Name a record without any of its values, so that it can be found in quarantine.

    Args:
        misfit: The record.

    Returns:
        The first digits of its hash.
    """
    return _hash(misfit)[:_SHORT]


def _hash(misfit: Misfit) -> str:
    return hashlib.sha256(misfit.record).hexdigest()


def _storable(record: bytes) -> str:
    """A record as jsonb takes it, with the digits of its numbers."""
    text = record.decode(errors="replace")
    try:
        value = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=str)
        return encode(_scrubbed(value)).decode()
    except (ValueError, RecursionError):
        return encode(_scrubbed(text)).decode()


def _number(digits: str) -> Raw | str:
    """A number as it was written; a text where it is more than jsonb's numbers can be."""
    if len(digits) > _PLAIN_DIGITS or "e" in digits.lower():
        try:
            number = Decimal(digits)
        except InvalidOperation:
            return digits
        exponent = number.as_tuple().exponent
        if number.adjusted() >= MOST_DIGITS or -int(exponent) > _MOST_PLACES:
            return digits
    return Raw(digits.encode())


def _scrubbed(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_scrubbed(inner, depth + 1) for inner in value]
    if isinstance(value, dict):
        return {_scrubbed(name): _scrubbed(inner, depth + 1) for name, inner in value.items()}
    return value
