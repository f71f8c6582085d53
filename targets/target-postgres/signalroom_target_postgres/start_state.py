"""The state before the run: it shows whether a new table should have rows already."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from signalroom_target_postgres.run_tap.tap_streams import is_bookmark
from signalroom_target_postgres.state import bookmarks

if TYPE_CHECKING:
    import logging


class StartState:
    """The state that a run resumes from, which most taps send before anything else.

    If a stream resumes where an earlier run stopped, its table should have the rows up to there. If
    the table is new, they are missing, and no later run reads them.

    Args:
        logger: The logger for warnings about such streams.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._bookmarks: dict[str, Any] | None = None
        self._values: dict[str, Any] = {}
        self._reported: set[str] = set()

    @property
    def is_known(self) -> bool:
        """Whether it is too late for a state to be the one before the run."""
        return self._bookmarks is not None

    def begin(self, text: bytes | None) -> None:
        """Read the state.

        Args:
            text: The JSON of the state before the first SCHEMA; None if there was none.
        """
        self._values = bookmarks(text)
        state = None
        # An invalid state counts as no state: the tap decides what to do about it.
        with suppress(msgspec.MsgspecError, RecursionError):
            state = text and msgspec.json.decode(text)
        entries = state.get("bookmarks") if isinstance(state, dict) else None
        self._bookmarks = entries if isinstance(entries, dict) else {}

    def bookmark(self, stream: str) -> str | None:
        """Return the value of a stream's replication key, if the state has one."""
        value = self._values.get(stream)
        return None if value is None else str(value)

    def warn_new_table(self, stream: str, table: object) -> None:
        """Warn if a stream's table is new, and should not be.

        Args:
            stream: The name that the tap gave the stream.
            table: The name of the new table.
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
