"""Streams that fail for a reason of their own: the others are read, then the run fails."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from signalroom_singer.errors import TapError, UnexpectedAnswerError, exit_code
from signalroom_singer.exitcodes import ExitCode
from signalroom_singer.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signalroom_singer.http import HTTPStream

#: So many in a row are a sign that it is not the streams: the vendor is down.
_MOST_IN_A_ROW = 3
_OF_AN_ANSWER = (FatalAPIError, RetriableAPIError, UnexpectedAnswerError, RecordError)


class Failures:
    """What failed in a run, while other streams went on.

    A server error for one endpoint, or an answer that one stream cannot read, must not keep the
    streams after it from their turn. A run still fails, once all of them had theirs.
    """

    def __init__(self) -> None:
        """Begin a run."""
        self._errors: dict[str, Exception] = {}
        self._in_a_row: Counter[str] = Counter()

    @contextmanager
    def isolated(self, stream: HTTPStream, part: str = "") -> Iterator[None]:
        """Go on after what is done within has failed by itself.

        Args:
            stream: Whose records are read. Its table and its bookmark stay as they are.
            part: What of it is read, where it has parts, such as a partition.

        Raises:
            TapError: If as many failed, one after another, as no coincidence explains.
        """
        level, name = (stream.name, part) if part else ("", stream.name)
        try:
            yield
        except _OF_AN_ANSWER as error:
            # A connection test ends at the first failure, and says which it is.
            if stream.ABORT_AT_RECORD_COUNT or not stream.fails_alone(error):
                raise
            stream.is_complete = False
            stream.has_failed = True
            self._in_a_row[level] += 1
            if self._in_a_row[level] >= _MOST_IN_A_ROW:
                raise
            self._errors[name] = error
            stream.logger.error("%s; going on without %s", error, name)
        else:
            self._in_a_row[level] = 0

    def end(self, also: TapError | None = None) -> None:
        """Fail, once the last stream had its turn, if any has failed.

        Args:
            also: What else is wrong with the run.

        Raises:
            Exception: What failed, if that is all.
            TapError: All of it.
        """
        failed, self._errors = self._errors, {}
        if not failed:
            if also:
                raise also
            return
        if len(failed) == 1 and not also:
            raise next(iter(failed.values()))
        parts = [f"{', '.join(failed)} failed, all other streams were read"]
        parts += [str(error).removesuffix(".") for error in failed.values()]
        parts += [str(also).removesuffix(".")] if also else []
        msg = f"{'. '.join(parts)}."
        codes = {exit_code(error) for error in (*failed.values(), *([also] if also else []))}
        raise TapError(msg, exit_code=codes.pop() if len(codes) == 1 else ExitCode.FAILED)
