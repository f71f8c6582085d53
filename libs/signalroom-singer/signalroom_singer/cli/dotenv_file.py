"""The ``.env`` of the working folder, for programs that start without the SDK too."""

from __future__ import annotations

from pathlib import Path

from dotenv import load_dotenv


class DotenvError(ValueError):
    """The file cannot be read; the message says why, and what to do."""


def load_working_folder() -> None:
    """Add the variables of ``.env`` in the working folder to the environment, where they lack.

    Raises:
        DotenvError: If there is such a file, and it cannot be read.
    """
    path = Path.cwd() / ".env"
    try:
        load_dotenv(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file in UTF-8"
        msg = f"Cannot read {path}: {reason}. Fix or remove it, or run in another folder."
        raise DotenvError(msg) from None
