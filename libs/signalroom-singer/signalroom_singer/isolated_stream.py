"""The base of streams whose own failures do not end the run."""

from __future__ import annotations

from abc import ABC
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import FatalAPIError, RetriableAPIError
from typing_extensions import override

from signalroom_singer.http.errors import RequestRejectedError
from signalroom_singer.stream import SignalRoomStream

if TYPE_CHECKING:
    from collections.abc import Generator

    from singer_sdk.helpers.types import Context

    from signalroom_singer.tap import SignalRoomTap


class IsolatedStream(SignalRoomStream, ABC):
    """A stream whose own failures do not keep the streams after it from being read."""

    #: Statuses that are about one endpoint, once all tries have failed. None of them is about the
    #: whole server.
    own_failures: ClassVar[frozenset[int]] = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})
    #: Whether this run could not read all of the stream.
    has_failed = False
    _tap: SignalRoomTap

    def fails_alone(self, error: Exception) -> bool:
        """Whether streams after this one may still be readable.

        Args:
            error: The reason why this one cannot be read.
        """
        if isinstance(error, FatalAPIError):
            return isinstance(error, RequestRejectedError) and error.status in self.own_failures
        if isinstance(error, RetriableAPIError):
            response = error.response
            return response is not None and response.status_code in self.own_failures
        return True

    def skip_forbidden(self, part: str = "") -> AbstractContextManager[None]:
        """Go on if the vendor answers with 403 within a block, and report it at the run's end.

        Args:
            part: The name of what the block reads, where it is a part of the stream.
        """
        errors = self._tap.permission_errors
        return errors.skip_forbidden(self, part or self.name) if errors else nullcontext()

    def isolate(self, part: str = "") -> AbstractContextManager[None]:
        """Go on if a block fails for a reason of the stream's own, and fail the run at its end.

        Args:
            part: The name of what the block reads, where it is a part of the stream.
        """
        return self._tap.failures.isolate(self, part)

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        with self.isolate():
            yield from super()._sync_records(context, write_messages=write_messages)

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        # It would save a bookmark, although the stream was not read to its end.
        if not self.has_failed:
            super().finalize_state_progress_markers(state)

    @override
    def log_sync_costs(self) -> None:
        # The SDK calls this for each stream once all are read; its loop, which is final, has no
        # other hook at the end of a run.
        super().log_sync_costs()
        if self.name == [*self._tap.streams][-1]:
            self._tap.raise_failures()
