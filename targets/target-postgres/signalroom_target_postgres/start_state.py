"""What the state said before the run: whether a table that is new had rows once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_target_postgres.run_tap.tap_streams import is_bookmark
from signalroom_target_postgres.state import bookmarks

if TYPE_CHECKING:
    import logging


class StartState:
    """The state that a run goes on from, which most taps send before anything else.

    A stream that goes on where an earlier run stopped belongs to a table that has what was loaded
    until then. If its table had to be made, those rows are missing, and no later run reads them.

    Args:
        logger: Where streams like that are reported, once each.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._text: bytes | None = None
        self._bookmarks: dict[str, Any] | None = None
        self._reported: set[str] = set()

    @property
    def is_known(self) -> bool:
        """Whether it is too late for a state to be the one before the run."""
        return self._bookmarks is not None

    def begin(self, text: bytes | None) -> None:
        """Note the state.

        Args:
            text: The JSON of the state before the first SCHEMA; none if there was none.
        """
        self._text = text
        state = None
        # Whatever is wrong with it, it is not for us to use.
        with suppress(msgspec.MsgspecError, RecursionError):
            state = text and msgspec.json.decode(text)
        bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
        self._bookmarks = bookmarks if isinstance(bookmarks, dict) else {}

    def bookmark(self, stream: str) -> str | None:
        """Return the value of a stream's replication key, if the state has one.

        Args:
            stream: The name that the tap gave it.
        """
        value = bookmarks(self._text).get(stream)
        return None if value is None else str(value)

    def warn_new_table(self, stream: str, table: object) -> None:
        """Warn if the table of a stream is new, and should not be.

        Args:
            stream: As the tap names it.
            table: The table that was made.
        """
        if stream in self._reported or not is_bookmark((self._bookmarks or {}).get(stream, {})):
            return
        self._reported.add(stream)
        self._logger.warning(
            "Stream %s: the table %s is new, but the state says that earlier runs loaded rows "
            "into it, and they are not read again. If the table was dropped, or another database "
            "or schema is used now, load the stream from the start: `meltano run --full-refresh "
            "TAP target-postgres`",
            *(stream, table),
        )
