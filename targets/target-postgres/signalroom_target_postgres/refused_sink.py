"""A stream that cannot be loaded, in a run whose other streams can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_target_postgres.sink import PostgresSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from signalroom_target_postgres.errors import TargetPostgresError
    from signalroom_target_postgres.messages.batch_files import BatchFile


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

    @property
    @override
    def kinds(self) -> dict[str, str]:
        return {}

    def _hold_states(self, *_: Any, **__: Any) -> None:
        # By a name of its own: a later sink of the stream commits only its own records.
        self._target.states.record(("refused", self.stream_name))

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Nothing is held, so nothing is left to do."""

    @override
    def try_orphans(self) -> bool:
        return False

    @override
    def load_files(self, files: Sequence[BatchFile]) -> None:
        self._hold_states()
        # The next run brings the rows again, in files of its own.
        for file in files:
            file.remove()

    add = add_dict = reject = activate_version = _hold_states
    process_batch = load_aside = finish = unconfirmed = forget = _ignore


def refusal(refused: Mapping[str, TargetPostgresError]) -> TargetPostgresError:
    """Make the error that a run ends with which has not loaded all streams.

    Args:
        refused: Why, and what to do; by stream.

    Returns:
        The first stream's error, with the other streams' names.
    """
    first, *more = refused
    also = f" Nor is all of {', '.join(map(repr, more))} loaded: see the log." if more else ""
    return type(refused[first])(
        f"{refused[first].message}{also} The other streams were loaded. States that pass over "
        "records which were not loaded are held back: the next run reads from there again."
    )
