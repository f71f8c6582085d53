"""Streams that the vendor does not let a key read: the others go on."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from signalroom_singer.errors import TapError
from signalroom_singer.exitcodes import ExitCode
from signalroom_singer.http import RefusedError
from signalroom_singer.variables import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signalroom_singer.http import HTTPStream
    from signalroom_singer.tap import SignalRoomTap


class Refusals:
    """What was refused in a run (403), and what that means at its end.

    Args:
        tap: Whose run.
        setting: The setting that says whether the run fails: ``error``, or ``skip``.
        advice: What the user can do, as the end of a sentence that begins with "To fix it,".
    """

    def __init__(self, tap: SignalRoomTap, *, setting: str, advice: str) -> None:
        self._tap = tap
        self._setting = setting
        self._advice = advice
        self._refused: set[str] = set()

    @contextmanager
    def noted(self, stream: HTTPStream, what: str) -> Iterator[None]:
        """Go on after what is done within was refused.

        Args:
            stream: Whose records are read; its table keeps what it has.
            what: What is read, for messages.
        """
        try:
            yield
        except RefusedError as error:
            # A dry run is there to tell what is missing.
            if error.status != HTTPStatus.FORBIDDEN or stream.ABORT_AT_RECORD_COUNT:
                raise
            stream.is_complete = False
            self._refused.add(what)
            self._tap.logger.warning("%s", error)

    def end(self, stream: str) -> None:
        """Fail, once the last stream was read, if any was refused.

        Args:
            stream: The one that has ended.

        Raises:
            TapError: If the settings do not take that.
        """
        is_last = stream == [*self._tap.streams][-1]
        if is_last and self._refused and self._tap.config[self._setting] == "error":
            msg = (
                f"The key may not read {', '.join(sorted(self._refused))}: rows loaded before "
                f"stay, everything else was read. To fix it, {self._advice}; or deselect the "
                f"streams, or set {named(self._setting)} to skip."
            )
            raise TapError(msg, exit_code=ExitCode.PERMISSION)
