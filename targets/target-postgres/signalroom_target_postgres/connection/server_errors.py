"""What to do where the server refuses a statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg import DatabaseError, OperationalError, errors

from signalroom_singer.exit_codes import ExitCode
from signalroom_target_postgres.connection import server_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


#: Classes of codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LASTING = ("0A", "22", "23", "2B", "42", "54", "P0")


def is_ambiguous(error: errors.Error) -> bool:
    """Whether an error may be a lost connection: it has no code, and is not a wrong statement."""
    kind = type(error)
    return error.sqlstate is None and (kind is DatabaseError or issubclass(kind, OperationalError))


def exit_code_of(error: errors.Error) -> int:
    """Return the loader's exit code after an error of the server."""
    state = error.sqlstate or ""
    if state.startswith(("28", "42501")):
        return ExitCode.PERMISSION
    # Errors of a statement or a row, not of a server that is full, locked or shutting down.
    return ExitCode.DATA if state.startswith(_LASTING) else ExitCode.FAILED


def describe_server_error(error: errors.Error, names: Collection[str] = ()) -> str:
    """Describe why the server refused a statement, and what to do.

    Args:
        error: The driver's error.
        names: The names of the tables that are loaded, and of their columns.

    Returns:
        A sentence without the values of rows, which are in the error's details.
    """
    diag = error.diag
    if server_messages.is_raised(error):
        exception = server_messages.describe_exception(error)
        return (
            f"PostgreSQL refused to load: {exception}. Change that function, or the trigger that "
            "calls it."
        )
    where = f" (table {diag.table_name})" if diag.table_name else ""
    reason = server_messages.redact_message(error, names)
    if function := server_messages.function_of(error):
        reason += f" (in {function})"
    for applies, advice in _ADVICE.items():
        if applies(error):
            return f"PostgreSQL refused to load{where}: {reason}. {advice}"
    hint = f" {diag.message_hint}" if diag.message_hint else ""
    if '"' in hint or server_messages.is_within_function(error):
        hint = ""
    return f"PostgreSQL refused to load{where}: {reason} (SQLSTATE {error.sqlstate}).{hint}"


def _is(*kinds: type[errors.Error]) -> Callable[[errors.Error], bool]:
    return lambda error: isinstance(error, kinds)


def _says(kind: type[errors.Error], pattern: str) -> Callable[[errors.Error], bool]:
    """Match an error by its English message, or by the server's function."""
    return lambda error: (
        isinstance(error, kind)
        and re.search(pattern, f"{error.diag.source_function} {error.diag.message_primary}")
        is not None
    )


