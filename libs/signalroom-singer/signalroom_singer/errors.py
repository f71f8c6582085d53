"""Errors that are for the user to read, not for a developer to trace."""

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
    """A run cannot go on; the message says why and what to do.

    Args:
        message: For the user.
        exit_code: What the command ends with.
    """

    def __init__(self, message: str, *, exit_code: int = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def exit_code(error: BaseException) -> int:
    """Choose the exit code for an error that ends the command.

    Args:
        error: With an ``exit_code`` of its own, or another.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return int(code)
    if isinstance(error, ConfigValidationError):
        return ExitCode.CONFIGURATION
    return ExitCode.UNAVAILABLE if isinstance(error, RetriableAPIError) else ExitCode.FAILED


class MalformedResponseError(TapError):
    """A vendor's answer is not of the shape that it is documented to have."""


# As a KeyError has it.
_FIELD = re.compile(r"'[A-Za-z_$][\w$.-]{0,60}'")
#: What comes of taking one thing for another.
_MISTAKEN = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)


@contextmanager
def explain_malformed_responses(place: Callable[[], str]) -> Iterator[None]:
    """Say whose answer it was, where one is not of the shape that the code relies on.

    What is known to vary is looked at where it is read. This is for all that never did.

    Args:
        place: Gives what is read: a stream and what it asked last, or what a tap has to know
            before.

    Raises:
        MalformedResponseError: In place of an error that only a programmer understands; that one
            is shown at the level DEBUG.
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
    """What an error says, but for what may be a value: of a ValueError, all of it may be one."""
    kind, text = type(error).__name__, redact(str(error))
    if isinstance(error, (TypeError, AttributeError)) or _FIELD.fullmatch(text):
        return f"{kind}: {text[:150]}"
    return kind


#: What its text is enough of.
USER_ERRORS = (TapError, FatalAPIError, RetriableAPIError, ConfigValidationError)


#: No space, none of the user's share, or a file as large as files may be.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error is that there is no space to write to.

    Args:
        error: The error, if there is one.
    """
    return isinstance(error, OSError) and error.errno in _FULL


def hide_traceback(record: logging.LogRecord) -> bool:
    """Log what users can mend as a sentence: a logger's filter.

    At the level DEBUG the traceback stays.

    Args:
        record: What is to be logged; changed in place.

    Returns:
        True: nothing is filtered out.
    """
    error = record.exc_info[1] if record.exc_info else None
    full = is_disk_full(error)
    if full:
        record.msg = (
            "This machine's disk is full (%s). What was sent before counts. Free some space, or "
            "set TMPDIR to a folder that has more, and run again."
        )
        record.args = (error,)
    debugging = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
    if (full or isinstance(error, USER_ERRORS)) and not debugging:
        record.exc_info = None
    return True
