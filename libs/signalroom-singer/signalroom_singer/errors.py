"""Errors whose messages are for users: a sentence, without a traceback."""

from __future__ import annotations

import errno
import logging
import re
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk.exceptions import ConfigValidationError, FatalAPIError, RetriableAPIError

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.privacy.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TapError(Exception):
    """Ends a run; the message says why and what to do.

    Args:
        message: The sentence for the user.
        exit_code: The exit code of the command.
    """

    def __init__(self, message: str, *, exit_code: int = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def exit_code(error: BaseException) -> int:
    """Choose the exit code for an error that ends the command.

    Args:
        error: Any error; its own ``exit_code`` is used if it has one.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return int(code)
    if isinstance(error, ConfigValidationError):
        return ExitCode.CONFIGURATION
    return ExitCode.UNAVAILABLE if isinstance(error, RetriableAPIError) else ExitCode.FAILED


class MalformedResponseError(TapError):
    """A vendor's response does not have the documented shape."""


# A field's name, in the text of a KeyError.
_FIELD = re.compile(r"'[A-Za-z_$][\w$.-]{0,60}'")
#: What Python raises where a response does not have the expected shape.
_MISTAKEN = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)


@contextmanager
def explain_malformed_responses(place: Callable[[], str]) -> Iterator[None]:
    """Turn TypeError, KeyError and the like into an error that names the stream and request.

    Fields that are known to vary are checked where they are read. This is for all others.

    Args:
        place: Returns what is being read: a stream with its latest request, for the message.

    Raises:
        MalformedResponseError: In place of an error that only a programmer understands, which is
            logged with the level DEBUG.
    """
    try:
        yield
    except _MISTAKEN as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        msg = (
            f"{place()}: unexpected response ({_without_values(error)}; "
            f"{Path(where.filename).name}, line {where.lineno}). Records already sent are valid. "
            "Run it again; if it persists, open an issue with this line (LOGLEVEL=DEBUG shows "
            "more)."
        )
        raise MalformedResponseError(msg) from error


def _without_values(error: Exception) -> str:
    """Describe an error without values of records: all of a ValueError's text may be one."""
    kind, text = type(error).__name__, redact(str(error))
    if isinstance(error, (TypeError, AttributeError)) or _FIELD.fullmatch(text):
        return f"{kind}: {text[:150]}"
    return kind


#: Errors that are logged without a traceback.
USER_ERRORS = (TapError, FatalAPIError, RetriableAPIError, ConfigValidationError)


#: No space, no quota left, or a file of the largest size.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error means that the disk is full.

    Args:
        error: The error, if there is one.
    """
    return isinstance(error, OSError) and error.errno in _FULL


def hide_traceback(record: logging.LogRecord) -> bool:
    """Log errors that users can fix without a traceback: a filter for loggers.

    With the level DEBUG the traceback stays.

    Args:
        record: The log record; changed in place.

    Returns:
        True: no record is filtered out.
    """
    error = record.exc_info[1] if record.exc_info else None
    full = is_disk_full(error)
    if full:
        record.msg = (
            "This machine's disk is full (%s). Records already sent are valid. Free some space, "
            "or set TMPDIR to a folder that has more, and run again."
        )
        record.args = (error,)
    debugging = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
    if (full or isinstance(error, USER_ERRORS)) and not debugging:
        record.exc_info = None
    return True
