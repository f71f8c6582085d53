"""A stream's table: what its rows are made into, and how they get there."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NoReturn

from signalroom_singer.progress import REPORTER, Progress
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.column_codecs import FORBIDDEN, Column, column
from signalroom_target_postgres.rows.decoder import RecordReader
from signalroom_target_postgres.rows.metadata import METADATA
from signalroom_target_postgres.rows.unknown_fields import known
from signalroom_target_postgres.values.schema_types import declared, is_never
from signalroom_target_postgres.warehouse import comments, rejected
from signalroom_target_postgres.warehouse.counts import Counts
from signalroom_target_postgres.warehouse.naming import SYSTEM_COLUMNS, columns_of
from signalroom_target_postgres.warehouse.orphans import HeldOrphans
from signalroom_target_postgres.warehouse.outdated_rows import Activation, OutdatedRows
from signalroom_target_postgres.warehouse.retyped_rows import as_types, is_of, with_types
from signalroom_target_postgres.warehouse.table import ColumnFixedError
from signalroom_target_postgres.warehouse.table_traits import TableTraits
from signalroom_target_postgres.warehouse.writer import LateRefusalError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pyarrow as pa
    from psycopg import Cursor

    from signalroom_target_postgres.messages.rejects import Misfit
    from signalroom_target_postgres.sink import PostgresSink
    from signalroom_target_postgres.values.schema_types import Declared
    from signalroom_target_postgres.warehouse.naming import TableNaming
    from signalroom_target_postgres.warehouse.table import Destination


@dataclass
class _Done:
    """What a transaction did, besides what its writer wrote."""

    rows: int = 0
    retired: int = 0
    replaced: int | None = None


class StreamTable:
    """The table, with what makes columns of the stream's records.

    Args:
        sink: What the SDK knows of the stream.
        destination: The table.
    """

    #: The stream's columns by name.
    columns: Mapping[str, Column]
    #: The names that records and files have for them.
    fields: set[str]
    #: Makes them of records and of files.
    reader: RecordReader

    def __init__(self, sink: PostgresSink, destination: Destination) -> None:
        self.sink = sink
        self.destination = destination
        # Each field's column.
        self._names: dict[str, str] = {}
        #: Rows of earlier versions and of earlier runs.
        self.outdated = OutdatedRows(sink, destination, self._names)
        #: What became of the stream's records so far.
        self.counts = Counts()
        #: How long they were loaded for.
        self.load_seconds = 0.0
        #: Whether a record did not fit and was not set aside: no state may pass over it.
        self.failed = False
        # Whether it was empty, so that no row is expected to be there; not known at first.
        self._fresh: bool | None = None
        self._traits: TableTraits | None = None
        self._warned: set[str] = set()
        self._orphans = HeldOrphans(int(sink.config["batch_size_bytes"]))

    @property
    def _properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.sink.schema["properties"]
        return {name: one for name, one in properties.items() if not is_never(one)}

    @property
    def _descriptions(self) -> dict[str, str | None]:
        """What the schema says of the table and its columns."""
        described = {comments.TABLE: self.sink.schema} | {
            self._names[field]: schema for field, schema in self._properties.items()
        }
        texts = {name: schema.get("description") for name, schema in described.items()}
        return {name: text if isinstance(text, str) else None for name, text in texts.items()}

    @property
    def sets_aside(self) -> bool:
        """Whether records that do not fit go beside the table, and the run goes on."""
        return bool(self.sink.config.get("on_bad_record") == "quarantine")

    def inherit(self, earlier: StreamTable) -> None:
        """Go on for a table whose stream's schema has changed.

        Args:
            earlier: It.
        """
        self.failed = earlier.failed
        self.counts, self.load_seconds = earlier.counts, earlier.load_seconds
        self._fresh = earlier._fresh
        if self.destination.keys == earlier.destination.keys:
            self._orphans = earlier._orphans

    # Columns.

    def prepare(self, naming: TableNaming) -> None:
        """Make the table, or adapt it.

        Args:
            naming: Knows the table that the stream may have had before.

        Raises:
            LoadError: If it cannot be what the stream needs.
        """
        connector = self.sink.connector
        self._name_columns()
        wanted = {self._names[field]: declared for field, declared in self._declared.items()}
        schema = self.destination.schema or naming.session_schema
        beside = self.destination.sibling(rejected.SUFFIX)
        connector.names.update((schema, self.destination.name, beside.name, *wanted))
        self._warn_of_renamed(naming)
        stream = self.sink.stream_name
        earlier = naming.earlier(stream)
        owner = naming.owner(earlier) if earlier else None

        def work(cursor: Cursor[Any]) -> bool:
            is_new = self.destination.prepare(
                cursor, wanted, earlier, owner, keep_fixed=self.sets_aside
            )
            if self.sink.config.get("add_comments"):
                comments.describe(cursor, self.destination, self._descriptions)
            return is_new

        if connector.in_transaction(work):
            naming.note_made(naming.of(stream))
        self._log_notes()
        self._read_by_types()

    def _name_columns(self) -> None:
        destination, fields = self.destination, self._properties
        present: Collection[str] = ()
        if SYSTEM_COLUMNS & fields.keys():
            present = self.sink.connector.in_transaction(destination.column_names)
        self._names.update(columns_of(fields, present))
        destination.keys = [self._names.get(key, key) for key in destination.keys]
        for field, name in self._names.items():
            if field != name and present and name not in present and f"{field}_" in present:
                self.sink.logger.warning(
                    "The field %s of stream %s is loaded into a new column of %s, %s. If its "
                    "values of before are in %s_, copy them",
                    *(field, self.sink.stream_name, destination, name, field),
                )

    @cached_property
    def _declared(self) -> dict[str, Declared]:
        root, to_sql = self.sink.schema, self.sink.connector.to_sql_type
        return {name: declared(schema, root, to_sql) for name, schema in self._properties.items()}

    def _read_by_types(self) -> None:
        sink = self.sink
        required = set(sink.schema.get("required", ()))
        columns = [
            column(
                name := self._names[field],
                declared,
                self.destination.base_type(name),
                required=field in required,
                key=field in sink.key_properties,
                field=field,
                fixed=self.destination.fixed.get(name),
            )
            for field, declared in self._declared.items()
        ]
        with_metadata = sink.include_sdc_metadata_properties
        self.columns = {one.name: one for one in columns}
        forbidden = sink.schema["properties"].keys() - self._names.keys()
        self.fields = {one.source for one in columns} | forbidden
        self.reader = RecordReader(
            [one for one in columns if not (with_metadata and one.name in METADATA)],
            [self.columns[name] for name in METADATA] if with_metadata else (),
            sink.sync_started_at,
            [Column(name, "", FORBIDDEN) for name in forbidden],
        )

    def widen(self, name: str, to: str) -> None:
        """Give a column a wider type; where that cannot be, what needs it is a bad record.

        Args:
            name: The column.
            to: The type.
        """
        try:
            self.sink.connector.in_transaction(
                lambda cursor: self.destination.widen(cursor, name, to)
            )
        except ColumnFixedError as error:
            self.sink.logger.warning("%s", error)
            self.destination.fixed[name] = error.reason
        self._log_notes()
        self._read_by_types()

    def _log_notes(self) -> None:
        """Log what was changed about the table, now that it is committed."""
        for is_warning, note in self.destination.notes:
            self.sink.logger.log(logging.WARNING if is_warning else logging.INFO, "%s", note)
        self.destination.notes.clear()

    def _warn_of_renamed(self, naming: TableNaming) -> None:
        """Warn once a run of fields whose column has another name."""
        stream = self.sink.stream_name
        for field, name in self._names.items():
            if field != name and (stream, field) not in naming.renamed_fields:
                naming.renamed_fields.add((stream, field))
                self.sink.logger.warning(
                    "The field %s of stream %s is loaded into the column %s, as %s is a system "
                    "column of PostgreSQL",
                    *(field, stream, name, field),
                )

    def warn_of_unknown(self, fields: set[str]) -> None:
        """Tell once of fields that are not loaded.

        Args:
            fields: Those that the schema does not have.
        """
        for name in fields - self._warned:
            self._warned.add(name)
            if not name.startswith("_sdc_"):
                self.sink.logger.warning(
                    "Records of %s have the field %r, which its schema does not have: it (and "
                    "others like it) is not loaded",
                    self.sink.stream_name,
                    name,
                )

    # Records that do not fit.

    def fail(self, misfits: Sequence[Misfit]) -> NoReturn:
        """Have no state pass over records that do not fit.

        Args:
            misfits: They.

        Raises:
            BadRecordError: Always.
        """
        # What was read and fits is loaded.
        self.failed = True
        sink = self.sink
        first, more = misfits[0], len(misfits) - 1
        beside = self.destination.sibling(rejected.SUFFIX)
        what = f"A record of stream {sink.stream_name} does not fit its table {self.destination}"
        if first.unmapped:
            what = f"The stream map of {sink.stream_name} cannot be applied to a record"
        advice = first.advice or "Correct it at its source or in the tap"
        msg = (
            f"{what}: {rejected.describe(first)}"
            f"{f'; and {more} more' if more else ''}. {advice}; or set "
            f"`on_bad_record` to quarantine: such records then go to {beside} (this one with a "
            f"record_hash that begins with {rejected.short_hash(first)}), and the run goes on."
        )
        if all(misfit.oversized for misfit in misfits):
            raise rejected.OversizedRecordError(msg)
        raise rejected.BadRecordError(msg)

    def set_aside(self, misfits: Sequence[Misfit]) -> None:
        """Put records beside the table.

        Args:
            misfits: They.
        """
        self.sink.connector.in_transaction(
            lambda cursor: rejected.keep(cursor, self.destination, misfits)
        )
        self._report(0, misfits)

    # Rows.

    def noted(self, rows: pa.Table) -> pa.Table:
        """Note of rows that are loaded later which types the table's columns have now.

        Args:
            rows: The rows.

        Returns:
            The same rows.
        """
        return with_types(rows, self.destination.types)

    def load(
        self,
        tables: Callable[[], Iterator[pa.Table]],
        misfits: Sequence[Misfit] = (),
        *,
        replace: bool = False,
        activation: Activation | None = None,
        whole: bool = False,
        aside: bool = False,
        expected: int = 0,
    ) -> None:
        """Load rows in one transaction.

        Args:
            tables: Gives the rows, each time it is called.
            misfits: Records to set aside with them.
            replace: Whether to delete the rows that this run did not load before.
            activation: A version that is complete with these rows: outdated ones go.
            whole: Whether none is to be loaded if one does not fit.
            aside: Whether this is a thread beside the main one already.
            expected: How many rows there are, if that is known.

        Raises:
            BadRecordError: If a row does not fit.
            LoadError: If the server refuses all rows, or a statement.
        """
        newer: list[pa.Table] = []
        began = time.monotonic()

        def work(cursor: Cursor[Any], *, checks_now: bool = False) -> tuple[_Done, Writer]:
            writer = self._writer(cursor, threaded=not aside, checks_now=checks_now)
            done = _Done()
            if replace:
                done.replaced = self.outdated.clear(cursor)
                writer.fresh = True
            writer.begin(cursor)
            newer.clear()
            progress.rows = 0
            for table in tables():
                if self._orphans:
                    newer.append(table.select(self.destination.keys))
                writer.write(cursor, as_types(cursor, table, self.destination.types))
                done.rows += table.num_rows
                progress.rows = done.rows
            writer.finish(cursor)
            if whole and writer.misfits and not self.sets_aside:
                self.fail(writer.misfits)
            if self.sets_aside:
                self._keep(cursor, writer, misfits)
            if activation is not None and (self.sets_aside or not writer.misfits):
                done.retired = self.outdated.retire(cursor, activation)
            counts = self.counts.copy()
            _count(counts, done, writer)
            counts.rejected += len([*misfits, *writer.misfits]) if self.sets_aside else 0
            self.sink.log(cursor, counts, self.load_seconds + time.monotonic() - began)
            return done, writer

        # Where rows have keys, or all are replaced, doing it again gives the same.
        again = replace or bool(self.destination.keys)
        in_transaction = self.sink.connector.in_transaction
        progress = Progress(self.sink.stream_name, self.sink.logger, "loaded", total=expected)
        with REPORTER.on(progress):
            try:
                done, writer = in_transaction(work, repeatable=again)
            except LateRefusalError:
                done, writer = in_transaction(partial(work, checks_now=True), repeatable=again)
        self._fresh = writer.fresh
        self.load_seconds += time.monotonic() - began
        _count(self.counts, done, writer)
        self._report(done.rows - len(writer.misfits), [*misfits, *writer.misfits])
        self.outdated.report(done.retired)
        self._orphans.forget_replaced(newer, self.destination.keys, all_rows=replace)
        self._orphans.hold((self.noted(rows), misfits) for rows, misfits in writer.orphans)
        self._orphans.forget_outdated(activation)
        if writer.misfits and not self.sets_aside:
            self.fail(writer.misfits)

    def try_orphans(self) -> bool:
        """Load rows that were set aside, if what they refer to has come after them.

        Returns:
            Whether the table took any.
        """
        # Rows that were read for another type stay in quarantine.
        held = [one for one in self._orphans.take() if self._is_read_for(known(one[0]))]
        if not held:
            return False

        def work(cursor: Cursor[Any]) -> tuple[list[Misfit], Writer]:
            writer = self._writer(cursor, threaded=True, checks_now=True)
            writer.begin(cursor)
            for rows, _ in held:
                writer.write(cursor, rows)
            writer.finish(cursor)
            left = {misfit.record for misfit in writer.misfits}
            taken = [one for _, misfits in held for one in misfits if one.record not in left]
            rejected.release(cursor, self.destination, taken)
            return taken, writer

        taken, writer = self.sink.connector.in_transaction(work, repeatable=False)
        self._orphans.hold((self.noted(rows), misfits) for rows, misfits in writer.orphans)
        self.counts.written.add(writer.counts)
        if taken:
            self.counts.rejected -= len(taken)
            self.sink.logger.info(
                "Loaded %d records into %s that had been set aside before the rows came that they "
                "refer to; they are no longer in %s",
                *(len(taken), self.destination, self.destination.sibling(rejected.SUFFIX)),
            )
        return bool(taken)

    def _is_read_for(self, rows: pa.Table) -> bool:
        """Whether rows have columns that the stream has now, of the types that the table has."""
        return {*rows.column_names} <= self.columns.keys() and is_of(rows, self.destination.types)

    def _keep(self, cursor: Cursor[Any], writer: Writer, misfits: Sequence[Misfit]) -> None:
        """Put records beside the table, unless the table is to blame for all of them."""
        refused = writer.misfits
        if writer.refuses_all:
            msg = (
                f"The table {self.destination} refuses all {len(refused)} records of a batch of "
                f"stream {self.sink.stream_name} for the same reason, which is the table's and not "
                f"theirs: {rejected.describe(refused[0])}. Correct the table; nothing of the batch "
                "was loaded or set aside."
            )
            raise LoadError(msg)
        if misfits or refused:
            rejected.keep(cursor, self.destination, [*misfits, *refused])

    def _writer(self, cursor: Cursor[Any], *, threaded: bool, checks_now: bool) -> Writer:
        if not self.columns:
            msg = (
                f"Stream {self.sink.stream_name} has records, and its schema has no fields that "
                "could be loaded. Select fields of it, or deselect it."
            )
            raise LoadError(msg)
        if self._fresh is None:
            self._fresh = not self.destination.has_rows(cursor)
        if self._traits is None:
            self._traits = TableTraits.read(cursor, self.destination)
        return Writer(
            self.destination,
            self.columns,
            metadata=METADATA if self.sink.include_sdc_metadata_properties else (),
            replace_nul=self.sink.connector.sanitize_null_text_characters,
            traits=self._traits,
            fresh=self._fresh,
            threaded=threaded,
            checks_now=checks_now,
        )

    def _report(self, count: int, misfits: Sequence[Misfit]) -> None:
        sink = self.sink
        if count:
            sink.logger.debug("Loaded %d records into %s", count, self.destination)
        if misfits and self.sets_aside:
            self.counts.rejected += len(misfits)
            sink.logger.warning(
                "Set aside %d records of %s in %s; the first (record_hash %s...): %s",
                len(misfits),
                sink.stream_name,
                self.destination.sibling(rejected.SUFFIX),
                rejected.short_hash(misfits[0]),
                rejected.describe(misfits[0]),
            )


def _count(counts: Counts, done: _Done, writer: Writer) -> None:
    """Count what a transaction did."""
    counts.written.add(writer.counts)
    counts.removed += done.retired
    if done.replaced is not None:
        counts.replaced = (counts.replaced or 0) + done.replaced
