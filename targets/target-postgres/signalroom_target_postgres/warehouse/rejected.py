"""The table of rejected records: `<table>__rejected`, with the reason of each."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from msgspec import Raw
from psycopg import Cursor, errors, sql
from singer_sdk.exceptions import MissingKeyPropertiesError

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.values.array_literals import MAX_DIGITS
from signalroom_target_postgres.values.arrow_json import encode
from signalroom_target_postgres.warehouse.policies import check_policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.messages.rejects import RejectedRecord
    from signalroom_target_postgres.warehouse.table import Table

SUFFIX = "__rejected"
# Characters that JSON may have and jsonb may not: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Deeper nesting is kept as text: Python and PostgreSQL both limit the depth.
_DEEPEST = 200
# The most digits after the decimal point that PostgreSQL's numeric has.
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
# A record that each run sends again is still one record.
_INSERT = """
INSERT INTO {table} AS old (record_hash, reason, record) VALUES (%s, %s, %s)
ON CONFLICT (record_hash) DO UPDATE SET
    reason = EXCLUDED.reason, last_rejected_at = now(), times = old.times + 1
"""


class BadRecordError(InputError, MissingKeyPropertiesError):
    """A record that does not fit its table."""


class OversizedRecordError(BadRecordError):
    """A record that is too large for its table; other streams can be loaded."""


def bad_record_error(
    stream: str, table: Table, rejected_table: Table, rejects: Sequence[RejectedRecord]
) -> BadRecordError:
    """Make the error that a run ends with if records do not fit and are not quarantined.

    Args:
        stream: The stream's name.
        table: The stream's table.
        rejected_table: The table that the records would go into.
        rejects: Records that do not fit; at least one.
    """
    first, others = rejects[0], len(rejects) - 1
    problem = f"A record of stream {stream} does not fit its table {table}"
    if first.unmapped:
        problem = f"The stream map of {stream} cannot be applied to a record"
    advice = first.advice or "Correct it at its source or in the tap"
    kind = OversizedRecordError if all(reject.oversized for reject in rejects) else BadRecordError
    return kind(
        f"{problem}: {first.describe()}{f'; and {others} more' if others else ''}. {advice}; or "
        f"set `on_bad_record` to quarantine: such records then go to {rejected_table} (this one "
        f"with a record_hash that begins with {short_hash(first)}), and the run goes on."
    )


def insert_rejected(cursor: Cursor[Any], table: Table, rejects: Sequence[RejectedRecord]) -> None:
    """Write rejected records into their table, which is created if it does not exist.

    Args:
        cursor: A cursor within the transaction of the records that did fit.
        table: The table of rejected records.
        rejects: Records that do not fit.
    """
    table.lock(cursor)
    cursor.execute(sql.SQL(_TABLE).format(table.identifier))
    # In a statement with parameters, a percent sign in a name has to be doubled.
    identifier = sql.SQL(table.identifier.as_string(cursor).replace("%", "%%"))
    rows = [(_hash(reject), reject.describe(), _storable(reject.record)) for reject in rejects]
    try:
        with cursor.connection.transaction():
            cursor.executemany(sql.SQL(_INSERT).format(table=identifier), rows)
    except errors.InsufficientPrivilege:
        # If a policy's condition is the reason, the server's own error says so.
        commands = ("SELECT", "INSERT", "UPDATE")
        check_policies(cursor, table, commands, "Keeping rejected records")
        raise


def delete_rejected(cursor: Cursor[Any], table: Table, rejects: Sequence[RejectedRecord]) -> None:
    """Delete rejected records that were loaded after all.

    Args:
        cursor: A cursor within the transaction that loads them.
        table: The table of rejected records.
        rejects: Records that are not rejected any more.
    """
    hashes = sql.Literal([_hash(reject) for reject in rejects])
    statement = sql.SQL("DELETE FROM {} WHERE record_hash = ANY({})")
    cursor.execute(statement.format(table.identifier, hashes))


def short_hash(reject: RejectedRecord) -> str:
    """Return the first digits of a record's hash, to find it in quarantine by."""
    return _hash(reject)[:_SHORT]


def _hash(reject: RejectedRecord) -> str:
    return hashlib.sha256(reject.record).hexdigest()


def _storable(record: bytes) -> str:
    """A record as jsonb takes it, with the digits of its numbers."""
    text = record.decode(errors="replace")
    try:
        value = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=str)
        return encode(_scrub(value)).decode()
    except (ValueError, RecursionError):
        return encode(_scrub(text)).decode()


def _number(digits: str) -> Raw | str:
    """A number as it was written; a text where it is more than jsonb's numbers can be."""
    if len(digits) > _PLAIN_DIGITS or "e" in digits.lower():
        try:
            number = Decimal(digits)
        except InvalidOperation:
            return digits
        exponent = number.as_tuple().exponent
        if number.adjusted() >= MAX_DIGITS or -int(exponent) > _MOST_PLACES:
            return digits
    return Raw(digits.encode())


def _scrub(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_scrub(inner, depth + 1) for inner in value]
    if isinstance(value, dict):
        return {_scrub(name): _scrub(inner, depth + 1) for name, inner in value.items()}
    return value
