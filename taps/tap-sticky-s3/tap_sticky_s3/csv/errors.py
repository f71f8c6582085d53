"""Errors about one file, which leave all other files alone."""

from __future__ import annotations

from signalroom_singer import ExitCode, TapError


class NeedMoreError(Exception):
    """The header is longer than the bytes that were read."""


class BadFileError(TapError):
    """A file cannot be read as the settings say.

    Args:
        name: Bucket and key, for the message.
        reason: The problem, and what to do about it.
        line: The line with the problem, counted from 1.
    """

    def __init__(self, name: str, reason: str, *, line: int | None = None) -> None:
        where = f"{name}{f', line {line}' if line else ''}"
        super().__init__(f"{where}: {reason}", exit_code=ExitCode.DATA)
        self.reason = reason
        self.line = line
