"""Versions of a stream: when the rows that came are all there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from signalroom_target_postgres.streamtable import StreamTable

#: In a stream's schema: its rows replace the table's when ACTIVATE_VERSION says that they are
#: complete, and not before.
REPLACE_ON_ACTIVATE = "x-replace-on-activate"


class Versions:
    """Keeps rows until they are complete, where they are to replace the table's; and does so.

    Args:
        table: The stream's.
        flush: Loads or spools what waits in memory.
        committed: Lets states pass that waited for the stream's records.
    """

    def __init__(
        self, table: StreamTable, flush: Callable[[], None], committed: Callable[[], None]
    ) -> None:
        self._table = table
        self._flush = flush
        self._committed = committed
        config = table.sink.config
        self._replaces_on_activate = bool(table.sink.schema.get(REPLACE_ON_ACTIVATE))
        self._may_replace = bool(config.get("activate_version") and config.get("hard_delete"))
        self._had_records = False
        self._state_since_record = False
        self._announced: int | None = None
        self._replaced = False
        #: Where rows go that are not to be loaded before they are complete.
        self.spool: Spool | None = None
        if config.get("load_method") == "overwrite" or (
            self._may_replace and self._replaces_on_activate
        ):
            self.spool = Spool()

    def inherit(self, earlier: Versions) -> None:
        """Go on for a stream whose schema has changed.

        Args:
            earlier: Its versions so far.
        """
        self._had_records = earlier._had_records
        self._state_since_record = earlier._state_since_record
        self._announced = earlier._announced
        if earlier.spool is not None:
            self.spool, earlier.spool = earlier.spool, None

    def note_record(self) -> None:
        """Note that a record came."""
        self._had_records = True
        self._state_since_record = False

    def note_state(self) -> None:
        """Note that a state came: a tap that sends one after its last record is done with it."""
        self._state_since_record = True

    def activate(self, version: int) -> None:
        """Let the rows of a version be all there are.

        Args:
            version: The version.
        """
        sink = self._table.sink
        if not sink.config.get("activate_version"):
            sink.logger.debug("ACTIVATE_VERSION of %s: activate_version is off", sink.stream_name)
        elif self._had_records or self._replaces_on_activate:
            self._complete(version)
        else:
            self._announced = version
            if self._may_replace and self.spool is None:
                self.spool = Spool()

    def finish(self) -> None:
        """The input has ended: complete what can only be completed now."""
        if self.spool is None and self._announced is None:
            return
        if self._replaces_on_activate or not self._state_since_record:
            self._discard()
        else:
            self._complete(self._announced)

    def forget(self) -> None:
        """Let go of the rows that were never completed."""
        if self.spool is not None:
            self.spool.close()

    def _discard(self) -> None:
        if self.spool is None or (self._replaced and not self.spool.rows):
            return
        self._table.sink.logger.warning(
            "The tap did not say that %s is complete: its %d new records are not loaded, and %s "
            "stays as it was",
            self._table.sink.stream_name,
            self.spool.rows,
            self._table.destination,
        )
        self.spool.close()
        if self._replaces_on_activate:
            # It is read whole each time: no state passes over what was not loaded.
            self._committed()

    def _complete(self, version: int | None) -> None:
        self._flush()
        if self._table.failed:
            return
        self._announced = None
        if self.spool is not None:
            self._replace(self.spool)
        elif version is not None:
            self._table.retire(version)

    def _replace(self, spool: Spool) -> None:
        """Let the spooled rows take the place of the table's, in one transaction."""
        sink, destination = self._table.sink, self._table.destination
        at_once = int(sink.config["batch_size_bytes"])
        self._table.load(lambda: spool.read(at_once), clear=True, whole=True)
        sink.logger.info("Replaced the rows of %s by %d new ones", destination, spool.rows)
        spool.close()
        self._replaced = True
        self._committed()
