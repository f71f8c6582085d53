"""The server's errors about a row, without the row's values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg import errors

from signalroom_target_postgres.connection import server_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# SQLSTATEs whose class says that a row's content is at fault: data exceptions, constraints, check
# options of views, and what goes wrong within a trigger's own code.
# https://www.postgresql.org/docs/18/errcodes-appendix.html
_OF_A_ROW = ("09", "21", "22", "23", "27", "2F", "38", "39", "44", "P0")
# Classes of errors in a function's own code, which some rows may not reach.
_OF_FUNCTIONS = ("2F", "38", "39")
# Rows and index entries that are too large; the other limits are of statements.
_TOO_LARGE = "54000"
# Also of a text that is read as a tsquery or a jsonpath; these two functions parse statements.
# https://github.com/postgres/postgres/blob/REL_18_0/src/backend/utils/adt/tsquery.c
_SYNTAX = "42601"
_OF_STATEMENTS = {"scanner_yyerror", "plpgsql_yyerror"}
# Policies of row-level security, whose code is that of missing rights.
# https://github.com/postgres/postgres/blob/REL_18_0/src/backend/executor/execMain.c
_CHECK_OPTIONS = "ExecWithCheckOptions"
_NO_PARTITION = "ExecFindPartition"
_WRONG_PARTITION = "ExecPartitionCheckEmitError"
# https://github.com/postgres/postgres/blob/REL_18_0/src/backend/access/heap/hio.c
_FIND_PAGE = "RelationGetBufferForTuple"
# https://github.com/postgres/postgres/blob/REL_18_0/src/backend/access/common/indextuple.c
_INDEX_ROW = {"_bt_check_third_page", "index_form_tuple", "index_form_tuple_context"}

# Matches lines of an error's context in any language.
_COLUMN = re.compile(r"^COPY [^\n]*?, [^\s,]+ \d+, [^\s,]+ (?P<column>[^\n]*?)(:|$)", re.MULTILINE)
# For a constraint of a foreign table, the error has no name of it.
_UNNAMED = "(unnamed)"


def rejects_row(error: errors.Error) -> bool:
    """Whether the server rejects a row for its values, and would take others.

    Args:
        error: The driver's error.

    Returns:
        False for what any row would cause: a lost connection, a full disk, missing rights, time
        limits, locks, and errors in the table's definition.
    """
    state = error.sqlstate
    if state is None:
        return False
    return (
        state[:2] in _OF_A_ROW
        or state == _TOO_LARGE
        or (state == _SYNTAX and error.diag.source_function not in _OF_STATEMENTS)
        or error.diag.source_function == _CHECK_OPTIONS
        or server_messages.is_raised(error)
    )


def is_oversized(error: errors.Error) -> bool:
    """Whether a row takes more bytes than a row or an index of PostgreSQL can have."""
    return error.sqlstate == _TOO_LARGE


def is_faulty_function(error: errors.Error) -> bool:
    """Whether a function of the database failed by its own code, as one without RETURN."""
    return (error.sqlstate or "")[:2] in _OF_FUNCTIONS and not server_messages.is_raised(error)


def is_rejected_by_policy(error: errors.Error) -> bool:
    """Whether row-level security rejected a row."""
    return error.diag.source_function == _CHECK_OPTIONS and isinstance(
        error, errors.InsufficientPrivilege
    )


def reason_of(error: errors.Error) -> tuple[str, str | None]:
    """Describe why the server rejected a row.

    Args:
        error: The driver's error, for which `rejects_row` is true.

    Returns:
        A part of a sentence, without the row's values; and the column with the wrong value, if the
        server names one.
    """
    if server_messages.is_raised(error):
        # Its text names the column, and may contain a value.
        return f"it is rejected by {server_messages.describe_exception(error)}", None
    diag = error.diag
    match = _COLUMN.search(diag.context or "")
    column = diag.column_name or (match["column"] if match else None)
    where = f" (in {function})" if (function := server_messages.function_of(error)) else ""
    for applies, reason in _REASONS.items():
        if applies(error):
            known = {"name": diag.constraint_name or _UNNAMED, "domain": diag.datatype_name}
            return f"{reason.format(**known)}{where}", column
    return f"PostgreSQL rejected it: {server_messages.redact_message(error)}{where}", column


def _is(kind: type[errors.Error]) -> Callable[[errors.Error], bool]:
    return lambda error: isinstance(error, kind)


def _from(function: str) -> Callable[[errors.Error], bool]:
    return lambda error: error.diag.source_function == function


def _exceeds_index(error: errors.Error) -> bool:
    return error.diag.source_function in _INDEX_ROW


def _violates_domain(error: errors.Error) -> bool:
    return isinstance(error, errors.CheckViolation) and bool(error.diag.datatype_name)


def _has_nul(error: errors.Error) -> bool:
    message = error.diag.message_primary or ""
    if isinstance(error, errors.CharacterNotInRepertoire):
        return message.endswith(": 0x00")
    # The same in jsonb.
    is_of_json = r"\u0000" in (error.diag.message_detail or "")
    return is_of_json and isinstance(error, errors.UntranslatableCharacter)


# The first match applies.
_REASONS: Mapping[Callable[[errors.Error], bool], str] = {
    _is(errors.WithCheckOptionViolation): "the view's check option forbids it",
    _from(_CHECK_OPTIONS): "the table's row-level security policies forbid it",
    _from(_NO_PARTITION): "the table has no partition for it",
    _from(_WRONG_PARTITION): "it does not belong in this partition",
    _from(_FIND_PAGE): (
        "it takes more than the 8,160 bytes that PostgreSQL has for a row (without long texts, "
        "which are stored apart): select fewer fields, or put some into one object"
    ),
    _exceeds_index: "a value is longer than an index of the table takes (about 2,700 bytes)",
    _is(errors.NotNullViolation): "it is null, which the table does not allow",
    _violates_domain: "the domain {domain}'s constraint {name} forbids it",
    _is(errors.CheckViolation): "the table's constraint {name} forbids it",
    _is(errors.ForeignKeyViolation): (
        "the row that it refers to does not exist (foreign key {name})"
    ),
    _is(errors.UniqueViolation): "another row has the same values (unique index {name})",
    _is(errors.ExclusionViolation): "it conflicts with another row (exclusion constraint {name})",
    _has_nul: (
        "it has the character NUL, which PostgreSQL cannot store (the setting "
        "sanitize_null_text_characters replaces it)"
    ),
    _is(errors.UntranslatableCharacter): (
        "it has a character that the database's encoding does not have"
    ),
}