# The first match applies.
_ADVICE: Mapping[Callable[[errors.Error], bool], str] = {
    _says(errors.InsufficientPrivilege, "^ExecWithCheckOptions"): (
        "Let its owner CREATE POLICY for the loader's user, with a condition that the rows "
        "meet, or disable row-level security of that table."
    ),
    _says(errors.UndefinedObject, "^find_option"): (
        "A policy, a trigger or a default of the table reads a setting that the loader's "
        "session does not have: ALTER ROLE ... SET it for the loader's user. A pooler has to "
        "reconnect for it (PgBouncer: RECONNECT)."
    ),
    _says(errors.InsufficientPrivilege, "^InitTempTableNamespace"): (
        "Rows are merged by way of a temporary table: let the database's owner GRANT TEMPORARY "
        "ON DATABASE to the loader's user."
    ),
    _says(errors.InsufficientPrivilege, "must be owner"): (
        "Adding and widening columns, and setting the key, needs ownership: make the loader's "
        "user the owner (ALTER TABLE ... OWNER TO), or a member of the role that owns it."
    ),
    _says(errors.InsufficientPrivilege, "for database"): (
        "The schema does not exist yet: let the database's owner CREATE it with AUTHORIZATION "
        "for the loader's user, or GRANT CREATE ON DATABASE; or set `default_target_schema` to "
        "one that is there."
    ),
    _says(errors.InsufficientPrivilege, "for schema"): (
        "Let its owner GRANT USAGE, CREATE ON SCHEMA to the loader's user."
    ),
    _says(errors.InsufficientPrivilege, "for sequence"): (
        "A column's default uses it: let its owner GRANT USAGE ON SEQUENCE to the loader's user."
    ),
    _says(errors.InsufficientPrivilege, "for (table|view|foreign table)"): (
        "Let its owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE to the loader's user, or "
        "make that user the owner."
    ),
    _is(errors.InsufficientPrivilege): (
        "The loader's user lacks a right: let the owner GRANT it, or make the user the owner "
        "of the tables that it loads."
    ),
    _is(errors.DiskFull): (
        "The server's disk is full: nothing of this batch was loaded. Make room and run "
        "again; the run goes on where the last state was saved."
    ),
    _is(errors.TooManyColumns): (
        "The table has as many columns as PostgreSQL's can have, and finding the records that "
        "it refuses takes one more: select fewer fields of the stream."
    ),
    _is(errors.OutOfMemory): "The server has too little memory; lower `batch_size_bytes`.",
    _is(errors.ReadOnlySqlTransaction): (
        "This server only reads (a replica, or default_transaction_read_only): connect to the "
        "primary, as a user that may write."
    ),
    _says(errors.QueryCanceled, "user request"): "A user canceled the statement; run again.",
    _is(errors.QueryCanceled): (
        "A time limit of the server or of the user stopped it: raise statement_timeout for "
        "the loader's user, or lower `batch_size_bytes`."
    ),
    _is(errors.LockNotAvailable): (
        "Another session holds the table for longer than lock_timeout: run again when it has "
        "ended, or raise lock_timeout for the loader's user."
    ),
    _is(errors.DeadlockDetected, errors.SerializationFailure): (
        "Other sessions change the same rows at the same time; run again when they have ended."
    ),
    _says(errors.ForeignKeyViolation, "update or delete"): (
        "Rows of another table refer to rows that are to be deleted: remove those first, make "
        "that foreign key ON DELETE CASCADE or SET NULL, or set `hard_delete` to false."
    ),
    _says(errors.UniqueViolation, "^_bt_check_unique .*pg_"): (
        "Another session makes the same table or schema; run again."
    ),
    _says(errors.InvalidColumnReference, "^infer_arbiter_indexes"): (
        "The table's primary key is no longer the one that it had when the run began. Run "
        "again; what was loaded before stays."
    ),
    _is(errors.GeneratedAlways, errors.InvalidColumnReference): (
        "The table computes that column: leave the column out by a stream map (`__NULL__`), or "
        "change the table: ALTER COLUMN ... DROP EXPRESSION, or SET GENERATED BY DEFAULT."
    ),
    _says(errors.InvalidTableDefinition, "^index_check_primary_key"): (
        "Rows cannot be merged by a primary key that is deferrable: make it one that is not "
        "(ALTER TABLE ... DROP CONSTRAINT ..., ADD PRIMARY KEY ...)."
    ),
    _says(errors.FeatureNotSupported, "^DefineIndex"): (
        "The table is partitioned: its primary key needs the columns that it is partitioned "
        "by. Add them to the stream's keys (`__key_properties__` of a stream map), or set "
        "`load_method` to append-only."
    ),
    _says(errors.FeatureNotSupported, "ON CONFLICT.* rules"): (
        "Drop the table's rules (a trigger can do the same), or set `load_method` to append-only."
    ),
    _says(errors.FeatureNotSupported, "foreign tables"): (
        "The table is a foreign one, which has no keys: set `load_method` to append-only, or "
        "load into the server that it comes from."
    ),
    _is(errors.WrongObjectType): (
        "It is not a plain table: load into another table or schema "
        "(`default_target_schema`), and let views read from there."
    ),
    _says(errors.ObjectNotInPrerequisiteState, "^CheckCmdReplicaIdentity"): (
        "The table is in a publication and has no replica identity: ALTER TABLE ... REPLICA "
        "IDENTITY FULL, or give the stream a key."
    ),
    _is(errors.IntegrityError): "A constraint of the table forbids it: change the constraint.",
}
