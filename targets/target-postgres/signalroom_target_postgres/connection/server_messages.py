"""The server's error messages, without the values that they quote.

Messages quote names and values alike, mostly in quotes: a text that is cast to `regclass` comes
back as the name of a relation. So only names are repeated that are known, and nothing of what
happens within a function of the database, whose statements may contain values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Collection

# RAISE in PL/pgSQL.
# https://github.com/postgres/postgres/blob/REL_18_0/src/pl/plpgsql/src/pl_exec.c
_RAISE = "exec_stmt_raise"
# Matches lines of an error's context in any language.
_FUNCTION = re.compile(r"(?P<function>[\w.$\"]+\([^)]*\))(\D+(?P<line>\d+))?")
_STATEMENT = re.compile(r"^PL/pgSQL(?!.*(EXECUTE|RETURN QUERY|OPEN))")
_WITHIN = re.compile(r"\bPL/|\bSQL\b")
_MARKS = '"„“”«»'
_QUOTED = re.compile(f"[{_MARKS}](?P<text>[^{_MARKS}]*)[{_MARKS}]")
_HIDDEN = "***"
# Classes whose messages have values behind a colon: of data, and of names in statements.
_WITH_COLON = ("22", "42")
# Messages that name functions and operators without quotes.
_UNQUOTED = errors.UndefinedFunction
# `permission denied for table orders`.
_RIGHT = re.compile(
    r"(?P<what>(permission denied for|must be owner of)( foreign)? \w+) (?P<name>.+)"
)


def redact_message(error: errors.Error, names: Collection[str] = ()) -> str:
    """Return the server's message without values, as a part of a sentence.

    Args:
        error: The driver's error.
        names: Names that may be repeated: of the table, its columns, its schema.

    Returns:
        The message, or what its SQLSTATE stands for.
    """
    diag = error.diag
    message = diag.message_primary
    if message is None:
        # An error of the driver itself.
        return " ".join(str(error).split())
    if _is_written_wrongly(error):
        return message
    if is_within_function(error) or isinstance(error, _UNQUOTED):
        return condition(error)
    known = {
        *names,
        diag.schema_name,
        diag.table_name,
        diag.column_name,
        diag.constraint_name,
        diag.datatype_name,
    }
    if isinstance(error, errors.InsufficientPrivilege) and (match := _RIGHT.fullmatch(message)):
        return message if match["name"] in known else match["what"]
    text = _hide_quoted(message, known)
    if (error.sqlstate or "")[:2] in _WITH_COLON:
        text = text.partition(": ")[0]
    return text


def _is_written_wrongly(error: errors.Error) -> bool:
    """Whether a statement of the loader, or of a function, refers to what does not exist.

    Only then the server has a position for it. What EXECUTE runs may contain values.
    """
    diag = error.diag
    if not (error.sqlstate or "").startswith("42"):
        return False
    first = next(iter((diag.context or "").splitlines()), "")
    is_own = diag.statement_position is not None and not first
    return is_own or (diag.internal_position is not None and _STATEMENT.search(first) is not None)


def _hide_quoted(message: str, known: Collection[str | None]) -> str:
    quoted = [*_QUOTED.finditer(message)]
    is_even = sum(map(message.count, _MARKS)) == 2 * len(quoted)
    unknown = [match for match in quoted if match["text"] not in known]
    if is_even and not unknown:
        return message
    # A quoted value may itself contain quotes.
    start = (unknown if is_even else quoted or unknown)[0].start() if quoted else 0
    stop = max(message.rfind(mark) for mark in _MARKS) + 1
    return f"{message[:start]}{_HIDDEN}{message[stop:]}"


def condition(error: errors.Error) -> str:
    """Return what an error's SQLSTATE stands for, as `undefined table`.

    https://www.postgresql.org/docs/18/errcodes-appendix.html
    """
    state = error.sqlstate or ""
    if isinstance(error, errors.InsufficientPrivilege):
        return "permission denied"
    try:
        name = errors.lookup(state).__name__
    except KeyError:
        return f"an error with SQLSTATE {state}"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).strip("_").lower()


def is_raised(error: errors.Error) -> bool:
    """Whether a function of the database raised an error: its text may quote anything."""
    return error.diag.source_function == _RAISE


def describe_exception(error: errors.Error) -> str:
    """Say where an exception was raised, in place of its text, as a part of a sentence.

    Args:
        error: The driver's error, for which `is_raised` is true.
    """
    where = function_of(error) or "a function"
    return f"an exception raised by {where} (SQLSTATE {error.sqlstate})"


def is_within_function(error: errors.Error) -> bool:
    """Whether an error happened within a function of the database, or on a remote server."""
    context = error.diag.context or ""
    # For COPY and JSON the context has the line, with its values.
    is_within = _WITHIN.search(context) is not None and not context.startswith("COPY ")
    return is_raised(error) or error.diag.internal_query is not None or is_within


def function_of(error: errors.Error) -> str | None:
    """Return the PL/pgSQL function in which an error happened, with the line.

    Args:
        error: The driver's error.

    Returns:
        A part of a sentence; None if it did not happen in such a function.
    """
    lines = (error.diag.context or "").splitlines()
    matches = (_FUNCTION.search(line) for line in lines if line.startswith("PL/pgSQL"))
    match = next(filter(None, matches), None)
    if match is None:
        return None
    return f"function {match['function']}" + (f", line {match['line']}" if match["line"] else "")
