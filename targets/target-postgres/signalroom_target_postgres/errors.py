"""Errors that end in one sentence for the user, not in a traceback."""

from __future__ import annotations

import errno

import click

#: No space, none of the user's share, or a file as large as files may be.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TargetPostgresError(click.ClickException):
    """Something the user can put right; the message says how.

    It is one of click's exceptions, so that both executables print the message and exit
    with code 1.
    """


class EmbeddedPostgresError(TargetPostgresError):
    """The embedded server cannot be used."""


class ConnectionSettingsError(TargetPostgresError):
    """The settings do not say to which server to connect."""


class ConnectionFailedError(TargetPostgresError):
    """The server cannot be reached, or does not let us in.

    Args:
        message: What is wrong, and what to do.
        passing: Whether it may be over in a moment, as while a server starts.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class InputError(TargetPostgresError):
    """The tap sent something that cannot be loaded."""


class LoadError(TargetPostgresError):
    """The server refused what was to be loaded."""


class DiskFullError(TargetPostgresError):
    """This machine's disk has no space for what is kept until a stream is complete.

    Args:
        error: What the system said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"This machine's disk is full ({error.strerror or error}). What was loaded before "
            "stays, and tables that were to be replaced stay as they were. Free some space, or "
            "set TMPDIR to a folder that has more, and run again."
        )

    @staticmethod
    def tells_of(error: OSError) -> bool:
        """Whether this is why something could not be written.

        Args:
            error: What the system said.
        """
        return error.errno in _FULL
