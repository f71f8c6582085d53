"""The error of the embedded server."""

from __future__ import annotations

import click


class EmbeddedPostgresError(click.ClickException):
    """The embedded server cannot be used; the message says why and what to do."""
