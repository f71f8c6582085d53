"""Comments on tables and columns, from the descriptions in a stream's schema.

A comment that somebody else wrote is never changed. To know its own, the loader keeps a digest of
each in the comment on the table's row type, where nobody looks. A restored dump does not have it;
comments that still equal the descriptions then count as the loader's.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from psycopg import Cursor, errors, sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalroom_target_postgres.warehouse.table import Table

logger = logging.getLogger(__name__)

#: Stands for the table in place of a column's name.
TABLE = ""
_DIGEST_DIGITS = 12
# COMMENT waits for VACUUM and CREATE INDEX CONCURRENTLY, which may take hours.
_LOCK_TIMEOUT = "1s"

_PRESENT = """
SELECT relkind IN ('r', 'p') AND pg_has_role(relowner, 'USAGE'), current_setting('lock_timeout'),
    obj_description(reltype, 'pg_type'),
    (
        SELECT jsonb_object_agg(coalesce(attname, ''), description)
        FROM pg_description LEFT JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
        WHERE classoid = 'pg_class'::regclass AND objoid = pg_class.oid
    )
FROM pg_class WHERE oid = to_regclass(%s)
"""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """What the loader remembers of a table, as a JSON comment on its row type."""

    #: The digest of the comment that was written last, by column.
    signalroom_comments: dict[str, str]


def write_comments(
    cursor: Cursor[Any], table: Table, descriptions: Mapping[str, str | None]
) -> None:
    """Comment on a table and its columns, where nobody else has.

    Args:
        cursor: A cursor within a transaction.
        table: The table that is commented on.
        descriptions: Texts by column, `TABLE` for the table's; None for a column without one.
    """
    row = cursor.execute(_PRESENT, (table.identifier.as_string(cursor),)).fetchone()
    is_owner, lock_timeout, remembered, present = row or (False, "", None, None)
    if not is_owner:
        return
    written: dict[str, str] = {}
    if remembered:
        try:
            written = msgspec.json.decode(remembered, type=_Written).signalroom_comments
        except (msgspec.DecodeError, RecursionError):
            # A comment that somebody else wrote.
            return
    changes, digests = _changes(descriptions, present or {}, written)
    if not changes and digests == written:
        return
    statements = [
        sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT),
        *(_comment(table, column, text) for column, text in changes.items()),
        sql.SQL("COMMENT ON TYPE {} IS {}").format(
            table.identifier, msgspec.json.encode(_Written(digests)).decode()
        ),
        sql.SQL("SET LOCAL lock_timeout = {}").format(lock_timeout),
    ]
    try:
        with cursor.connection.transaction():
            cursor.execute(sql.SQL("; ").join(statements), prepare=False)
    except (errors.LockNotAvailable, errors.DataError, errors.InsufficientPrivilege) as error:
        # The rows are loaded even if the comments cannot be written.
        logger.info("No comments were written on %s: %s", table, error.diag.message_primary)


def _changes(
    descriptions: Mapping[str, str | None], present: Mapping[str, str], written: Mapping[str, str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the comments to write, and the digests to remember."""
    changes: dict[str, str | None] = {}
    digests = dict(written)
    for column, description in descriptions.items():
        text = description.replace("\0", "\ufffd") if description else None
        current, before = present.get(column), written.get(column)
        is_ours = current is not None and _digest(current) == before
        if text is None:
            if is_ours:
                changes[column] = None
            digests.pop(column, None)
        elif current == text:
            digests[column] = _digest(text)
        elif is_ours or (current is None and before != _digest(text)):
            # But not if somebody removed this comment.
            changes[column] = text
            digests[column] = _digest(text)
    return changes, digests


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_DIGITS]


def _comment(table: Table, column: str, text: str | None) -> sql.Composed:
    if column == TABLE:
        return sql.SQL("COMMENT ON TABLE {} IS {}").format(table.identifier, text)
    identifier = sql.Identifier(*filter(None, (table.schema, table.name)), column)
    return sql.SQL("COMMENT ON COLUMN {} IS {}").format(identifier, text)
