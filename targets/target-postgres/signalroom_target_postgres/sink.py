"""One stream: buffers its records, has them loaded, and counts and logs the outcome."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from target_postgres.sinks import PostgresSink as StockSink
from typing_extensions import override

from signalroom_singer.progress import REPORTER, Progress
from signalroom_singer.scopes import COMPLETE_SCOPES
from signalroom_target_postgres.connection.connector import PostgresConnector
from signalroom_target_postgres.messages.models import Message
from signalroom_target_postgres.messages.rejects import RejectedRecord, RejectedRecordsError
from signalroom_target_postgres.rows.background import prefetch_one
from signalroom_target_postgres.rows.buffer import RecordBuffer
from signalroom_target_postgres.rows.decoder import ColumnTooNarrowError
from signalroom_target_postgres.rows.file_batches import FileBatches
from signalroom_target_postgres.rows.mapped_records import encode_mapped, name_expressions
from signalroom_target_postgres.rows.metadata import LOADED_AT
from signalroom_target_postgres.scoped_rows import ScopedBatch, ScopedRows
from signalroom_target_postgres.spec import Removal, StreamSpec
from signalroom_target_postgres.stream_log import StreamLog
from signalroom_target_postgres.values.sql_types import type_family
from signalroom_target_postgres.warehouse import history
from signalroom_target_postgres.warehouse.counts import Counts
from signalroom_target_postgres.warehouse.full_refresh import REPLACE_ON_ACTIVATE, FullRefresh
from signalroom_target_postgres.warehouse.load_log import CLIENT_ID, LogEntry
from signalroom_target_postgres.warehouse.outdated_rows import Activation
from signalroom_target_postgres.warehouse.rejected import (
    OversizedRecordError,
    bad_record_error,
)
from signalroom_target_postgres.warehouse.stream_loader import Batch, LoadResult, StreamLoader
from signalroom_target_postgres.warehouse.table import Table
from signalroom_target_postgres.warehouse.vanished_rows import TooManyVanishedError

if TYPE_CHECKING:
    import logging
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from signalroom_target_postgres.errors import Unconfirmed
    from signalroom_target_postgres.messages.batch_files import BatchFile
    from signalroom_target_postgres.messages.record_lines import Lines
    from signalroom_target_postgres.rows.staging_file import StagingFile
    from signalroom_target_postgres.rows.validation import RecordValidator
    from signalroom_target_postgres.run import Run
    from signalroom_target_postgres.warehouse.scopes import Scope


class PostgresSink(StockSink):  # type: ignore[misc] # the stock target is untyped
    """The stock sink, loading columns by COPY in place of rows by INSERT."""

    connector_class = PostgresConnector
    logger: logging.Logger

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize."""
        super().__init__(*args, **kwargs)
        target = kwargs.get("target") or args[0]
        self._run: Run = target.run
        #: `time.monotonic()` when the oldest record arrived that is neither loaded nor staged.
        self.oldest_record_at: float | None = None
        #: Counts of the stream's records so far.
        self.counts = Counts()
        self._buffer = RecordBuffer()
        #: Whether a record did not fit and was not quarantined: no state beyond it may be emitted.
        self._failed = False
        # The expressions of the stream's map, by the properties that they make.
        self._expressions: Mapping[str, str] = {}

    @property
    @override
    def schema_name(self) -> str | None:
        return self._run.naming.of(self.stream_name).schema

    @property
    @override
    def table_name(self) -> str:
        return self._run.naming.of(self.stream_name).table

    @override
    def setup(self) -> None:
        """Create or adapt the table.

        Raises:
            LoadError: If the table cannot be what the stream needs.
        """
        spec = self._make_spec()
        self.append_only = not spec.merge_keys
        table = Table(self.schema_name, self.table_name, spec.merge_keys, stream=self.stream_name)
        self._loader = StreamLoader(spec, table, self.connector, self._run.load_log)
        self._refresh = FullRefresh(spec)
        self._log = StreamLog(self.logger, spec.name, table, self._loader.rejected_table)
        self._log.log_notes(self._loader.prepare(self._run.naming))
        if spec.keeps_history and not spec.merge_keys:
            self._log.warn_no_history()
        # Where the tap says which scopes are complete, rows wait for that, as records or in files.
        self._scoped: ScopedRows | None = None
        self._held_files: list[BatchFile] = []
        # From a table without rows, none can vanish.
        if spec.removal is not None and self._refresh.staging is None and self._loader.has_rows():
            self._scoped = ScopedRows(self._loader.tag_types, spec.batch_bytes)
        self._run.load_log.begin(self.connector, self._make_log_entry())

    def _make_spec(self) -> StreamSpec:
        config = self.config
        removal = self._make_removal()
        return StreamSpec(
            name=self.stream_name,
            schema=self._with_mark(self.schema) if removal and removal.marks else self.schema,
            key_properties=self.key_properties,
            load_method=config.get("load_method") or "upsert",
            quarantines=config.get("on_bad_record") == "quarantine",
            obeys_activate_version=bool(config.get("activate_version")),
            hard_delete=bool(config.get("hard_delete")),
            deletion_column=self.soft_delete_column_name,
            has_metadata=self.include_sdc_metadata_properties,
            adds_comments=bool(config.get("add_comments")),
            skips_unchanged=LOADED_AT in self.schema["properties"]
            and not self.schema.get(REPLACE_ON_ACTIVATE),
            replace_nul=self.connector.sanitize_null_text_characters,
            sync_started_at=self.sync_started_at,
            batch_bytes=int(config["batch_size_bytes"]),
            removal=removal,
            keeps_history=history.is_named(self.stream_name, config["history_streams"]),
        )

    def _with_mark(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add the column that marks rows; it is null in records, so that a row can come back."""
        mark = {"type": ["string", "null"], "format": "date-time"}
        properties = {self.soft_delete_column_name: mark} | schema["properties"]
        return {**schema, "properties": properties}

    def _make_removal(self) -> Removal | None:
        """What becomes of rows that vanish; None if the tap does not tell, or nothing does."""
        config = self.config
        method, load_method = config["removed_rows"], config.get("load_method") or "upsert"
        has_scopes = bool(self.schema.get(COMPLETE_SCOPES)) and bool(self.key_properties)
        if not has_scopes or method == "keep" or load_method != "upsert":
            return None
        return Removal(
            method,
            self.soft_delete_column_name,
            max_share_of_scope=float(config["max_removed_share_of_scope"]),
            max_share_of_run=float(config["max_removed_share_of_run"]),
        )

    def _make_log_entry(self) -> LogEntry:
        source = self._run.source
        client = self.schema.get("properties", {}).get(CLIENT_ID, {}).get("const")
        columns = self._loader.columns.by_name.items()
        return LogEntry(
            stream=self.stream_name,
            table=(self.schema_name or self._run.naming.session_schema, self.table_name),
            client_id=None if client is None else str(client),
            replication_key=next(
                (name for name, column in columns if column.field == source.replication_key), None
            ),
            bookmark=source.bookmark,
        )

    def use_map(self, constants: Mapping[str, Any], expressions: Mapping[str, str]) -> None:
        """Note what the stream's map makes of its records.

        Args:
            constants: Fields that it sets to the same value in all records.
            expressions: Its expressions, by the properties that they make.
        """
        self._loader.outdated.map_constants = constants
        self._expressions = expressions

    def resume_from(self, previous: PostgresSink) -> None:
        """Go on from the sink of the stream before its schema changed."""
        self._failed = previous._failed
        self.counts = previous.counts
        self._loader.resume_from(previous._loader)
        self._refresh.resume_from(previous._refresh)
        if self._scoped is not None:
            # Records that came before are loaded: they are missing from what completes their scope.
            self._scoped.cut()

    # Records.

    @override
    def get_validator(self) -> RecordValidator | None:
        if not self.validate_schema:
            return None
        # Imported late, as it imports jsonschema: a tenth of the start of the loader.
        from signalroom_target_postgres.rows.validation import RecordValidator  # noqa: PLC0415

        return RecordValidator(self.schema)

    @property
    @override
    def current_size(self) -> int:
        """Records that are buffered, rejected ones included."""
        waiting = len(self._held_files) + (self._scoped.rows if self._scoped else 0)
        return self._buffer.rows + waiting

    @property
    def size(self) -> int:
        """Bytes that are buffered."""
        return self._buffer.size + (self._scoped.size if self._scoped else 0)

    @property
    def records_read(self) -> int:
        """How many records came."""
        return self.counts.read + self._buffer.undecoded_rows

    @property
    def is_settled(self) -> bool:
        """Whether all records that came are loaded or rejected."""
        return not (self.current_size or self._run.background.is_busy or self.unconfirmed_rows())

    @property
    @override
    def is_full(self) -> bool:
        if self.batch_size_rows is None:
            return False
        # Not those on the disk: they wait for their scope to be complete.
        in_memory = self._buffer.rows + (self._scoped.rows_in_memory if self._scoped else 0)
        return in_memory >= int(self.batch_size_rows)

    def add(self, message: Message) -> bool:
        """Buffer a record.

        Args:
            message: The RECORD message.

        Returns:
            Whether the buffer was decoded, so that its size may have grown.

        Raises:
            BadRecordError: If it, or one just before it, does not fit.
        """
        self._note_record()
        if self._scoped is not None and self._held_files:
            self._load_held(self._scoped)
        if self._buffer.has_lines:
            self._decode()
        if self._buffer.add(message):
            self._decode()
            return True
        return False

    def add_lines(self, lines: Lines) -> bool:
        """Buffer records that can be decoded together.

        Args:
            lines: Lines that look like RECORD messages of the stream.

        Returns:
            Whether they are buffered; if not, each has to be added as a message.

        Raises:
            BadRecordError: If one just before them does not fit.
        """
        if self.batch_size_rows is not None:
            return False
        if self._scoped is not None and self._held_files:
            self._load_held(self._scoped)
        if self._buffer.messages:
            self._decode()
        is_due = self._buffer.add_lines(lines, self._loader.columns.decoder)
        if is_due is None:
            return False
        self._note_record()
        if is_due:
            self._decode()
        return True

    def add_mapped(self, record: dict[str, Any], message: Message) -> bool:
        """Buffer a record that a stream map made, or that has to be validated.

        Args:
            record: The record itself.
            message: The message it came in.

        Returns:
            Whether the buffer was decoded, so that its size may have grown.

        Raises:
            BadRecordError: If the record does not fit.
        """
        encoded, reject = encode_mapped(record)
        if reject is None and self._validator is not None:
            violation = self._validator.describe_violation(record)
            reject = violation and RejectedRecord(encoded, violation)
        if reject is not None:
            self.reject(reject)
            return False
        return self.add(
            Message(
                type="RECORD",
                record=msgspec.Raw(encoded),
                time_extracted=message.time_extracted,
                version=message.version,
            )
        )

    def reject(self, reject: RejectedRecord) -> None:
        """Reject a record that cannot be decoded, or that the stream's map cannot be applied to.

        Args:
            reject: The record, with the reason.

        Raises:
            BadRecordError: If such records are not quarantined.
        """
        self._note_record()
        self.counts.read += 1
        self._buffer_rejects([reject])

    @property
    def text_kinds(self) -> dict[str, str]:
        """What the fields' bytes and texts in a file are, as for `records_json`."""
        kinds = {}
        for column in self._loader.columns.by_name.values():
            kind = type_family(column.type)
            if kind == "json" and (not column.json_types or "string" in column.json_types):
                kind = "json or text"
            kinds[column.field] = kind
        return kinds

    def _note_record(self) -> None:
        if self.oldest_record_at is None:
            self.oldest_record_at = time.monotonic()
            self._run.states.mark_pending(self.stream_name)

    def _decode(self) -> None:
        """Decode the buffered messages."""
        count = self._buffer.undecoded_rows
        if not count:
            return
        decoder = self._loader.columns.decoder
        try:
            rejects = self._buffer.decode(decoder)
        except ColumnTooNarrowError as error:
            # The messages stay buffered, so that no state that covers them is emitted.
            if self._scoped is None:
                self._load_buffer()
            else:
                self._load_complete(self._scoped)
                self._scoped.set_aside(self._buffer)
            self._widen(error)
            self._decode()
            return
        self.counts.read += count
        self.tally_record_read(count)
        self.record_counter_metric.increment(count)
        self._log.warn_unknown_fields(decoder.unknown_fields)
        self._buffer_rejects(rejects)

    def _widen(self, error: ColumnTooNarrowError) -> None:
        self._log.log_notes(self._loader.widen(error.column, error.to))

    def _buffer_rejects(self, rejects: Sequence[RejectedRecord]) -> None:
        rejects = name_expressions(rejects, self._expressions)
        if rejects and not self._loader.spec.quarantines:
            self._fail(rejects)
        self._buffer.add_rejects(rejects)

    def _fail(self, rejects: Sequence[RejectedRecord]) -> NoReturn:
        """Fail the run, or the stream where a record is too large; no state passes over it.

        Raises:
            BadRecordError: Always.
        """
        self._failed = True
        loader = self._loader
        raise bad_record_error(self.stream_name, loader.table, loader.rejected_table, rejects)

    # Loading.

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self.flush()

    def flush(self, *, background: bool = False) -> None:
        """Load what is buffered, or stage it if it has to be complete first.

        Args:
            background: Whether to return while it is loaded. One batch at a time is.
        """
        self._decode()
        if self._scoped is not None:
            self._flush_scoped(self._scoped, background=background)
        elif self._buffer.rows or not background:
            self._load_buffer(background=background)

    def _flush_scoped(self, scoped: ScopedRows, *, background: bool) -> None:
        """Load the rows of complete scopes; in the foreground also those of the one being read."""
        self._load_held(scoped)
        if scoped.has_complete:
            self._load_complete(scoped, background=background)
        elif background:
            self._run.background.wait()
            scoped.set_aside(self._buffer)
        if not background:
            if scoped.is_staged or self._buffer.rows:
                self._load_scoped(scoped.take_staged(self._buffer))
            self._commit()
        self.mark_drained()
        self.oldest_record_at = None

    def complete_scopes(self, scopes: Sequence[Scope]) -> None:
        """Note that the records so far are all that there are in some scopes.

        Args:
            scopes: The scopes, of the stream as its columns are in the table.
        """
        scoped, vanished = self._scoped, self._loader.vanished
        if scoped is None or vanished is None:
            return
        usable, fields = vanished.usable(scopes)
        self._log.warn_unusable_scopes(fields)
        # A scope without rows holds back states, too.
        self._note_record()
        self._decode()
        if self._held_files:
            files, self._held_files = self._held_files, []
            self._load_files(files, scoped.take_scopes(usable))
            return
        records = self._run.states.mark_in_flight(self.stream_name)
        if scoped.is_staged:
            self._load_complete(scoped)
            self._load_scoped(scoped.take_staged(self._buffer, usable, records))
            self.oldest_record_at = None
        elif not scoped.complete(self._buffer, usable, records):
            # An earlier label holds back the states that follow.
            self._run.states.mark_committed(records)

    def _load_complete(self, scoped: ScopedRows, *, background: bool = False) -> None:
        """Load the rows of complete scopes, and remove those that vanished."""
        self._run.background.wait()
        if scoped.has_complete:
            self._load_scoped(scoped.take_complete(), background=background)

    def _load_scoped(self, rows: ScopedBatch, *, background: bool = False) -> None:
        batch = Batch(rows.tables, rows.rejects, scopes=rows.scopes)
        if background:
            self._load_in_background(batch, rows.records)
            return
        with self._refusing_oversized():
            self._load(batch)
            if rows.records is not None:
                self._commit(rows.records)
        rows.close()

    def _load_buffer(
        self, *, background: bool = False, activation: Activation | None = None
    ) -> None:
        """Load or stage the decoded records."""
        self._run.background.wait()
        tables, rejects = self._buffer.drain()
        self.mark_drained()
        batch = Batch(lambda: iter(tables), rejects, activation=activation)
        if self._refresh.staging is not None:
            self._stage(self._refresh.staging, tables, rejects)
        elif background:
            self._load_in_background(batch)
        elif tables or rejects or activation is not None:
            with self._refusing_oversized():
                self._load(batch)
        if not self._buffer.undecoded_rows:
            self.oldest_record_at = None
            if self._refresh.staging is None and not background:
                self._commit()

    def _load_in_background(self, batch: Batch, records: Hashable | None = None) -> None:
        records = records or self._run.states.mark_in_flight(self.stream_name)
        # Not the batch itself, so that its memory is freed as soon as it is loaded.
        rejects = batch.rejects

        def finish(result: LoadResult) -> None:
            with self._refusing_oversized():
                self._finish_load(result, rejects)
                self._commit(records)

        self._run.background.start(partial(self._send, batch, threaded=False), finish)

    def _load(self, batch: Batch, *, expected_rows: int = 0) -> None:
        """Load a batch.

        Args:
            batch: The rows to load.
            expected_rows: How many rows there are, if that is known.

        Raises:
            BadRecordError: If a row does not fit.
        """
        try:
            result = self._send(batch, expected_rows=expected_rows)
        except RejectedRecordsError as error:
            self._fail(error.rejects)
        self._finish_load(result, batch.rejects)

    def _send(self, batch: Batch, *, expected_rows: int = 0, threaded: bool = True) -> LoadResult:
        progress = Progress(self.stream_name, self.logger, "loaded", total=expected_rows)
        with REPORTER.on(progress):
            return self._loader.load(batch, self.counts.copy(), progress, threaded=threaded)

    def _finish_load(self, result: LoadResult, rejects: Sequence[RejectedRecord]) -> None:
        """Count and log what was loaded; fail if the server did not take all of it.

        Raises:
            TooManyVanishedError: If nothing was loaded, as too many rows vanished.
        """
        if result.failure is not None:
            raise result.failure
        refused, quarantines = result.refused, self._loader.spec.quarantines
        self.counts.add(result.counts)
        self._log.log_load(result, marks_deleted=self._loader.outdated.marks_deleted)
        if quarantines:
            self._log.warn_quarantined([*rejects, *refused])
        elif refused:
            self._fail(refused)

    def _stage(
        self,
        staging: StagingFile,
        tables: Iterable[pa.Table],
        rejects: Sequence[RejectedRecord],
    ) -> None:
        """Stage rows, and quarantine the records that do not fit."""
        for rows in tables:
            staging.write(self._loader.tag_types(rows))
        if rejects:
            self._loader.quarantine(rejects)
            self.counts.rejected += len(rejects)
            self._log.warn_quarantined(rejects)

    @contextmanager
    def _refusing_oversized(self) -> Iterator[None]:
        """Go on with the other streams where a record is too large, or too many rows vanished."""
        try:
            yield
        except (OversizedRecordError, TooManyVanishedError) as error:
            # These records are never marked as committed, so no state passes over them.
            self._run.states.mark_in_flight(self.stream_name)
            self._run.refuse(self.stream_name, error)

    def _commit(self, records: Hashable | None = None) -> None:
        """Emit states that waited for records; by default for all of the stream."""
        if records is not None or not self._failed:
            self._run.states.mark_committed(records or self.stream_name)
            self._run.states.emit()

    def load_files(self, files: Sequence[BatchFile]) -> None:
        """Load the files of a BATCH message, all or nothing, and remove temporary ones.

        Args:
            files: The files of the message.

        Raises:
            BadRecordError: If a row does not fit.
            InputError: If a file cannot be read.
        """
        if self._scoped is None:
            self.flush()
            self._load_files(files)
            return
        if self._buffer.rows or self._scoped.rows:
            self._decode()
            self._flush_scoped(self._scoped, background=False)
        # The STATE that follows says whether they are a complete scope.
        self._note_record()
        self._held_files += files

    def _load_held(self, scoped: ScopedRows) -> None:
        """Load the files that waited for scopes, as other messages of the stream come first."""
        files, self._held_files = self._held_files, []
        if files:
            self._load_files(files)
            scoped.cut()

    def _load_files(self, files: Sequence[BatchFile], scopes: Sequence[Scope] = ()) -> None:
        self._note_record()
        self.oldest_record_at = None
        staging = self._refresh.staging
        savepoint = staging and staging.savepoint()
        while True:
            batches = self._open_files(files)
            try:
                if staging and savepoint:
                    staging.rollback_to(savepoint)
                    self._stage(staging, batches.tables(), batches.rejects)
                else:
                    batch = Batch(
                        lambda: prefetch_one(batches.tables()),  # noqa: B023 - used up within
                        batches.rejects,
                        all_or_nothing=True,
                        scopes=scopes,
                    )
                    with self._refusing_oversized():
                        self._load(batch)
            except ColumnTooNarrowError as error:
                self._widen(error)
            except RejectedRecordsError as error:
                self._fail(error.rejects)
            else:
                break
        self._log.warn_unknown_fields(batches.unknown_fields)
        self.counts.read += batches.rows + len(batches.rejects)
        self.record_counter_metric.increment(batches.rows)
        if staging is None:
            self._commit()
        for file in files:
            file.remove()

    def _open_files(self, files: Sequence[BatchFile]) -> FileBatches:
        spec = self._loader.spec
        return FileBatches(
            files,
            self._loader.columns.decoder,
            batch_bytes=spec.batch_bytes,
            fails_on_rejects=not spec.quarantines,
        )

    # Full refreshes.

    @override
    def activate_version(
        self, new_version: int, *, follows_records: bool = True, complete: bool = False
    ) -> None:
        """Process an ACTIVATE_VERSION: if the version is complete, older rows are removed.

        Args:
            new_version: The version of the message.
            follows_records: Whether records of the stream came since its last SCHEMA message, or
                since its last activation.
            complete: Whether the tap has ended well, and all rows of the stream came in this run.
        """
        refresh = self._refresh
        if refresh.ignores_versions:
            self.logger.debug("ACTIVATE_VERSION of %s: activate_version is off", self.stream_name)
        elif refresh.is_complete(follows_records=follows_records, complete=complete):
            with self._refusing_oversized():
                self._complete(refresh.removes_outdated(Activation(new_version, complete)))
        else:
            refresh.announced = new_version
            if refresh.stages_announced:
                self.flush()
                if self._loader.has_outdated(new_version):
                    refresh.stage()

    def _complete(self, activation: Activation | None) -> None:
        """Load the rows of a version that is complete, and remove older ones."""
        staging = self._refresh.staging
        if staging is None:
            self._decode()
            self._run.background.wait()
            if self._scoped is not None:
                self._flush_scoped(self._scoped, background=False)
            # Older rows stay if not all new ones were loaded.
            self._load_buffer(activation=None if self._failed else activation)
        else:
            self.flush()
            if self._failed:
                return
            self._load_staged(staging, activation)
        self._refresh.announced = None
        self._commit()

    def _load_staged(self, staging: StagingFile, activation: Activation | None) -> None:
        """Load the staged rows, and remove those that they replace, in one transaction."""
        refresh = self._refresh
        replaces = refresh.replaces_now
        if replaces and activation is not None and not staging.has_older(activation.version):
            # All rows from before are deleted, so that no older one is left.
            activation = None
        batch_bytes, count = self._loader.spec.batch_bytes, staging.rows
        batch = Batch(
            lambda: staging.read(batch_bytes),
            replaces=replaces,
            activation=activation,
            all_or_nothing=True,
        )
        self._load(batch, expected_rows=count)
        if refresh.replaces:
            self._log.log_refresh(count, replaced=replaces)
            self._log.warn_unscoped(self._loader.unscoped_columns())
        refresh.end_staging()

    def finish(self) -> Unconfirmed | None:
        """End the stream, as the input has ended.

        Returns:
            The rows that are not loaded; None if all are.
        """
        unconfirmed_rows = self.unconfirmed_rows()
        refresh = self._refresh
        if unconfirmed_rows is not None:
            if refresh.is_promised:
                # Each run reads all of it: no state passes over what was not loaded.
                self._commit()
            return unconfirmed_rows
        # Perhaps all of its records were quarantined.
        self._commit()
        if refresh.awaits_rows:
            self._log.warn_no_records()
        elif refresh.announced is not None and (
            rows := self._loader.count_outdated(refresh.announced)
        ):
            self._log.warn_older_versions(rows)
        return None

    def retry_orphans(self) -> bool:
        """Load rows that were quarantined, if the rows that they refer to have come after them.

        Returns:
            Whether the table took any: rows of other streams may refer to these.
        """
        count, written = self._loader.retry_orphans()
        self.counts.written.add(written)
        if count:
            self.counts.rejected -= count
            self._log.log_orphans(count)
        return bool(count)

    def unconfirmed_rows(self) -> Unconfirmed | None:
        """Return the rows that are staged, as they are not complete; None if there are none."""
        return self._refresh.unconfirmed_rows(str(self._loader.table))

    def discard(self) -> None:
        """Discard the rows that were never completed."""
        self._refresh.close()
        if self._scoped is not None:
            self._scoped.close()
