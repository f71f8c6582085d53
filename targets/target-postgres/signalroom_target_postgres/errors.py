"""Errors that end in one sentence for the user, not in a traceback."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.settings.variables import label_settings_in_backticks

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The disk is full, the user's quota is used up, or a file has reached the largest size.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class TargetPostgresError(click.ClickException):
    """Something that the user can fix; the message says how.

    It is one of click's exceptions, so that all commands print the message and exit with a code
    that says what kind of failure it is.

    Args:
        message: What is wrong, and what to do.
        exit_code: The exit code of the command, if it is not that of the class.
    """

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code  # type: ignore[misc] # click declares it for the class alone


class ConnectionSettingsError(TargetPostgresError):
    """The settings do not say which server to connect to.

    Args:
        message: What is wrong, and what to do, with settings in backticks.
    """

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, message: str) -> None:
        super().__init__(label_settings_in_backticks(message))


class ConnectionFailedError(TargetPostgresError):
    """The server cannot be reached, or rejects the login.

    Args:
        message: What is wrong, and what to do.
        is_transient: Whether it may be over in a moment, as while a server starts.
        is_rejected_login: Whether the server answers, and rejects these credentials.
    """

    def __init__(
        self, message: str, *, is_transient: bool = False, is_rejected_login: bool = False
    ) -> None:
        code = ExitCode.PERMISSION if is_rejected_login else ExitCode.UNAVAILABLE
        super().__init__(message, exit_code=code)
        self.is_transient = is_transient


class InputError(TargetPostgresError):
    """The tap sent something that cannot be loaded."""

    exit_code = ExitCode.DATA


@dataclass(frozen=True)
class Unconfirmed:
    """Rows of a stream that were not loaded, as nothing said that they are complete.

    Args:
        stream: The stream's name.
        table: The stream's table, which stays as it was.
        rows: How many rows were staged.
        remedy: What loads them although the tap never says that they are complete.
    """

    stream: str
    table: str
    rows: int
    remedy: str = ""

    def __str__(self) -> str:
        rows = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        return f"{self.stream} ({rows} for {self.table})"


class UnconfirmedRowsError(TargetPostgresError):
    """Rows were read and not loaded, as nothing said that their stream is complete.

    Args:
        streams: The streams with their tables, and how many rows of each.
        asked_to_end: Whether the process was asked to end, which is why.
    """

    def __init__(self, streams: Sequence[Unconfirmed], *, asked_to_end: bool = False) -> None:
        #: How many rows, by stream.
        self.rows = {stream.stream: stream.rows for stream in streams}
        names = ", ".join(map(str, streams))
        stay = "the table stays" if len(streams) == 1 else "the tables stay"
        distinct = dict.fromkeys(stream.remedy for stream in streams if stream.remedy)
        remedies = "".join(f", or {remedy}" for remedy in distinct)
        why = (
            "The loader was asked to end before all rows were read. Run it again."
            if asked_to_end
            else "The input ended without an ACTIVATE_VERSION after the records, which says that "
            "all of them came. If the tap failed, its own error says why: run it again. If not, "
            f"run it by `signalroom-run-tap`, which says so for taps that do not{remedies}."
        )
        super().__init__(f"Rows were read and not loaded: {names}; {stay} as before. {why}")


class LoadError(TargetPostgresError):
    """The server refused what was to be loaded."""

    exit_code = ExitCode.DATA


class LimitError(LoadError):
    """A stream exceeds what PostgreSQL can hold; other streams can be loaded."""


class DiskFullError(TargetPostgresError):
    """The disk of this machine is too full to stage a stream until it is complete.

    Args:
        error: The error of the operating system.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"This machine's disk is full ({error.strerror or error}). What was loaded before "
            "stays, and tables that were to be replaced stay as they were. Free some space, or "
            "set TMPDIR to a folder that has more, and run again."
        )

    @staticmethod
    def is_disk_full(error: OSError) -> bool:
        """Whether a full disk is why something could not be written."""
        return error.errno in _FULL
