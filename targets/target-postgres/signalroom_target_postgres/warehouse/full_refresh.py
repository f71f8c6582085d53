"""Versions of a stream: which rows its table keeps, and rows that wait until they are complete.

The rule, which the README has as a table: an ACTIVATE_VERSION that follows records says that the
version is complete, and rows of older ones go. One that comes before the records says nothing.
The end of the input says nothing either, since it is the same for a tap that died.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signalroom_target_postgres.rows.staging_file import Spool
from signalroom_target_postgres.warehouse.counts import counted
from signalroom_target_postgres.warehouse.outdated_rows import Activation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.warehouse.stream_loader import StreamTable

#: In a stream's schema: its rows replace the table's when ACTIVATE_VERSION says that they are
#: complete, and not before.
REPLACE_ON_ACTIVATE = "x-replace-on-activate"
#: In an ACTIVATE_VERSION: the tap has ended well, and sent all rows of the stream in this run.
#: `signalroom-run-tap` sends it. Other targets take no notice of it.
COMPLETE = "x-complete"


@dataclass(frozen=True)
class Unconfirmed:
    """Rows of a stream that were not loaded, as nothing said that they are complete.

    Args:
        stream: The stream.
        table: Its table, which stays as it was.
        rows: How many rows.
        remedy: What loads them although the tap never says that they are complete.
    """

    stream: str
    table: str
    rows: int
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.stream} ({counted(self.rows)} for {self.table})"


class Versions:
    """Keeps rows that may only be loaded once they are complete, and retires older ones.

    Args:
        table: The stream's.
        flush: Loads or spools what is held in memory.
        take: Gives what is held in memory, to be loaded by the caller.
        committed: Lets states pass that waited for the stream's records.
    """

    def __init__(
        self,
        table: StreamTable,
        flush: Callable[[], None],
        take: Callable[[], tuple[Sequence[pa.Table], Sequence[Misfit]]],
        committed: Callable[[], None],
    ) -> None:
        self._table = table
        self._flush = flush
        self._take = take
        self._committed = committed
        config = table.sink.config
        self._obeys = bool(config.get("activate_version"))
        self._overwrites = config.get("load_method") == "overwrite"
        #: Whether the tap activates only what it has sent whole, empty streams included.
        self._promised = bool(table.sink.schema.get(REPLACE_ON_ACTIVATE))
        may_replace = bool(self._obeys and config.get("hard_delete"))
        #: Whether the stream's rows replace the table's, and do not only join them.
        self._replaces = self._overwrites or (self._promised and may_replace)
        self._replaced = False
        #: The version that came before its records, and was not activated since.
        self._announced: int | None = None
        #: Where rows go that are not to be loaded before they are complete.
        self.spool: Spool | None = Spool() if self._replaces else None

    def inherit(self, earlier: Versions) -> None:
        """Go on for a stream whose schema has changed.

        Args:
            earlier: Its versions so far.
        """
        self._announced = earlier._announced
        self._replaced = earlier._replaced
        self._replaces |= earlier._replaces
        self._promised |= earlier._promised
        if earlier.spool is not None:
            self.spool, earlier.spool = earlier.spool, None

    def activate(self, version: int, *, follows_records: bool, complete: bool = False) -> None:
        """Take an ACTIVATE_VERSION.

        Args:
            version: The version.
            follows_records: Whether records of the stream came since its last SCHEMA message, or
                since its last activation.
            complete: Whether the tap has ended well, and all rows of the stream came in this run.
        """
        sink = self._table.sink
        if not (self._obeys or self._overwrites):
            sink.logger.debug("ACTIVATE_VERSION of %s: activate_version is off", sink.stream_name)
        elif complete or follows_records or self._promised:
            self._complete(Activation(version, complete))
        else:
            self._announce(version)

    def _announce(self, version: int) -> None:
        """Note a version whose records are still to come.

        Records with keys are merged as they come. Those without would stand beside the rows of
        earlier versions, and count twice.
        """
        self._announced = version
        appends = self._table.sink.config.get("load_method") == "append-only"
        if self.spool is None and not self._table.destination.keys and not appends:
            self._flush()
            if self._table.outdated.exist(version):
                self.spool = Spool()

    def _complete(self, activation: Activation) -> None:
        obeyed = activation if self._obeys else None
        if self.spool is not None:
            self._flush()
            if self._table.failed:
                return
            self._load_spooled(self.spool, obeyed)
        else:
            tables, misfits = self._take()
            # Older rows stay where not all new ones were loaded.
            whole = None if self._table.failed else obeyed
            self._table.load(lambda: iter(tables), misfits, activation=whole)
        self._announced = None
        self._committed()

    def _load_spooled(self, spool: Spool, activation: Activation | None) -> None:
        """Load what was spooled, and retire what it replaces, in one transaction."""
        table = self._table
        at_once = int(table.sink.config["batch_size_bytes"])
        # What an earlier activation of this run loaded stays: these are more of the same rows.
        replace = self._replaces and not self._replaced
        if replace and activation is not None and not spool.has_older(activation.version):
            # Deleting all that was there leaves no older row.
            activation = None
        table.load(
            lambda: spool.read(at_once),
            replace=replace,
            activation=activation,
            whole=True,
            expected=spool.rows,
        )
        if self._replaces:
            said = "Replaced the rows of %s by %d new ones" if replace else "Added to %s: %d rows"
            table.sink.logger.debug(said, table.destination, spool.rows)
            table.outdated.warn_of_unscoped()
        spool.close()
        self._replaced |= replace
        if not self._replaces:
            self.spool = None

    def finish(self) -> Unconfirmed | None:
        """The input has ended: see what was never said to be complete.

        Returns:
            The rows that are not loaded; None if all are.
        """
        unconfirmed = self.unconfirmed()
        sink, destination = self._table.sink, self._table.destination
        if unconfirmed is not None:
            if self._promised:
                # It is read whole each time: no state passes over what was not loaded.
                self._committed()
            return unconfirmed
        # Records may have come that were all quarantined.
        self._committed()
        if self.spool is not None and not self._replaced:
            sink.logger.warning(
                "Nothing came of %s, and nothing that says that it is empty: %s stays as it was",
                *(sink.stream_name, destination),
            )
        elif self._announced is not None and (rows := self._table.outdated.count(self._announced)):
            sink.logger.warning(
                "%s keeps %d rows of earlier versions: the tap sent ACTIVATE_VERSION before the "
                "records of %s, and nothing after them that says they are complete. If rows that "
                "are deleted at the source should go, run the tap by `signalroom-run-tap`",
                *(destination, rows, sink.stream_name),
            )
        return None

    def unconfirmed(self) -> Unconfirmed | None:
        """Rows that wait to be complete.

        Returns:
            How many, and of what; None if there are none.
        """
        if self.spool is None or not self.spool.rows:
            return None
        stream, table = self._table.sink.stream_name, str(self._table.destination)
        return Unconfirmed(stream, table, self.spool.rows, self._remedy)

    @property
    def _remedy(self) -> str:
        if self._overwrites:
            return "set `load_method` to upsert"
        if self._promised:
            return ""
        return (
            "give the stream a key (`__key_properties__` in the setting stream_maps), or set "
            "`load_method` to append-only"
        )

    def forget(self) -> None:
        """Let go of the rows that were never completed."""
        if self.spool is not None:
            self.spool.close()
