"""One stream into one table."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from singer_sdk.exceptions import InvalidRecord
from target_postgres.sinks import PostgresSink as StockSink
from typing_extensions import override

from signalroom_target_postgres import rejected
from signalroom_target_postgres.ahead import ahead
from signalroom_target_postgres.columns import column
from signalroom_target_postgres.connector import PostgresConnector
from signalroom_target_postgres.destination import Destination
from signalroom_target_postgres.loading import Writer, retire
from signalroom_target_postgres.records import (
    METADATA,
    ColumnTooNarrowError,
    Message,
    Misfit,
    RecordReader,
)
from signalroom_target_postgres.spool import Spool
from signalroom_target_postgres.sqltypes import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from psycopg import Cursor

    from signalroom_target_postgres.batchfiles import BatchFile

#: In a stream's schema: its rows replace the table's when ACTIVATE_VERSION says that they are
#: complete, and not before.
REPLACE_ON_ACTIVATE = "x-replace-on-activate"

_READ_AT_ONCE = 256
_READ_BYTES = 1 << 20
#: Bytes of a file that are sent while the next are read.
_PORTION = 4 << 20

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


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
        self._messages: list[Message] = []
        self._message_bytes = 0
        self._batches: list[pa.RecordBatch] = []
        self._batched_rows = 0
        self._batched_bytes = 0
        self._misfits: list[Misfit] = []
        self._failed = False
        self._fresh: bool | None = None
        self._had_records = False
        self._state_since_record = False
        self._announced: int | None = None
        self._spool: Spool | None = None
        self._replaced = False
        self._warned: set[str] = set()

    # The table.

    @override
    def setup(self) -> None:
        """Make or adapt the table.

        Raises:
            LoadError: If it cannot be what the stream needs.
        """
        self.append_only = self._load_method == "append-only" or not self.key_properties
        keys = () if self.append_only else self.key_properties
        self._destination = Destination(self.schema_name, self.table_name, keys)
        wanted = {
            name: type_name(self.connector.to_sql_type(schema))
            for name, schema in self.schema["properties"].items()
        }
        self.connector.in_transaction(lambda cursor: self._destination.prepare(cursor, wanted))
        self._read_by_types()
        if self._load_method == "overwrite" or (
            self._may_replace and self.schema.get(REPLACE_ON_ACTIVATE)
        ):
            self._spool = Spool()

    @property
    def _load_method(self) -> str:
        return str(self.config.get("load_method", "upsert"))

    @property
    def _may_replace(self) -> bool:
        return bool(self.config.get("activate_version") and self.config.get("hard_delete"))

    @property
    def _scope(self) -> dict[str, Any]:
        """What all rows of the stream have in common; rows of other clients are not its own."""
        return {
            name: schema["const"]
            for name, schema in self.schema["properties"].items()
            if "const" in schema
        }

    def _read_by_types(self) -> None:
        required = set(self.schema.get("required", ()))
        columns = [
            column(
                name,
                schema,
                self._destination.types[name],
                required=name in required,
                key=name in self.key_properties,
            )
            for name, schema in self.schema["properties"].items()
        ]
        with_metadata = self.include_sdc_metadata_properties
        self._columns = {one.name: one for one in columns}
        self._reader = RecordReader(
            [one for one in columns if not (with_metadata and one.name in METADATA)],
            [self._columns[name] for name in METADATA] if with_metadata else (),
            self.sync_started_at,
        )

    def inherit(self, earlier: PostgresSink) -> None:
        """Go on for a sink whose schema has changed.

        Args:
            earlier: It. It was drained.
        """
        self._had_records = earlier._had_records
        self._state_since_record = earlier._state_since_record
        self._announced = earlier._announced
        self._failed = earlier._failed
        self._fresh = earlier._fresh
        if earlier._spool is not None:
            self._spool, earlier._spool = earlier._spool, None

    # Records.

    @property
    @override
    def current_size(self) -> int:
        """Records that wait to be loaded, and such as were found not to fit."""
        return len(self._messages) + self._batched_rows + len(self._misfits)

    @property
    def size(self) -> int:
        """Bytes that wait to be loaded."""
        return self._message_bytes + self._batched_bytes

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
        self._messages.append(message)
        self._message_bytes += len(memoryview(message.record))
        if len(self._messages) >= _READ_AT_ONCE or self._message_bytes >= _READ_BYTES:
            self._read()

    def add_dict(self, record: dict[str, Any], message: Message) -> None:
        """Take a record that a stream map made, or that is to be validated.

        Args:
            record: The record.
            message: The message it came in.

        Raises:
            BadRecordError: If it does not fit.
        """
        encoded = _encode(record)
        if self._validator is not None:
            try:
                self._validator.validate(record)
            except InvalidRecord as error:
                self._note_record()
                self._set_aside([Misfit(encoded, _invalid(error))])
                return
        self.add(
            Message(
                type="RECORD",
                record=msgspec.Raw(encoded),
                time_extracted=message.time_extracted,
                version=message.version,
            )
        )

    def reject(self, record: bytes, reason: str) -> None:
        """Take a record that cannot be read.

        Args:
            record: Its text.
            reason: What is wrong with it.

        Raises:
            BadRecordError: If such records are not to be set aside.
        """
        self._note_record()
        self._set_aside([Misfit(record, reason)])

    def _note_record(self) -> None:
        if self.since is None:
            self.since = time.monotonic()
            self._target.states.record(self.stream_name)
        self._had_records = True
        self._state_since_record = False

    def note_state(self) -> None:
        """Note that a state came: a tap that sends one after its last record is done with it."""
        self._state_since_record = True

    def _read(self) -> None:
        """Make columns of the messages at hand."""
        messages, self._messages = self._messages, []
        self._message_bytes = 0
        if not messages:
            return
        try:
            batches, misfits = self._reader.read(messages)
        except ColumnTooNarrowError as error:
            # Not loaded yet, so that no state is passed on which covers them.
            self._messages = messages
            self._flush()
            self._widen(error.column)
            self._read()
            return
        self.tally_record_read(len(messages))
        self.record_counter_metric.increment(len(messages))
        self._batches += batches
        self._batched_rows += sum(batch.num_rows for batch in batches)
        self._batched_bytes += sum(batch.nbytes for batch in batches)
        self._warn_of_unknown(self._reader.unknown)
        self._set_aside(misfits)
        self._target.relieve()

    def _widen(self, name: str) -> None:
        self.connector.in_transaction(
            lambda cursor: self._destination.widen(cursor, name, "numeric")
        )
        self._read_by_types()

    def _warn_of_unknown(self, fields: set[str]) -> None:
        for name in fields - self._warned:
            self._warned.add(name)
            if not name.startswith("_sdc_"):
                self.logger.warning(
                    "Records of %s have the field %r, which its schema does not have: it (and "
                    "others like it) is not loaded",
                    self.stream_name,
                    name,
                )

    def _set_aside(self, misfits: Sequence[Misfit]) -> None:
        if not misfits:
            return
        if self.config.get("on_bad_record") != "quarantine":
            self._fail(misfits)
        self._misfits += misfits
        self._batched_bytes += sum(len(misfit.record) for misfit in misfits)

    def _fail(self, misfits: Sequence[Misfit]) -> None:
        # What was read and fits is loaded, but no state may pass over what does not.
        self._failed = True
        first, more = misfits[0], len(misfits) - 1
        beside = self._destination.sibling(rejected.SUFFIX)
        msg = (
            f"A record of stream {self.stream_name} ({rejected.key_of(first, self.key_properties)})"
            f" does not fit its table {self._destination}: {rejected.describe(first)}"
            f"{f'; and {more} more' if more else ''}. Correct it at its source or in the tap; or "
            f"set `on_bad_record` to quarantine: such records then go to {beside}, and the run "
            f"goes on."
        )
        raise rejected.BadRecordError(msg)

    # Loading.

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self._read()
        self._flush()

    def load_aside(self) -> None:
        """Load what is held while the next records are read."""
        self._read()
        if self._spool is not None:
            self._flush()
            return
        tables, misfits = self._take()
        if not tables and not misfits:
            return
        self.since = None
        records = self._target.states.in_flight(self.stream_name)
        self._target.aside.begin(
            lambda: self._load(lambda: iter(tables), misfits, aside=True),
            lambda: self._committed(records),
        )

    def _take(self) -> tuple[list[pa.Table], list[Misfit]]:
        """Hold nothing any more; give what was held."""
        taken = _tables_of(self._batches), self._misfits
        self._batches, self._batched_rows, self._batched_bytes = [], 0, 0
        self._misfits = []
        self.mark_drained()
        return taken

    def _flush(self) -> None:
        """Load what is held, or spool it."""
        self._target.aside.settle()
        tables, misfits = self._take()
        if self._spool is not None:
            for table in tables:
                self._spool.write(table)
            if misfits:
                self.connector.in_transaction(
                    lambda cursor: rejected.keep(cursor, self._destination, misfits)
                )
                self._report(0, misfits)
        elif tables or misfits:
            self._load(lambda: iter(tables), misfits)
        if self._messages:
            return
        self.since = None
        if self._spool is None:
            self._committed()

    def _load(
        self,
        tables: Callable[[], Iterator[pa.Table]],
        misfits: Sequence[Misfit] = (),
        *,
        clear: bool = False,
        whole: bool = False,
        aside: bool = False,
    ) -> None:
        """Load rows in one transaction.

        Args:
            tables: Gives the rows, each time it is called.
            misfits: Records to set aside with them.
            clear: Whether to delete the table's rows before.
            whole: Whether none is to be loaded if one does not fit.
            aside: Whether this is a thread beside the main one already.
        """
        quarantine = self.config.get("on_bad_record") == "quarantine"

        def work(cursor: Cursor[Any]) -> tuple[int, Writer]:
            if self._fresh is None:
                self._fresh = not self._destination.has_rows(cursor)
            writer = Writer(
                self._destination,
                self._columns,
                replace_nul=self.connector.sanitize_null_text_characters,
                fresh=self._fresh,
                threaded=not aside,
            )
            if clear:
                writer.clear(cursor, self._scope)
            count = 0
            for table in tables():
                writer.write(cursor, table)
                count += table.num_rows
            if whole and writer.misfits and not quarantine:
                self._fail(writer.misfits)
            if quarantine and (misfits or writer.misfits):
                rejected.keep(cursor, self._destination, [*misfits, *writer.misfits])
            return count, writer

        # Where rows have keys, or all are replaced, doing it again gives the same.
        again = clear or bool(self._destination.keys)
        count, writer = self.connector.in_transaction(work, repeatable=again)
        self._fresh = writer.fresh
        self._report(count - len(writer.misfits), [*misfits, *writer.misfits])
        if writer.misfits and not quarantine:
            self._fail(writer.misfits)

    def _report(self, count: int, misfits: Sequence[Misfit]) -> None:
        if count:
            self.logger.info("Loaded %d records into %s", count, self._destination)
        if misfits and self.config.get("on_bad_record") == "quarantine":
            self.logger.warning(
                "Set aside %d records of %s in %s; the first (%s): %s",
                len(misfits),
                self.stream_name,
                self._destination.sibling(rejected.SUFFIX),
                rejected.key_of(misfits[0], self.key_properties),
                rejected.describe(misfits[0]),
            )

    def _committed(self, records: Hashable | None = None) -> None:
        """Let states pass that waited for these records; by default for all of the stream."""
        if records is not None or not self._failed:
            self._target.states.committed(records or self.stream_name)
            self._target.emit_state()

    # Files.

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
        misfits: list[Misfit] = []

        def tables() -> Iterator[pa.Table]:
            misfits.clear()
            for file in files:
                yield from self._tables(file, misfits)

        mark = self._spool.mark() if self._spool is not None else (0, 0)
        while True:
            try:
                if self._spool is not None:
                    self._spool.rewind(mark)
                    for table in tables():
                        self._spool.write(table)
                else:
                    self._load(lambda: ahead(tables()), misfits, whole=True)
            except ColumnTooNarrowError as error:
                self._widen(error.column)
            else:
                break
        if self._spool is None:
            self._committed()
        for file in files:
            file.remove()

    def _tables(self, file: BatchFile, misfits: list[Misfit]) -> Iterator[pa.Table]:
        """Read a file in portions of the size of a batch."""
        held: list[pa.RecordBatch] = []
        size = 0
        for batches, bad in self._portions(file):
            misfits += bad
            if bad and self.config.get("on_bad_record") != "quarantine":
                self._fail(bad)
            held += batches
            size += sum(batch.nbytes for batch in batches)
            self.record_counter_metric.increment(sum(batch.num_rows for batch in batches))
            if size >= min(self._target.batch_size_bytes, _PORTION):
                yield from _tables_of(held)
                held, size = [], 0
        yield from _tables_of(held)

    def _portions(
        self, file: BatchFile
    ) -> Iterator[tuple[Sequence[pa.RecordBatch], Sequence[Misfit]]]:
        if file.has_columns:
            for batch in file.columns():
                self._warn_of_unknown(set(batch.schema.names) - set(self._columns))
                yield self._reader.fit(batch)
        else:
            for messages in file.records():
                yield self._reader.read(messages)

    # Versions.

    @override
    def activate_version(self, new_version: int) -> None:
        """Let the rows of this version be all there are.

        Taps announce a version before its records, as the SDK's do, or tell that it is complete
        after them, as the Singer specification has it; or both.

        Args:
            new_version: The version.
        """
        if not self.config.get("activate_version"):
            self.logger.debug("ACTIVATE_VERSION of %s: activate_version is off", self.stream_name)
        elif self._had_records or self.schema.get(REPLACE_ON_ACTIVATE):
            self._complete(new_version)
        else:
            self._announced = new_version
            if self._may_replace and self._spool is None:
                self._spool = Spool()

    def finish(self) -> None:
        """The input has ended: complete what can only be completed now."""
        if self._spool is None and self._announced is None:
            return
        if self.schema.get(REPLACE_ON_ACTIVATE) or not self._state_since_record:
            self._discard()
        else:
            self._complete(self._announced)

    def _discard(self) -> None:
        if self._spool is None or (self._replaced and not self._spool.rows):
            return
        self.logger.warning(
            "The tap did not say that %s is complete: its %d new records are not loaded, and %s "
            "stays as it was",
            self.stream_name,
            self._spool.rows,
            self._destination,
        )
        self._spool.close()
        if self.schema.get(REPLACE_ON_ACTIVATE):
            # It is read whole each time: no state passes over what was not loaded.
            self._committed()

    def forget(self) -> None:
        """Let go of the rows that were never completed."""
        if self._spool is not None:
            self._spool.close()

    def _complete(self, version: int | None) -> None:
        self.process_batch({})
        if self._failed:
            return
        self._announced = None
        if self._spool is not None:
            self._replace(self._spool)
        elif version is not None:
            self._retire(version)

    def _replace(self, spool: Spool) -> None:
        """Let the spooled rows take the place of the table's, in one transaction."""
        at_once = self._target.batch_size_bytes
        self._load(lambda: spool.read(at_once), clear=True, whole=True)
        self.logger.info("Replaced the rows of %s by %d new ones", self._destination, spool.rows)
        spool.close()
        self._replaced = True
        self.since = None
        self._committed()

    def _retire(self, version: int) -> None:
        """Delete the rows of earlier versions, or mark them as deleted."""
        if self.version_column_name not in self._destination.types:
            self.logger.warning(
                "ACTIVATE_VERSION of %s cannot be obeyed without add_record_metadata: deleted "
                "rows stay",
                self.stream_name,
            )
            return
        mark = None if self.config.get("hard_delete") else self.soft_delete_column_name
        count = self.connector.in_transaction(
            lambda cursor: retire(
                cursor,
                self._destination,
                {self.version_column_name: version},
                self._scope,
                mark=mark,
            )
        )
        if count:
            what = "Marked as deleted" if mark else "Deleted"
            self.logger.info("%s %d rows of %s", what, count, self._destination)


def _tables_of(batches: Sequence[pa.RecordBatch]) -> list[pa.Table]:
    """Join batches whose columns have the same types."""
    groups = groupby(batches, key=lambda batch: batch.schema)
    return [pa.Table.from_batches([*group]) for _, group in groups]


def _invalid(error: InvalidRecord) -> str:
    """What JSON-schema validation found, without the value."""
    cause = error.__cause__
    path = getattr(cause, "json_path", "$")
    rule = getattr(cause, "validator", "schema")
    return f"at {path} it breaks the schema's `{rule}`: {getattr(cause, 'validator_value', '')}"
