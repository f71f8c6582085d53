"""A stream that cannot be loaded, in a run whose other streams can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_target_postgres.sink import PostgresSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.messages.record_lines import Lines


class RefusedSink(PostgresSink):
    """Takes a stream's messages and loads nothing.

    No state passes over its records, so that the next run reads them again.
    """

    @override
    def setup(self) -> None:
        """Touch no table."""

    @override
    def resume_from(self, previous: PostgresSink) -> None:
        previous.discard()

    @property
    @override
    def current_size(self) -> int:
        return 0

    @property
    @override
    def size(self) -> int:
        return 0

    @property
    @override
    def text_kinds(self) -> dict[str, str]:
        return {}

    def _hold_states(self, *_: Any, **__: Any) -> bool:
        # A separate label: a later sink of the stream commits only its own records.
        self._run.states.mark_pending(("refused", self.stream_name))
        return False

    def _ignore(self, *_: Any, **__: Any) -> None:
        """Nothing is buffered, so nothing is left to do."""

    @override
    def add_lines(self, lines: Lines) -> bool:
        self._hold_states()
        return True

    @override
    def retry_orphans(self) -> bool:
        return False

    @override
    def load_files(self, files: Sequence[BatchFile]) -> None:
        self._hold_states()
        # The next run sends the rows again, in files of its own.
        for file in files:
            file.remove()

    add = add_mapped = _hold_states
    reject = activate_version = _hold_states  # type: ignore[assignment]
    use_map = flush = finish = unconfirmed_rows = discard = _ignore
