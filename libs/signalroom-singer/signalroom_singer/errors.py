"""Errors that are for the user to read, not for a developer to trace."""

from __future__ import annotations

import errno
import logging

from singer_sdk.exceptions import ConfigValidationError, FatalAPIError, RetriableAPIError


class TapError(Exception):
    """A run cannot go on; the message says why and what to do."""


_FOR_USERS = (TapError, FatalAPIError, RetriableAPIError, ConfigValidationError)


#: No space, none of the user's share, or a file as large as files may be.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def without_traceback(record: logging.LogRecord) -> bool:
    """Log what users can mend as a sentence: a logger's filter.

    At the level DEBUG the traceback stays.

    Args:
        record: What is to be logged; changed in place.

    Returns:
        True: nothing is filtered out.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, OSError) and error.errno in _FULL:
        record.msg = (
            "This machine's disk is full (%s). What was sent before counts. Free some space, or "
            "set TMPDIR to a folder that has more, and run again."
        )
        record.args = (error,)
        error = TapError()
    debugging = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
    if isinstance(error, _FOR_USERS) and not debugging:
        record.exc_info = None
    return True
