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
    """The server cannot be reached, or does not let us in."""
