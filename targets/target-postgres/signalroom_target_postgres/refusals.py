"""What to do where the server refuses a statement."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors

_ADVICE: tuple[tuple[Any, str], ...] = (
    (
        errors.InsufficientPrivilege,
        (
            "The user lacks a right: let its owner GRANT CREATE, USAGE ON SCHEMA (and CREATE ON "
            "DATABASE for a new schema), or make the user the owner of the tables it loads."
        ),
    ),
    (
        errors.DiskFull,
        (
            "The server's disk is full: nothing of this batch was loaded. Make room and run "
            "again; the run goes on where the last state was saved."
        ),
    ),
    (errors.OutOfMemory, "The server has too little memory; lower `batch_size_bytes`."),
    (
        errors.ReadOnlySqlTransaction,
        "This server only reads (a replica?): connect to the primary.",
    ),
    (
        errors.QueryCanceled,
        (
            "A time limit of the server or of the user stopped it: raise statement_timeout for "
            "the loader's user, or lower `batch_size_bytes`."
        ),
    ),
    (errors.LockNotAvailable, "Something else holds the table; run again when it has ended."),
    (
        errors.UniqueViolation,
        (
            "A unique index of the table has these values already. Where rows are to be updated, "
            "not appended, set `load_method` to upsert; else drop that index."
        ),
    ),
    (
        errors.NotNullViolation,
        (
            "The table wants a value that the stream does not have: ALTER TABLE ... ALTER COLUMN "
            "... DROP NOT NULL (for tables made by dlt: signalroom-postgres take-over)."
        ),
    ),
    (errors.IntegrityError, "A constraint of the table forbids it: change the constraint."),
)


def is_unclear(error: psycopg.Error) -> bool:
    """Whether an error is not the server's: it has no code, and is no mistake in what was sent.

    Args:
        error: The driver's error.
    """
    kind = type(error)
    return error.sqlstate is None and (
        kind is psycopg.DatabaseError or issubclass(kind, psycopg.OperationalError)
    )


def explain_refusal(error: psycopg.Error) -> str:
    """Say in a sentence why the server refused a statement, and what to do.

    Args:
        error: The driver's error.

    Returns:
        The sentence; without the values of rows, which are in the error's details.
    """
    reason = error.diag.message_primary or " ".join(str(error).split())
    where = f" (table {error.diag.table_name})" if error.diag.table_name else ""
    for kinds, advice in _ADVICE:
        if isinstance(error, kinds):
            return f"PostgreSQL refused to load{where}: {reason}. {advice}"
    return f"PostgreSQL refused to load{where}: {reason} (SQLSTATE {error.sqlstate})."
