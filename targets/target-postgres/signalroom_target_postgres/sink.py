"""One stream into one table."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from target_postgres.sinks import PostgresSink as StockSink
from typing_extensions import override

from signalroom_target_postgres.connection.connector import PostgresConnector
from signalroom_target_postgres.messages.models import Message
from signalroom_target_postgres.messages.rejects import Misfit
from signalroom_target_postgres.rows.background import ahead
from signalroom_target_postgres.rows.buffer import Waiting
from signalroom_target_postgres.rows.decoder import ColumnTooNarrowError
from signalroom_target_postgres.rows.mapped_records import explained, unmapped, written
from signalroom_target_postgres.rows.validation import NOT_VALID, RecordValidator, broken_rule
from signalroom_target_postgres.values.sql_types import family
from signalroom_target_postgres.warehouse.file_rows import FileRows
from signalroom_target_postgres.warehouse.full_refresh import Versions
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID, Load
from signalroom_target_postgres.warehouse.rejected import OversizedRecordError
from signalroom_target_postgres.warehouse.stream_loader import StreamTable
from signalroom_target_postgres.warehouse.table import Destination

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from psycopg import Cursor

    from signalroom_singer.streammaps import Failure
    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.warehouse.counts import Counts
    from signalroom_target_postgres.warehouse.full_refresh import Unconfirmed


class PostgresSink(StockSink):  # type: ignore[misc] # the stock target is untyped
    """The stock sink, loading columns by COPY in place of rows by INSERT."""

    connector_class = PostgresConnector

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize.

        Args:
            args: As for the stock sink.
            kwargs: As for the stock sink.
        """
        super().__init__(*args, **kwargs)
        self._target = kwargs.get("target") or args[0]
        #: When the oldest record came that is neither loaded nor spooled; by `time.monotonic`.
        self.since: float | None = None
        self._waiting = Waiting()
        #: Columns that the stream's map sets to the same value in all records.
        self.mapped_constants: Mapping[str, Any] = {}
        #: The expressions of the stream's map, by the properties that they make.
        self.mapped_expressions: Mapping[str, str] = {}

    @property
    @override
    def schema_name(self) -> str | None:
        schema: str | None = self._target.naming.of(self.stream_name).schema
        return schema

    @property
    @override
    def table_name(self) -> str:
        return str(self._target.naming.of(self.stream_name).table)

    @override
    def setup(self) -> None:
        """Make or adapt the table.

        Raises:
            LoadError: If it cannot be what the stream needs.
        """
        self.append_only = (
            self.config.get("load_method") == "append-only" or not self.key_properties
        )
        keys = () if self.append_only else self.key_properties
        naming = self._target.naming
        destination = Destination(self.schema_name, self.table_name, keys, stream=self.stream_name)
        self._table = StreamTable(self, destination)
        self._table.prepare(naming)
        self._target.load_log.begin(self.connector, self._load())
        self._versions = Versions(
            self._table,
            flush=lambda: self.process_batch({}),
            take=self._take,
            committed=self._committed,
        )

    def _load(self) -> Load:
        """What the log of loads has to know of the stream."""
        bookmark, key = self._target.source_bookmark, self._target.source_replication_key
        constant = self.schema.get("properties", {}).get(CLIENT_ID, {}).get("const")
        columns = self._table.columns.items()
        return Load(
            stream=self.stream_name,
            table=(self.schema_name or self._target.session_schema, self.table_name),
            client_id=None if constant is None else str(constant),
            replication_key=next((name for name, one in columns if one.source == key), None),
            bookmark=bookmark,
        )

    def log(self, cursor: Cursor[Any], counts: Counts, seconds: float) -> None:
        """Write what becomes of the stream's records into the log of loads.

        Args:
            cursor: Within the transaction that loads them.
            counts: What will be once it is committed.
            seconds: How long the stream was loaded for.
        """
        self._target.load_log.write(cursor, self.stream_name, counts, seconds)

    def inherit(self, earlier: PostgresSink) -> None:
        """Go on for a sink whose schema has changed.

        Args:
            earlier: It. It was drained.
        """
        self._table.inherit(earlier._table)
        self._versions.inherit(earlier._versions)

    # Records.

    @override
    def get_validator(self) -> RecordValidator | None:
        return RecordValidator(self.schema) if self.validate_schema else None

    @property
    @override
    def current_size(self) -> int:
        """Records that wait to be loaded, and such as were found not to fit."""
        return self._waiting.rows

    @property
    def size(self) -> int:
        """Bytes that wait to be loaded."""
        return self._waiting.size

    @property
    def counts(self) -> Counts:
        """What became of the stream's records so far."""
        return self._table.counts

    @property
    def load_seconds(self) -> float:
        """How long loading them took."""
        return self._table.load_seconds

    @property
    def seen(self) -> int:
        """How many records came."""
        return self.counts.read + len(self._waiting.messages)

    @property
    def is_settled(self) -> bool:
        """Whether all that came is loaded or rejected."""
        waits = self.current_size or self._target.aside.is_busy or self.unconfirmed()
        return not waits

    @property
    @override
    def is_full(self) -> bool:
        rows = self.batch_size_rows
        return rows is not None and self.current_size >= rows

    def add(self, message: Message) -> None:
        """Take a record.

        Args:
            message: The RECORD message.

        Raises:
            BadRecordError: If it, or one just before it, does not fit.
        """
        self._note_record()
        if self._waiting.add(message):
            self._read()

    def add_dict(self, record: dict[str, Any], message: Message) -> None:
        """Take a record that a stream map made, or that is to be validated.

        Args:
            record: The record.
            message: The message it came in.

        Raises:
            BadRecordError: If it does not fit.
        """
        encoded, unfit = written(record)
        if unfit is not None:
            self._reject([unfit])
            return
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except NOT_VALID as error:
                self._reject([Misfit(encoded, broken_rule(error))])
                return
        self.add(
            Message(
                type="RECORD",
                record=msgspec.Raw(encoded),
                time_extracted=message.time_extracted,
                version=message.version,
            )
        )

    def reject_unmapped(self, record: dict[str, Any], failures: Sequence[Failure]) -> None:
        """Take a record on which expressions of the stream's map failed.

        Args:
            record: What the map made of it.
            failures: What it did not.

        Raises:
            BadRecordError: If such records are not to be set aside.
        """
        self._reject([unmapped(record, failures)])

    @property
    def kinds(self) -> dict[str, str]:
        """What the fields' bytes and texts in a file are, as for `records_json`."""
        found = {}
        for one in self._table.columns.values():
            kind = family(one.type)
            if kind == "json" and (not one.json_types or "string" in one.json_types):
                kind = "json or text"
            found[one.source] = kind
        return found

    def reject(self, record: bytes, reason: str) -> None:
        """Take a record that cannot be read.

        Args:
            record: Its text.
            reason: What is wrong with it.

        Raises:
            BadRecordError: If such records are not to be set aside.
        """
        self._reject([Misfit(record, reason)])

    def _reject(self, misfits: Sequence[Misfit]) -> None:
        self._note_record()
        self._table.counts.read += len(misfits)
        self._set_aside(misfits)

    def _note_record(self) -> None:
        if self.since is None:
            self.since = time.monotonic()
            self._target.states.record(self.stream_name)

    def _read(self) -> None:
        """Make columns of the messages at hand."""
        count = len(self._waiting.messages)
        if not count:
            return
        try:
            misfits = self._waiting.read(self._table.reader)
        except ColumnTooNarrowError as error:
            # The messages go on waiting, so that no state is passed on which covers them.
            self._flush()
            self._table.widen(error.column, error.to)
            self._read()
            return
        self._table.counts.read += count
        self.tally_record_read(count)
        self.record_counter_metric.increment(count)
        self._table.warn_of_unknown(self._table.reader.unknown)
        self._set_aside(misfits)
        self._target.relieve()

    def _set_aside(self, misfits: Sequence[Misfit]) -> None:
        misfits = explained(misfits, self.mapped_expressions)
        if misfits and not self._table.sets_aside:
            self._table.fail(misfits)
        self._waiting.add_misfits(misfits)

    # Loading.

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self._read()
        self._flush()

    def load_aside(self) -> None:
        """Load what is held while the next records are read."""
        self._read()
        if self._versions.spool is not None:
            self._flush()
            return
        tables, misfits = self._waiting.take()
        self.mark_drained()
        if not tables and not misfits:
            return
        self.since = None
        records = self._target.states.in_flight(self.stream_name)
        refusals: list[OversizedRecordError] = []

        def load() -> None:
            try:
                self._table.load(lambda: iter(tables), misfits, aside=True)
            except OversizedRecordError as error:
                refusals.append(error)

        def then() -> None:
            if refusals:
                self._refuse(refusals[0])
            else:
                self._committed(records)

        self._target.aside.begin(load, then)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Go on with the other streams where a record is too large for the table."""
        try:
            yield
        except OversizedRecordError as error:
            # Never said to be committed, so no state passes.
            self._target.states.in_flight(self.stream_name)
            self._refuse(error)

    def _refuse(self, error: OversizedRecordError) -> None:
        self._table.failed = True
        self._target.refuse(self.stream_name, error)

    def _take(self) -> tuple[Sequence[pa.Table], Sequence[Misfit]]:
        """Give what is held, to be loaded by the caller."""
        self._read()
        self._target.aside.settle()
        self.mark_drained()
        self.since = None
        return self._waiting.take()

    def _flush(self) -> None:
        """Load what is held, or spool it."""
        self._target.aside.settle()
        tables, misfits = self._waiting.take()
        self.mark_drained()
        spool = self._versions.spool
        if spool is not None:
            for table in tables:
                spool.write(self._table.noted(table))
            if misfits:
                self._table.set_aside(misfits)
        elif tables or misfits:
            with self._refusing():
                self._table.load(lambda: iter(tables), misfits)
        if self._waiting.messages:
            return
        self.since = None
        if spool is None:
            self._committed()

    def _committed(self, records: Hashable | None = None) -> None:
        """Let states pass that waited for these records; by default for all of the stream."""
        if records is not None or not self._table.failed:
            self._target.states.committed(records or self.stream_name)
            self._target.emit_state()

    def load_files(self, files: Sequence[BatchFile]) -> None:
        """Load the files of a BATCH message, all or nothing, and remove those made for us.

        Args:
            files: The files.

        Raises:
            BadRecordError: If a row does not fit.
            InputError: If a file cannot be read.
        """
        self.process_batch({})
        self._note_record()
        self.since = None
        rows = FileRows(files, self._table, self._target.batch_size_bytes)
        spool = self._versions.spool
        mark = spool.mark() if spool is not None else (0, 0)
        while True:
            try:
                if spool is not None:
                    spool.rewind(mark)
                    for table in rows.tables():
                        spool.write(self._table.noted(table))
                    if rows.misfits:
                        self._table.set_aside(rows.misfits)
                else:
                    with self._refusing():
                        self._table.load(lambda: ahead(rows.tables()), rows.misfits, whole=True)
            except ColumnTooNarrowError as error:
                self._table.widen(error.column, error.to)
            else:
                break
        self._table.counts.read += rows.count + len(rows.misfits)
        if spool is None:
            self._committed()
        for file in files:
            file.remove()

    # Versions.

    @override
    def activate_version(
        self, new_version: int, *, follows_records: bool = True, complete: bool = False
    ) -> None:
        """Take an ACTIVATE_VERSION: older rows go, if it says that the version is complete.

        Args:
            new_version: The version.
            follows_records: Whether records of the stream came since its last SCHEMA message, or
                since its last activation.
            complete: Whether the tap has ended well, and all rows of the stream came in this run.
        """
        with self._refusing():
            self._versions.activate(new_version, follows_records=follows_records, complete=complete)

    def finish(self) -> Unconfirmed | None:
        """The input has ended: see what was never said to be complete.

        Returns:
            The rows that are not loaded; None if all are.
        """
        return self._versions.finish()

    def try_orphans(self) -> bool:
        """Load rows whose parents have come after them.

        Returns:
            Whether the table took any: rows of other streams may refer to these.
        """
        return self._table.try_orphans()

    def unconfirmed(self) -> Unconfirmed | None:
        """Rows that wait to be complete.

        Returns:
            How many, and of what; None if there are none.
        """
        return self._versions.unconfirmed()

    def forget(self) -> None:
        """Let go of the rows that were never completed."""
        self._versions.forget()
