"""What the sinks of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signalroom_target_postgres.rows.background import BackgroundTask
from signalroom_target_postgres.state import StateTracker

if TYPE_CHECKING:
    import logging

    from signalroom_target_postgres.errors import TargetPostgresError
    from signalroom_target_postgres.warehouse.load_log import LoadLog
    from signalroom_target_postgres.warehouse.naming import TableNaming


@dataclass(frozen=True)
class SourceStream:
    """A stream as the tap sends it, before stream maps.

    Args:
        name: The name that the tap gave it.
        replication_key: The field that its bookmark is of.
        bookmark: The bookmark that it had before the run.
    """

    name: str = ""
    replication_key: str | None = None
    bookmark: str | None = None


class Run:
    """The services of a run, and the stream whose SCHEMA message is processed.

    Args:
        logger: The target's logger.
        naming: Names the tables of the streams.
        load_log: The log of loads in the database.
    """

    def __init__(self, logger: logging.Logger, naming: TableNaming, load_log: LoadLog) -> None:
        self.naming = naming
        self.load_log = load_log
        self.states = StateTracker()
        #: Loads a batch while the next records are read.
        self.background = BackgroundTask()
        self.source = SourceStream()
        #: Streams that are not loaded, or not in full, while the others are; and why.
        self.refused: dict[str, TargetPostgresError] = {}
        self._logger = logger

    def refuse(self, stream: str, error: TargetPostgresError) -> None:
        """Stop loading a stream, and go on with the others.

        Args:
            stream: The stream's name, after stream maps.
            error: Why it is not loaded, and what to do; the run ends with it.
        """
        if stream not in self.refused:
            self._logger.error(error.message)
            self.refused[stream] = error

    def check_refused(self) -> None:
        """Fail if a stream was refused."""
        if not self.refused:
            return
        first, *others = self.refused
        error = self.refused[first]
        names = ", ".join(map(repr, others))
        also = f" Nor is all of {names} loaded: see the log." if others else ""
        msg = (
            f"{error.message}{also} The other streams were loaded. States that pass over records "
            "which were not loaded are held back: the next run reads from there again."
        )
        raise type(error)(msg)
