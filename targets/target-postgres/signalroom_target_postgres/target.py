"""Singer target for PostgreSQL, with an embedded server when none is configured."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec
from target_postgres.target import TargetPostgres as StockTargetPostgres
from typing_extensions import override

from signalroom_singer.cli.command import ReadableErrorsMixin
from signalroom_singer.cli.loader_failure import stop_tap
from signalroom_singer.privacy.redaction import protect
from signalroom_singer.scopes import COMPLETE_SCOPES
from signalroom_singer.stream_maps import constant_columns
from signalroom_target_postgres import errors
from signalroom_target_postgres.connection.tls import DEFAULTS
from signalroom_target_postgres.connection.url import is_configured
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.cluster import Cluster
from signalroom_target_postgres.messages.batch_files import BatchFile
from signalroom_target_postgres.messages.models import MISSING
from signalroom_target_postgres.messages.reader import MessageReader, ShutdownRequested
from signalroom_target_postgres.messages.rejects import RejectedRecord, describe_decode_error
from signalroom_target_postgres.refused_sink import RefusedSink
from signalroom_target_postgres.rows.mapped_records import encode_unchanged, reject_unmapped
from signalroom_target_postgres.run import Run, SourceStream
from signalroom_target_postgres.settings import config_jsonschema as settings_schema
from signalroom_target_postgres.settings import secrets
from signalroom_target_postgres.sink import PostgresSink
from signalroom_target_postgres.start_state import StartState
from signalroom_target_postgres.state import bookmarks
from signalroom_target_postgres.stream_routes import StreamRoutes, explain_schema_errors
from signalroom_target_postgres.summaries import Summaries
from signalroom_target_postgres.values.schema_types import merge_types, without_booleans
from signalroom_target_postgres.warehouse import history, rejected, vanished_rows
from signalroom_target_postgres.warehouse.full_refresh import COMPLETE, REPLACE_ON_ACTIVATE
from signalroom_target_postgres.warehouse.load_log import LoadLog
from signalroom_target_postgres.warehouse.naming import TableNaming
from signalroom_target_postgres.warehouse.scopes import decode_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from signalroom_target_postgres.connection.connector import PostgresConnector
    from signalroom_target_postgres.messages.models import Message
    from signalroom_target_postgres.messages.record_lines import Lines
    from signalroom_target_postgres.warehouse.counts import Counts

_POLL_SECONDS = 0.05
_ERRORS_OF_DATA = (errors.InputError, errors.LimitError, errors.UnconfirmedRowsError)

# As in the SDK, numbers are decimals: a stream map must not round money.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class TargetPostgres(ReadableErrorsMixin, StockTargetPostgres):  # type: ignore[misc] # it is untyped
    """Loads Singer streams into PostgreSQL: your own server, or the embedded one."""

    name = "target-postgres"
    package_name = "signalroom-target-postgres"
    config_jsonschema = settings_schema()
    default_sink_class = PostgresSink
    message_reader_class = MessageReader

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a target, as the SDK does; the database is touched only with the first stream.

        Raises:
            ConnectionSettingsError: If the settings are incomplete or contradict each other.
        """
        try:
            super().__init__(*args, **kwargs)
        except AssertionError as error:
            # The stock target checks combinations of settings by assertions.
            raise errors.ConnectionSettingsError(str(error)) from None
        # One batch is loaded at a time. The SDK would start a pool of threads whenever it drains
        # the sinks, which takes 20 ms.
        self.max_parallelism = 1
        naming = TableNaming(
            self.config.get("default_target_schema"),
            by_last_part=self.config.get("table_naming") == "last-part",
            session_schema=lambda: self._session_schema,
        )
        load_log = LoadLog(self.logger, enabled=bool(self.config.get("load_log", True)))
        self.run = Run(self.logger, naming, load_log)
        self.summaries = Summaries(self.logger)
        self._start_state = StartState(self.logger)
        self._warned_of_scopes = False
        self._embedded: EmbeddedPostgres | None = None
        # Sinks of streams whose records are neither mapped, flattened nor validated.
        self._unmapped_sinks: dict[str, PostgresSink] = {}
        # Streams of which records came since their last SCHEMA message or ACTIVATE_VERSION.
        self._with_records: set[str | None] = set()
        self.message_reader.on_idle = self._flush_aged
        self.message_reader.on_invalid_record = self._reject_undecodable
        self.message_reader.on_record_lines = self._process_record_lines
        self.message_reader.guard = self._stop_when_asked

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        protect(secrets(self._config))
        problems: list[str] = super()._validate_config(raise_errors=raise_errors)
        protect(secrets(self._config))
        self._uses_embedded = not is_configured(self.config)
        # The stock target asserts that these are there.
        self._config |= {name: text for name, text in DEFAULTS.items() if not self.config.get(name)}
        if self._uses_embedded:
            # Fails before anything is read if they are not installed.
            Cluster.program("postgres")
            # The stock target asserts that there is an address; the real one is known when the
            # server runs.
            self._config["sqlalchemy_url"] = "postgresql+psycopg:///signalroom"
        return problems

    @classmethod
    @override
    def before_failing(cls) -> None:
        """Stop the tap, so that the error is the last line that the user reads."""
        stop_tap()

    # The server.

    @property
    @override
    def target_connector(self) -> PostgresConnector:
        """The connector; to the embedded server if it is used, which the first call starts."""
        # Not in the constructor: commands that only describe or check the target need no server,
        # and the SDK handles signals only once the constructor is done.
        if self._target_connector is None:
            if self._uses_embedded:
                self._start_embedded()
            connector = super().target_connector
            connector.should_stop = lambda: self.message_reader.shutdown_requested
            if self._embedded is not None:
                connector.before_reconnect = self._embedded.restart_if_dead
        return cast("PostgresConnector", self._target_connector)

    def _start_embedded(self) -> None:
        # Released when the process ends: by itself, by an exception, or by a signal, which
        # the SDK turns into an exit.
        self._embedded = EmbeddedPostgres().acquire()
        self._config["sqlalchemy_url"] = self._embedded.sqlalchemy_url
        self.logger.info(
            "No connection is configured: loading into the embedded PostgreSQL in %s (look "
            "into it with `signalroom-postgres sql`). For a server of your own set "
            "TARGET_POSTGRES_HOST, _PORT, _USER, _PASSWORD and _DATABASE.",
            self._embedded.home,
        )

    @cached_property
    def _session_schema(self) -> str:
        row = self.target_connector.run_transaction(
            lambda cursor: cursor.execute("SELECT current_schema()").fetchone()
        )
        return str((row and row[0]) or "public")

    # Sinks.

    @cached_property
    def _routes(self) -> StreamRoutes:
        return StreamRoutes(self.mapper)

    @override
    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> PostgresSink:
        """Return a stream's sink; a changed schema makes a new one.

        Args:
            stream_name: The stream's name, after stream maps.
            record: Not used by this target.
            schema: The stream's schema, where it has just come.
            key_properties: The fields that are its key.

        Raises:
            InputError: If another stream of the run loads into its table.
        """
        source = self.run.source.name
        if schema is not None and stream_name not in self._routes.aliases_of(source):
            # The SDK asks for the sink and does not use it: no table is created or claimed.
            return self._make_refused_sink(stream_name, schema, key_properties)
        if schema is not None:
            self.run.naming.claim(
                stream_name, source, suffixes=self._companions(stream_name, schema)
            )
            self.summaries.begin(stream_name, self._loading_sinks)
        previous = self._sinks_active.get(stream_name)
        if schema is not None and previous is not None:
            # Its rows are older than those to come.
            self._drain(previous)
        sink: PostgresSink
        try:
            sink = super().get_sink(
                stream_name, record=record, schema=schema, key_properties=key_properties
            )
        except errors.LimitError as error:
            self.run.refuse(stream_name, error)
            sink = self._make_refused_sink(stream_name, schema, key_properties)
            self._sinks_active[stream_name] = sink
        if sink is not previous and previous is not None and not isinstance(previous, RefusedSink):
            sink.resume_from(previous)
        return sink

    def _companions(self, stream: str, schema: dict[str, Any]) -> list[str]:
        """The suffixes of the tables that a stream may need besides its own."""
        suffixes = []
        if self.config.get("on_bad_record") == "quarantine":
            suffixes.append(rejected.SUFFIX)
        if self.config["removed_rows"] == "archive" and schema.get(COMPLETE_SCOPES):
            suffixes.append(vanished_rows.SUFFIX)
        if history.is_named(stream, self.config["history_streams"]):
            suffixes.append(history.SUFFIX)
        return suffixes

    def _make_refused_sink(self, *stream: Any) -> RefusedSink:
        return RefusedSink(self, *stream, connector=self.target_connector)

    @property
    def _sinks(self) -> Sequence[PostgresSink]:
        return [*self._sinks_active.values()]

    @property
    def _loading_sinks(self) -> list[PostgresSink]:
        """The sinks of streams that are loaded."""
        return [sink for sink in self._sinks if not isinstance(sink, RefusedSink)]

    @property
    def counts(self) -> dict[str, Counts]:
        """The counts of each stream's records so far."""
        return {sink.stream_name: sink.counts for sink in self._loading_sinks}

    def _drain(self, sink: PostgresSink) -> None:
        """Load what a sink has buffered, and wait for what is being loaded."""
        if sink.current_size:
            with sink.batch_processing_timer:
                sink.flush()
        self.run.background.wait()

    def _flush_largest(self) -> None:
        """Load the largest buffers where all together take too much memory."""
        max_bytes = int(self.config["batch_size_bytes"])
        size = sum(sink.size for sink in self._sinks)
        for sink in sorted(self._sinks, key=lambda sink: sink.size, reverse=True):
            if size < max_bytes:
                return
            size -= sink.size
            sink.flush(background=True)

    def _flush_aged(self) -> float | None:
        """Load what was buffered too long; return the seconds until the next call is due."""
        background = self.run.background
        if background.is_done:
            background.wait()
        for sink in self.summaries.look(self._loading_sinks, self.run.states.emitted):
            sink.flush(background=True)
        max_age = self.config["max_batch_age_seconds"]
        now = time.monotonic()
        delays = []
        for sink in self._sinks:
            if (oldest := sink.oldest_record_at) is None:
                continue
            if now - oldest >= max_age:
                sink.flush(background=True)
            if sink.oldest_record_at is not None:
                delays.append(sink.oldest_record_at + max_age - now)
        if background.is_busy:
            delays.append(_POLL_SECONDS)
        return max(0, min(delays)) if delays else None

    # The run.

    @contextmanager
    def _stop_when_asked(self) -> Iterator[None]:
        """Load what was read, and exit, when the process is asked to end while it reads.

        Raises:
            InputError: If a message cannot be loaded; those before it were.
            SystemExit: If the process was asked to end; what was read was loaded.
            UnconfirmedRowsError: If it was asked to end, and staged rows were not complete.
        """
        with self._flush_before_failing():
            try:
                yield
            except ShutdownRequested:
                self.logger.info("Asked to end: loading what has been read")
                for sink in self._sinks:
                    self._drain(sink)
                self.drain_all(is_endofpipe=True)
                self.run.check_refused()
                unconfirmed = [rows for sink in self._sinks if (rows := sink.unconfirmed_rows())]
                if unconfirmed:
                    raise errors.UnconfirmedRowsError(unconfirmed, asked_to_end=True) from None
                self.logger.info("Loaded what had been read, and stopped")
                sys.exit(0)

    @contextmanager
    def _flush_before_failing(self) -> Iterator[None]:
        """Load the records that were read before one turned out to be bad."""
        try:
            try:
                yield
            except errors.InputError:
                for sink in self._sinks:
                    self._drain(sink)
                raise
        except BaseException as error:
            self.summaries.finish(self._loading_sinks, self.run.states.emitted)
            # If the server is the reason, it is not queried again.
            if isinstance(error, _ERRORS_OF_DATA):
                self._finish_log("failed")
            elif isinstance(error, SystemExit):
                self._finish_log("stopped")
            self._release()
            if isinstance(error, OSError) and errors.DiskFullError.is_disk_full(error):
                raise errors.DiskFullError(error) from None
            raise

    def _finish_log(self, outcome: str) -> None:
        if self._loading_sinks:
            reached = bookmarks(self.run.states.emitted)
            self.run.load_log.finish(self.target_connector, self.counts, reached, outcome)

    def _release(self) -> None:
        for sink in self._sinks:
            sink.discard()
        self.run.background.close()
        if self._target_connector is not None:
            self._target_connector.disconnect()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if self.message_reader.shutdown_requested:
            sys.exit(1)
        # Not raised here: a batch may be under way. Nothing is logged either: if the signal arrives
        # while a log line is written, the second write fails, and the first hides that.
        self.message_reader.request_shutdown()

    @override
    def process_endofpipe(self) -> None:
        """Load what is buffered, and check that all streams are complete that have to be.

        Raises:
            InputError: If a record does not fit.
            LimitError: If streams are not loaded, as they exceed a limit.
            UnconfirmedRowsError: If rows are not loaded, as nothing said that all came.
        """
        with self._flush_before_failing():
            unconfirmed = []
            for sink in self._sinks:
                self._drain(sink)
                unconfirmed.append(sink.finish())
            # Children of children are loaded once these are.
            while any(sink.retry_orphans() for sink in self._sinks):
                pass
            super().process_endofpipe()
            self.summaries.finish(self._loading_sinks, self.run.states.emitted)
            self.run.check_refused()
            if incomplete := [rows for rows in unconfirmed if rows is not None]:
                raise errors.UnconfirmedRowsError(incomplete)
            self._finish_log("loaded")
        self._release()

    # Messages.

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        if not self._start_state.is_known:
            self._start_state.begin(None)
        stream = message_dict["stream"]
        self.run.source = SourceStream(
            stream,
            replication_key=next(iter(message_dict.get("bookmark_properties") or ()), None),
            bookmark=self._start_state.bookmark(stream),
        )
        self._routes.reset(stream)
        schema = without_booleans(message_dict["schema"])
        if self.config.get("flattening_enabled"):
            schema = merge_types(schema)
        with explain_schema_errors(stream):
            super()._process_schema_message(message_dict | {"schema": schema})
        self._with_records.discard(stream)
        self._unmapped_sinks.pop(stream, None)
        if not schema.get(REPLACE_ON_ACTIVATE):
            # The rows of other streams come in full, whatever was loaded before.
            self._warn_lost_rows(stream)
        for record_map in self._routes.maps_of(stream):
            sink = self.get_sink(record_map.stream_map.stream_alias)
            constants = constant_columns(self.mapper, stream, record_map.stream_map)
            sink.use_map(constants, record_map.expressions)
        alias = self._routes.unmapped_alias(stream)
        if alias is not None and not (sink := self.get_sink(alias)).validate_schema:
            self._unmapped_sinks[stream] = sink

    def _warn_lost_rows(self, stream: str) -> None:
        naming = self.run.naming
        for table in map(naming.of, self._routes.aliases_of(stream)):
            if naming.is_new(table):
                self._start_state.warn_new_table(stream, table)

    @override
    def _process_record_message(self, message_dict: Message) -> None:
        message = message_dict
        self._with_records.add(message.stream)
        sink = self._unmapped_sinks.get(message.stream or "")
        if sink is None:
            self._process_mapped(str(message.stream), message)
            return
        if sink.add(message):
            self._flush_largest()
        if sink.is_full:
            sink.flush(background=True)

    def _process_record_lines(self, lines: Lines) -> bool:
        """Process records of one stream together; return whether that is possible."""
        sink = self._unmapped_sinks.get(lines.stream or "")
        if sink is None or not sink.add_lines(lines):
            return False
        self._with_records.add(lines.stream)
        self._flush_largest()
        return True

    def _process_mapped(self, stream: str, message: Message) -> None:
        """Process a record by way of stream maps, flattening and validation."""
        try:
            record = _decode(message.record)
        except (ValueError, ArithmeticError, RecursionError) as error:
            record, reason = None, describe_decode_error(error)
        else:
            reason = "it is not an object"
        if not isinstance(record, dict):
            self._reject_undecodable(stream, bytes(message.record), reason)
            return
        for record_map in self._routes.maps_of(stream):
            sink = self.get_sink(record_map.stream_map.stream_alias)
            mapped, failures = record_map.apply(record)
            if failures:
                sink.reject(reject_unmapped(mapped or {}, failures))
            elif mapped is None:
                continue
            elif sink.add_mapped(mapped, message):
                self._flush_largest()
            if sink.is_full:
                sink.flush(background=True)

    def _reject_undecodable(
        self,
        stream: str,
        record: bytes,
        reason: str = "its JSON has a NaN or an infinity, or cannot be read",
    ) -> None:
        self._with_records.add(stream)
        for record_map in self._routes.maps_of(stream):
            text = record if record_map.is_copy else encode_unchanged(record, record_map)
            self.get_sink(record_map.stream_map.stream_alias).reject(RejectedRecord(text, reason))

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        stream, version = message_dict["stream"], message_dict.get("version")
        self._with_records.add(stream)
        storage = (self.config.get("batch_config") or {}).get("storage") or {}
        files = [
            BatchFile(url, message_dict["encoding"], storage.get("params"), version)
            for url in message_dict["manifest"]
        ]
        sink = self._unmapped_sinks.get(stream)
        if sink is None:
            self._process_mapped_files(stream, files)
            return
        # Few records of other streams must not hold back the states between many files.
        for other in self._sinks:
            if other is not sink and other.current_size:
                self._drain(other)
        sink.load_files(files)

    def _process_mapped_files(self, stream: str, files: Sequence[BatchFile]) -> None:
        """Process the rows of files one by one, as stream maps need dicts."""
        sinks = [*map(self.get_sink, self._routes.aliases_of(stream))]
        kinds = {field: kind for sink in sinks for field, kind in sink.text_kinds.items()}
        for file in files:
            for row in file.iter_rows(kinds):
                if isinstance(row, RejectedRecord):
                    self._reject_undecodable(stream, row.record, row.describe())
                else:
                    self._process_mapped(stream, row)
        for sink in sinks:
            self._drain(sink)
        for file in files:
            file.remove()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict["stream"]
        # True also if a stream map filtered all of them out.
        follows_records = stream in self._with_records
        for sink in map(self.get_sink, self._routes.aliases_of(stream)):
            sink.activate_version(
                message_dict["version"],
                follows_records=follows_records,
                complete=message_dict.get(COMPLETE) is True,
            )
        self._with_records.discard(stream)

    @override
    def _process_state_message(self, message_dict: Message) -> None:
        state = bytes(message_dict.value)
        if not self._start_state.is_known:
            self._start_state.begin(state)
        if message_dict.scopes is not MISSING:
            self._complete_scopes(message_dict.scopes)
        self.run.states.add(state.decode())
        self.run.states.emit()

    def _complete_scopes(self, text: msgspec.Raw) -> None:
        """Pass scopes on to the sinks of their streams."""
        try:
            scopes = decode_scopes(text)
        except msgspec.MsgspecError as error:
            if not self._warned_of_scopes:
                self._warned_of_scopes = True
                self.logger.warning(
                    "The tap says in a way that this loader does not know which rows are complete "
                    "(%s): rows that are gone at the source stay. Update the loader.",
                    error,
                )
            return
        for scope in scopes:
            for record_map in self._routes.maps_of(scope.stream):
                sink = self.get_sink(record_map.stream_map.stream_alias)
                is_known = scope.where is not None and record_map.preserves(scope.where)
                if not isinstance(sink, RefusedSink):
                    sink.complete_scopes([scope] if is_known else [])
