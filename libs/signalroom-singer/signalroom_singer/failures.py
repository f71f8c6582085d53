"""Streams that fail, or may not be read: the others are read, then the run fails."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError

from signalroom_singer.conform import RecordError
from signalroom_singer.errors import MalformedResponseError, TapError, exit_code
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.http.errors import RequestRejectedError
from signalroom_singer.settings.variables import setting_label

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping
    from typing import Any

#: If this many fail in a row, the vendor is probably down.
_MOST_IN_A_ROW = 3
_ABOUT_A_RESPONSE = (FatalAPIError, RetriableAPIError, MalformedResponseError, RecordError)


class _Stream(Protocol):
    name: str
    ABORT_AT_RECORD_COUNT: int | None
    is_complete: bool
    has_failed: bool

    @property
    def logger(self) -> logging.Logger: ...

    def fails_alone(self, error: Exception) -> bool: ...


class Failures:
    """Collects the errors of streams that failed while others went on.

    A server error for one endpoint, or a response that one stream cannot read, must not keep the
    streams after it from being read. The run still fails, once all of them were.
    """

    def __init__(self) -> None:
        """Begin a run."""
        self._errors: dict[str, Exception] = {}
        self._in_a_row: Counter[str] = Counter()

    @contextmanager
    def isolate(self, stream: _Stream, part: str = "") -> Iterator[None]:
        """Go on if this block fails for a reason that concerns the stream alone.

        Args:
            stream: The stream that is read. Its table and its bookmark stay as they are.
            part: The name of what is read of it, such as a partition, where it has parts.

        Raises:
            TapError: If three failed in a row, which is no coincidence.
        """
        level, name = (stream.name, part) if part else ("", stream.name)
        try:
            yield
        except _ABOUT_A_RESPONSE as error:
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

    def raise_if_any(self, also: TapError | None = None) -> None:
        """Fail the run if a stream has failed.

        Args:
            also: Another error of the run, to report together with them.

        Raises:
            Exception: The error of the one stream that failed, if that is all.
            TapError: All errors in one.
        """
        errors, self._errors = self._errors, {}
        if not errors:
            if also:
                raise also
            return
        if len(errors) == 1 and not also:
            raise next(iter(errors.values()))
        parts = [f"{', '.join(errors)} failed, all other streams were read"]
        parts += [str(error).removesuffix(".") for error in errors.values()]
        parts += [str(also).removesuffix(".")] if also else []
        msg = f"{'. '.join(parts)}."
        codes = {exit_code(error) for error in (*errors.values(), *([also] if also else []))}
        raise TapError(msg, exit_code=codes.pop() if len(codes) == 1 else ExitCode.FAILED)


class PermissionErrors:
    """Collects what the credentials may not read (HTTP 403), and fails the run at its end.

    Args:
        config: The settings of the tap.
        setting: The name of the setting that says whether the run fails: ``error`` or ``skip``.
        advice: What the user can do, as the end of a sentence that begins with "To fix it,".
    """

    def __init__(self, config: Mapping[str, Any], *, setting: str, advice: str) -> None:
        self._fails = config[setting] == "error"
        self._setting = setting
        self._advice = advice
        self._forbidden: set[str] = set()

    @contextmanager
    def skip_forbidden(self, stream: _Stream, name: str) -> Iterator[None]:
        """Go on if the vendor responds with 403 within this block.

        Args:
            stream: The stream that is read; its table keeps the rows that it has.
            name: The name of what is read, for messages.
        """
        try:
            yield
        except RequestRejectedError as error:
            # A connection test shows what is missing.
            if error.status != HTTPStatus.FORBIDDEN or stream.ABORT_AT_RECORD_COUNT:
                raise
            stream.is_complete = False
            self._forbidden.add(name)
            stream.logger.warning("%s", error)

    def raise_if_any(self) -> None:
        """Fail the run if something was skipped and the settings do not accept that.

        Raises:
            TapError: With everything that was skipped.
        """
        if self._forbidden and self._fails:
            msg = (
                f"The key may not read {', '.join(sorted(self._forbidden))}: rows loaded before "
                f"stay, and everything else was read. To fix it, {self._advice}; or deselect the "
                f"streams, or set {setting_label(self._setting)} to skip."
            )
            raise TapError(msg, exit_code=ExitCode.PERMISSION)
