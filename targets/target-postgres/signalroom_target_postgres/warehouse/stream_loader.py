"""Loads the rows of one stream into its table."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.messages.rejects import RejectedRecord, RejectedRecordsError
from signalroom_target_postgres.rows.metadata import METADATA
from signalroom_target_postgres.rows.unknown_fields import without_unknown
from signalroom_target_postgres.warehouse import (
    comments,
    history,
    rejected,
    table_setup,
    vanished_rows,
)
from signalroom_target_postgres.warehouse.counts import Counts, RowCounts
from signalroom_target_postgres.warehouse.history import History, interrupt_history
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID
from signalroom_target_postgres.warehouse.orphans import OrphanBuffer
from signalroom_target_postgres.warehouse.outdated_rows import Activation, OutdatedRows
from signalroom_target_postgres.warehouse.rejected import delete_rejected, insert_rejected
from signalroom_target_postgres.warehouse.retyped_rows import convert_types, has_types, tag_types
from signalroom_target_postgres.warehouse.row_keys import create_row_keys
from signalroom_target_postgres.warehouse.stream_columns import StreamColumns
from signalroom_target_postgres.warehouse.table import Note, Table
from signalroom_target_postgres.warehouse.table_traits import TableTraits
from signalroom_target_postgres.warehouse.vanished_rows import (
    TooManyVanishedError,
    Vanished,
    VanishedRows,
)
from signalroom_target_postgres.warehouse.writer import LateRejectError, TableWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import pyarrow as pa
    from psycopg import Cursor

    from signalroom_singer.progress import Progress
    from signalroom_target_postgres.connection.connector import PostgresConnector
    from signalroom_target_postgres.spec import StreamSpec
    from signalroom_target_postgres.warehouse.load_log import LoadLog
    from signalroom_target_postgres.warehouse.naming import TableNaming
    from signalroom_target_postgres.warehouse.scopes import Scope

_COMPANIONS = (rejected.SUFFIX, vanished_rows.SUFFIX, history.SUFFIX)


@dataclass(frozen=True)
class Batch:
    """Rows that are loaded in one transaction.

    Args:
        tables: Returns the rows; called again where the connection was lost.
        rejects: Records to quarantine with them; complete once all tables were read.
        replaces: Whether they replace all rows of the stream that this run did not load before.
        activation: A version that is complete with these rows: older ones are removed.
        all_or_nothing: Whether no row is loaded if one does not fit.
        scopes: Scopes of which the rows are all that there are: others vanished.
    """

    tables: Callable[[], Iterable[pa.Table]]
    rejects: Sequence[RejectedRecord] = ()
    replaces: bool = False
    activation: Activation | None = None
    all_or_nothing: bool = False
    scopes: Sequence[Scope] = ()


@dataclass
class LoadResult:
    """What a transaction did.

    Args:
        rows: Rows that were sent to the server.
        refused: Records that the server did not take.
        counts: What it adds to the stream's counts, but for the records that were read.
        vanished: The rows of the batch's scopes, and how many of them were removed.
        failure: Why it did nothing: more rows vanished than may.
    """

    rows: int = 0
    refused: Sequence[RejectedRecord] = ()
    counts: Counts = field(default_factory=Counts)
    vanished: Vanished = field(default_factory=Vanished)
    failure: TooManyVanishedError | None = None


class StreamLoader:
    """Loads batches of a stream; logs and counts nothing, but returns what it did.

    Args:
        spec: The stream that is loaded.
        table: The table that it is loaded into.
        connector: The connection to the database.
        load_log: The log of loads, written in the transactions of the batches.
    """

    def __init__(
        self, spec: StreamSpec, table: Table, connector: PostgresConnector, load_log: LoadLog
    ) -> None:
        self.spec = spec
        self.table = table
        self.columns = StreamColumns(spec, table, connector.to_sql_type)
        #: Rows of earlier versions and of earlier runs.
        self.outdated = OutdatedRows(spec, table, self.columns.names)
        #: Rows that the tap did not send again.
        self.vanished: VanishedRows | None = None
        if spec.removal is not None:
            self.vanished = VanishedRows(spec.name, table, self.columns.names, spec.removal)
        self._history: History | None = None
        if spec.keeps_history and spec.merge_keys:
            self._history = History(table, spec.deletion_column)
        self._connector = connector
        self._load_log = load_log
        # Whether no row is expected to be there; not known at first.
        self._is_empty: bool | None = None
        self._traits: TableTraits | None = None
        self._orphans = OrphanBuffer(spec.batch_bytes)

    def resume_from(self, previous: StreamLoader) -> None:
        """Go on from the loader of the stream before its schema changed."""
        self._is_empty = previous._is_empty
        if self.vanished is not None and previous.vanished is not None:
            self.vanished.total = previous.vanished.total
        if self.table.keys == previous.table.keys:
            self._orphans = previous._orphans

    @property
    def rejected_table(self) -> Table:
        """The table that rejected records go into."""
        return self.table.companion(rejected.SUFFIX)

    # The table.

    def prepare(self, naming: TableNaming) -> list[Note]:
        """Create the table, or adapt it to the stream's schema.

        Args:
            naming: Knows the table that the stream may have had before.

        Returns:
            What a user should know about it.

        Raises:
            LoadError: If the table cannot be what the stream needs.
        """
        spec, table, columns = self.spec, self.table, self.columns
        notes = self._assign_names(naming)
        schema = table.schema or naming.session_schema
        companions = [table.companion(suffix).name for suffix in _COMPANIONS]
        self._connector.names.update((schema, table.name, *companions, *columns.names.values()))
        previous = naming.previous(spec.name)
        owner = naming.owner(previous) if previous else None

        def prepare(cursor: Cursor[Any]) -> bool:
            is_new = table_setup.prepare_table(
                *(cursor, table, columns.declared_types, previous, owner),
                keep_fixed=spec.quarantines,
            )
            if spec.adds_comments:
                comments.write_comments(cursor, table, columns.descriptions)
            return is_new

        if self._connector.run_transaction(prepare):
            naming.note_created(naming.of(spec.name))
        columns.choose_codecs()
        return notes + table.notes

    def _assign_names(self, naming: TableNaming) -> list[Note]:
        """Choose the columns' names; warn about fields whose column has another name."""
        stream, table, columns = self.spec.name, self.table, self.columns
        present: Collection[str] = ()
        if columns.has_system_names:
            present = self._connector.run_transaction(table.read_types)
        columns.assign_names(present)
        notes = [
            Note(
                True,
                f"The field {field} of stream {stream} is loaded into a new column of {table}, "
                f"{name}. If earlier values are in {field}_, copy them",
            )
            for field, name in columns.moved_fields(present)
        ]
        notes += [
            Note(
                True,
                f"The field {field} of stream {stream} is loaded into the column "
                f"{columns.names[field]}, as {field} is a system column of PostgreSQL",
            )
            for field in naming.newly_renamed(stream, columns.names)
        ]
        return notes

    def widen(self, name: str, to: str) -> list[Note]:
        """Give a column a wider type; where that cannot be, records that need it are rejected.

        Args:
            name: The column's name.
            to: The type that it needs.

        Returns:
            What a user should know about it.
        """
        table = self.table

        def widen(cursor: Cursor[Any]) -> None:
            table_setup.widen_column(cursor, table, name, to)

        try:
            self._connector.run_transaction(widen)
        except table_setup.ColumnFixedError as error:
            table.note(str(error))
            table.fixed[name] = error.reason
        self.columns.choose_codecs()
        return table.notes

    def has_rows(self) -> bool:
        """Whether the table has any row."""
        return self._connector.run_transaction(self.table.has_rows)

    def has_outdated(self, version: int) -> bool:
        """Whether the table has rows of older versions."""
        return self._connector.run_transaction(lambda cursor: self.outdated.exist(cursor, version))

    def count_outdated(self, version: int) -> int:
        """Count the rows of older versions; 0 also where counting would take long."""
        return self._connector.run_transaction(lambda cursor: self.outdated.count(cursor, version))

    def unscoped_columns(self) -> list[str]:
        """Columns of constants in which rows are null, so that a full refresh left them."""
        return self._connector.run_transaction(self.outdated.unscoped_columns)

    # Rows.

    def quarantine(self, rejects: Sequence[RejectedRecord]) -> None:
        """Write rejected records into their table, in a transaction of their own."""
        self._connector.run_transaction(
            lambda cursor: insert_rejected(cursor, self.rejected_table, rejects)
        )

    def tag_types(self, rows: pa.Table) -> pa.Table:
        """Note in rows that are loaded later which types the table's columns have now."""
        return tag_types(rows, self.table.types)

    def load(
        self, batch: Batch, counts: Counts, progress: Progress, *, threaded: bool = True
    ) -> LoadResult:
        """Load a batch in one transaction.

        Args:
            batch: The rows to load.
            counts: The stream's counts before the batch, for the log of loads.
            progress: Where to note how many rows were sent.
            threaded: Whether to encode rows in another thread while others are sent.

        Returns:
            What the transaction did.

        Raises:
            LoadError: If the server refuses all rows, or a statement.
            RejectedRecordsError: If a row does not fit, and the batch is all or nothing.
        """
        started_at = time.monotonic()
        newer_keys: list[pa.Table] = []

        def load(
            cursor: Cursor[Any], *, checks_now: bool = False
        ) -> tuple[LoadResult, TableWriter]:
            newer_keys.clear()
            result = LoadResult()
            added = result.counts
            writer = self._make_writer(cursor, threaded=threaded, checks_now=checks_now)
            may_vanish = self._begin_keys(cursor, writer, batch.scopes)
            if batch.replaces:
                added.replaced = self.outdated.delete_all(cursor, notes_keys=self._has_history)
                writer.expects_no_conflicts = True
            result.rows = self._write(cursor, writer, batch, newer_keys, progress)
            self._write_rejects(cursor, writer, batch)
            if may_vanish:
                result.vanished = self._remove_vanished(cursor, writer, batch)
            added.removed = result.vanished.rows_removed + self._retire(cursor, writer, batch)
            self._write_history(cursor)
            result.refused, added.written = writer.rejects, writer.counts
            if self.spec.quarantines:
                added.rejected = len(batch.rejects) + len(result.refused)
            added.seconds = time.monotonic() - started_at
            total = counts.copy()
            total.add(added)
            self._load_log.write(cursor, self.spec.name, total)
            return result, writer

        # Where rows have keys, or all are replaced, loading them twice has the same result.
        idempotent = batch.replaces or bool(self.table.keys)
        run_transaction = self._connector.run_transaction
        try:
            try:
                result, writer = run_transaction(load, idempotent=idempotent)
            except LateRejectError:
                check_now = partial(load, checks_now=True)
                result, writer = run_transaction(check_now, idempotent=idempotent)
        except TooManyVanishedError as error:
            # The other streams are loaded all the same.
            return LoadResult(failure=error)
        self._is_empty = writer.expects_no_conflicts
        if self.vanished is not None:
            self.vanished.total += result.vanished
        if batch.replaces:
            self._orphans.drain()
        self._orphans.discard_replaced(newer_keys, self.table.keys)
        self._orphans.add((self.tag_types(rows), rejects) for rows, rejects in writer.orphans)
        self._orphans.discard_outdated(batch.activation)
        return result

    def _write(
        self,
        cursor: Cursor[Any],
        writer: TableWriter,
        batch: Batch,
        newer_keys: list[pa.Table],
        progress: Progress,
    ) -> int:
        """Send the rows to the server; return their count."""
        writer.begin(cursor)
        count = progress.rows = 0
        for rows in batch.tables():
            if self._orphans:
                newer_keys.append(rows.select(self.table.keys))
            writer.write(cursor, convert_types(cursor, rows, self.table.types))
            count += rows.num_rows
            progress.rows = count
        writer.finish(cursor)
        return count

    def _begin_keys(
        self, cursor: Cursor[Any], writer: TableWriter, scopes: Sequence[Scope] = ()
    ) -> bool:
        """Have the keys of written rows noted, if something needs them.

        Args:
            cursor: A cursor within the transaction of the rows, before any is written.
            writer: The writer that gets the table of the keys, `sent_keys`.
            scopes: The scopes that are complete with them.

        Returns:
            Whether rows of the scopes may have vanished.
        """
        # Where the table was empty, all of its rows are this run's.
        may_vanish = bool(scopes) and not writer.expects_no_conflicts
        if self.vanished is not None and may_vanish:
            self.vanished.begin(cursor, scopes)
        if self._history is not None:
            self._history.begin(cursor)
        elif writer.traits.has_history:
            interrupt_history(cursor, self.table)
        if may_vanish or self._history is not None:
            writer.sent_keys = create_row_keys(cursor, self.table)
        return may_vanish

    def _remove_vanished(self, cursor: Cursor[Any], writer: TableWriter, batch: Batch) -> Vanished:
        """Remove the rows of the batch's scopes that it does not have; return their counts."""
        scopes = batch.scopes
        if batch.rejects or writer.rejects:
            # A record that was rejected is still there at its source, unless that says otherwise.
            scopes = [scope for scope in scopes if scope.deleted]
        if self.vanished is None or not scopes:
            return Vanished()
        constants = self.outdated.constants
        if CLIENT_ID in self.table.types and CLIENT_ID not in self.columns.by_name:
            # Rows that have a client are not of this stream, which has none.
            constants[CLIENT_ID] = None
        return self.vanished.remove(cursor, scopes, constants, notes_keys=self._has_history)

    def _retire(self, cursor: Cursor[Any], writer: TableWriter, batch: Batch) -> int:
        """Remove the rows of older versions, if one is complete; return their count."""
        if batch.activation is None or (writer.rejects and not self.spec.quarantines):
            return 0
        return self.outdated.retire(cursor, batch.activation, notes_keys=self._has_history)

    @property
    def _has_history(self) -> bool:
        """Whether each version of a row is kept."""
        return self._history is not None

    def _write_history(self, cursor: Cursor[Any]) -> None:
        """Write the versions that the rows before it ended and began."""
        if self._history is not None:
            self._history.write(cursor)

    def _write_rejects(self, cursor: Cursor[Any], writer: TableWriter, batch: Batch) -> None:
        """Quarantine records with the batch, unless the table is the cause of all rejections.

        Raises:
            LoadError: If the table would reject any record.
            RejectedRecordsError: If a row does not fit, and the batch is all or nothing.
        """
        refused = writer.rejects
        if not self.spec.quarantines:
            if batch.all_or_nothing and refused:
                raise RejectedRecordsError(refused)
            return
        if writer.rejects_all:
            msg = (
                f"The table {self.table} rejects all {len(refused)} records of a batch of stream "
                f"{self.spec.name} for the same reason, which is the table's and not theirs: "
                f"{refused[0].describe()}. Correct the table; nothing of the batch was loaded or "
                "quarantined."
            )
            raise LoadError(msg)
        if batch.rejects or refused:
            insert_rejected(cursor, self.rejected_table, [*batch.rejects, *refused])

    def retry_orphans(self) -> tuple[int, RowCounts]:
        """Load rows that were quarantined, if the rows that they refer to have come after them.

        Returns:
            How many records left the quarantine, and the rows that they wrote.
        """
        # Rows that were decoded for another type stay in quarantine.
        orphans = [batch for batch in self._orphans.drain() if self._fits(batch[0])]
        if not orphans:
            return 0, RowCounts()

        def load(cursor: Cursor[Any]) -> tuple[int, TableWriter]:
            writer = self._make_writer(cursor, threaded=True, checks_now=True)
            self._begin_keys(cursor, writer)
            writer.begin(cursor)
            for rows, _ in orphans:
                writer.write(cursor, rows)
            writer.finish(cursor)
            self._write_history(cursor)
            refused = {reject.record for reject in writer.rejects}
            loaded = [
                reject
                for _, rejects in orphans
                for reject in rejects
                if reject.record not in refused
            ]
            delete_rejected(cursor, self.rejected_table, loaded)
            return len(loaded), writer

        count, writer = self._connector.run_transaction(load, idempotent=False)
        self._orphans.add((self.tag_types(rows), rejects) for rows, rejects in writer.orphans)
        return count, writer.counts

    def _fits(self, rows: pa.Table) -> bool:
        """Whether rows have columns that the stream has now, of the types that the table has."""
        rows = without_unknown(rows)
        has_columns = {*rows.column_names} <= self.columns.by_name.keys()
        return has_columns and has_types(rows, self.table.types)

    def _make_writer(self, cursor: Cursor[Any], *, threaded: bool, checks_now: bool) -> TableWriter:
        if not self.columns.by_name:
            msg = (
                f"Stream {self.spec.name} has records, and its schema has no fields that could be "
                "loaded. Select fields of it, or deselect it."
            )
            raise LoadError(msg)
        if self._is_empty is None:
            self._is_empty = not self.table.has_rows(cursor)
        if self._traits is None:
            self._traits = TableTraits.read(cursor, self.table)
        return TableWriter(
            self.table,
            self.columns.by_name,
            metadata=METADATA if self.spec.has_metadata else (),
            replace_nul=self.spec.replace_nul,
            skips_unchanged=self.spec.skips_unchanged,
            traits=self._traits,
            expects_no_conflicts=self._is_empty,
            threaded=threaded,
            checks_now=checks_now,
        )
