"""A stream that cannot be loaded, in a run whose other streams can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_target_postgres.errors import LimitError
from signalroom_target_postgres.sink import PostgresSink

if TYPE_CHECKING:
    from collections.abc import Mapping


class RefusedSink(PostgresSink):
    """Takes a stream's messages and loads nothing.

    No state passes over its records, so that the next run reads them again.
    """

    @override
    def setup(self) -> None:
        """Touch no table."""

    @override
    def inherit(self, earlier: PostgresSink) -> None:
        earlier.forget()

    @property
    @override
    def current_size(self) -> int:
        return 0

    def _hold_states(self, *_: Any, **__: Any) -> None:
        # By a name of its own: a later sink of the stream commits only its own records.
        self._target.states.record(("refused", self.stream_name))

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Nothing is held, so nothing is left to do."""

    add = add_dict = reject = load_files = activate_version = _hold_states
    process_batch = load_aside = finish = unconfirmed = forget = _ignore


class RefusedStreamsError(LimitError):
    """Streams were not loaded; the others were.

    Args:
        refused: Why, and what to do; by stream.
    """

    def __init__(self, refused: Mapping[str, LimitError]) -> None:
        first, *more = refused
        also = f" Nor are {', '.join(map(repr, more))}: see the log." if more else ""
        super().__init__(
            f"{refused[first].message}{also} The other streams were loaded. States that pass "
            "over records which were not loaded are held back: the next run reads from there again."
        )
