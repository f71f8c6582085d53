"""Streams that the credentials may not read (HTTP 403): the other streams are read."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from signalroom_singer.errors import TapError
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.http.errors import RequestRejectedError
from signalroom_singer.settings.variables import setting_label

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping
    from typing import Any


class _Stream(Protocol):
    ABORT_AT_RECORD_COUNT: int | None
    is_complete: bool

    @property
    def logger(self) -> logging.Logger: ...


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
                f"stay, everything else was read. To fix it, {self._advice}; or deselect the "
                f"streams, or set {setting_label(self._setting)} to skip."
            )
            raise TapError(msg, exit_code=ExitCode.PERMISSION)
