"""Errors that end in one sentence for the user, not in a traceback."""

from __future__ import annotations

import click


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
