"""Singer target for PostgreSQL, with an embedded server when none is configured."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import (
    InvalidJSONSchema,
    MapExpressionError,
    RecordsWithoutSchemaException,
    StreamMapConfigError,
)
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from target_postgres.target import TargetPostgres as StockTargetPostgres
from typing_extensions import override

from signalroom_singer.commandline import ExplainedCommand
from signalroom_singer.loaderfailure import stop_tap
from signalroom_singer.redaction import protect
from signalroom_singer.streammaps import RecordMap, constants_of
from signalroom_target_postgres.connection.tls import DEFAULTS
from signalroom_target_postgres.connection.url import is_configured
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.cluster import Cluster
from signalroom_target_postgres.errors import (
    ConnectionSettingsError,
    DiskFullError,
    InputError,
    LimitError,
    TargetPostgresError,
    UnconfirmedRowsError,
)
from signalroom_target_postgres.messages.batch_files import BatchFile
from signalroom_target_postgres.messages.reader import MessageReader, Terminated
from signalroom_target_postgres.messages.rejects import Misfit, unread_reason
from signalroom_target_postgres.refused_sink import RefusedSink, refusal
from signalroom_target_postgres.rows.background import Aside
from signalroom_target_postgres.rows.mapped_records import unchanged
from signalroom_target_postgres.settings import declared, secrets
from signalroom_target_postgres.sink import PostgresSink
from signalroom_target_postgres.start_state import StartState
from signalroom_target_postgres.state import StateQueue
from signalroom_target_postgres.summaries import Summaries, bookmarks
from signalroom_target_postgres.values.schema_types import uncombined, without_booleans
from signalroom_target_postgres.warehouse.full_refresh import COMPLETE, REPLACE_ON_ACTIVATE
from signalroom_target_postgres.warehouse.load_log import LoadLog
from signalroom_target_postgres.warehouse.naming import TableNaming
from signalroom_target_postgres.warehouse.rejected import SUFFIX as REJECTED
from signalroom_target_postgres.warehouse.rejected import describe

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import PurePath
    from types import FrameType

    from signalroom_target_postgres.connection.connector import PostgresConnector
    from signalroom_target_postgres.messages.models import Message
    from signalroom_target_postgres.warehouse.counts import Counts

#: What comes of a map that does not fit its stream's schema.
_WRONG_MAP = (MapExpressionError, StreamMapConfigError)
_POLL_SECONDS = 0.05
# Of the SDK's flattening (0.54.9, singer_sdk/helpers/_flattening.py).
_DUPLICATE = "Duplicate column name produced in schema: "

# As the SDK reads records: money is not to be rounded on its way through a map.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class NoSchemaError(InputError, RecordsWithoutSchemaException):
    """A record came before its stream's schema."""


class TargetPostgres(ExplainedCommand, StockTargetPostgres):  # type: ignore[misc] # it is untyped
    """Loads Singer streams into PostgreSQL: yours, or one that comes with the target."""

    name = "target-postgres"
    package_name = "signalroom-target-postgres"
    config_jsonschema = declared()
    default_sink_class = PostgresSink
    message_reader_class = MessageReader

    def __init__(
        self,
        config: dict[str, Any] | PurePath | str | list[PurePath | str] | None = None,
        parse_env_config: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
        validate_config: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        """Make a target; what it loads into is touched only with the first stream.

        Args:
            config: Settings.
            parse_env_config: Whether to read settings from the environment too.
            validate_config: Whether wrong settings are an error.

        Raises:
            ConnectionSettingsError: If the settings contradict or miss something.
        """
        try:
            super().__init__(
                config=config, parse_env_config=parse_env_config, validate_config=validate_config
            )
        except AssertionError as error:
            # The stock target asserts what its settings need.
            raise ConnectionSettingsError(str(error)) from None
        self.states = StateQueue()
        self.summaries = Summaries(self.logger)
        self.load_log = LoadLog(self.logger, enabled=bool(self.config.get("load_log", True)))
        self._start_state = StartState(self.logger)
        #: The batch under way.
        self.aside = Aside()
        self._embedded: EmbeddedPostgres | None = None
        self._last_state: str | None = None
        # The stream whose schema is being read, by the name that the tap gave it.
        self._source = ""
        #: The property that its bookmark is of.
        self.source_replication_key: str | None = None
        # The stream maps that leave something of a stream.
        self._maps: dict[str | None, Sequence[Any]] = {}
        # The same, as they are applied to records.
        self._record_maps: dict[str | None, Sequence[RecordMap]] = {}
        # Streams that are not loaded while the others are, and why.
        self._refused: dict[str, TargetPostgresError] = {}
        # Sinks of streams whose records need nothing done to them on the way.
        self._direct: dict[str, PostgresSink] = {}
        # Streams of which records came since their last SCHEMA message or ACTIVATE_VERSION.
        self._with_records: set[str | None] = set()
        self.message_reader.between = self._between_messages
        self.message_reader.unreadable = self._reject_unreadable

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        protect(secrets(self._config))
        errors: list[str] = super()._validate_config(raise_errors=raise_errors)
        protect(secrets(self._config))
        self._uses_embedded = not is_configured(self.config)
        # The stock target asserts that these are there.
        self._config |= {name: text for name, text in DEFAULTS.items() if not self.config.get(name)}
        if self._uses_embedded:
            # Said before anything is read.
            Cluster.program("postgres")
            # The stock target asserts that there is an address; the real one is known when the
            # server runs.
            self._config["sqlalchemy_url"] = "postgresql+psycopg:///signalroom"
        return errors

    @classmethod
    @override
    def before_failing(cls) -> None:
        """Have the tap stop, so that the error is the last that the user reads."""
        stop_tap()

    # The server.

    @property
    @override
    def target_connector(self) -> PostgresConnector:
        """The connector; to the embedded server if it is to be used, started the first time."""
        # Not in the constructor: what only describes or checks the target needs no server, and
        # the SDK handles signals only once the constructor is done.
        if self._target_connector is None:
            if self._uses_embedded:
                self._start_embedded()
            connector = super().target_connector
            connector.interrupted = lambda: self.message_reader.terminated
            if self._embedded is not None:
                connector.before_reconnect = self._embedded.revive
        made: PostgresConnector = self._target_connector
        return made

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

    # Sinks.

    @cached_property
    def naming(self) -> TableNaming:
        """Which stream goes into which table."""
        return TableNaming(
            self.config.get("default_target_schema"),
            by_last_part=self.config.get("table_naming") == "last-part",
            session_schema=self._session_schema,
        )

    @cached_property
    def _session_schema_name(self) -> str:
        connector = self.target_connector
        row = connector.in_transaction(
            lambda cursor: cursor.execute("SELECT current_schema()").fetchone()
        )
        return str((row and row[0]) or "public")

    def _session_schema(self) -> str:
        return self._session_schema_name

    @property
    def session_schema(self) -> str:
        """Where tables are that are in no other schema."""
        return self._session_schema_name

    @property
    def source_bookmark(self) -> str | None:
        """The bookmark that the stream whose schema is being read had before the run."""
        value = bookmarks(self._start_state.text).get(self._source)
        return None if value is None else str(value)

    @override
    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> PostgresSink:
        """Get a stream's sink; a changed schema makes a new one.

        Args:
            stream_name: The stream.
            record: Not used.
            schema: Its schema, where it has just come.
            key_properties: Its keys.

        Returns:
            The sink.

        Raises:
            InputError: If another stream of the run loads into its table.
        """
        if schema is not None and self._is_removed(stream_name):
            # The SDK asks for the sink and does not use it: no table is made, and none is taken.
            return self._refused_sink(stream_name, schema, key_properties)
        if schema is not None:
            quarantines = self.config.get("on_bad_record") == "quarantine"
            self.naming.claim(stream_name, self._source, suffixes=[REJECTED] * quarantines)
            self.summaries.begin(stream_name, self._loading_sinks)
        earlier = self._sinks_active.get(stream_name)
        if schema is not None and earlier is not None:
            # Its rows are older than those to come.
            self.drain_one(earlier)
        sink: PostgresSink
        try:
            sink = super().get_sink(
                stream_name, record=record, schema=schema, key_properties=key_properties
            )
        except LimitError as error:
            self.refuse(stream_name, error)
            sink = self._refused_sink(stream_name, schema, key_properties)
            self._sinks_active[stream_name] = sink
        if sink is not earlier and earlier is not None and not isinstance(earlier, RefusedSink):
            sink.inherit(earlier)
        return sink

    def _refused_sink(self, *stream: Any) -> RefusedSink:
        return RefusedSink(self, *stream, connector=self.target_connector)

    def _is_removed(self, alias: str) -> bool:
        """Whether the stream whose schema is being read is left out by the stream maps."""
        return not any(one.stream_alias == alias for one in self._maps_of(self._source))

    @override
    def drain_one(self, sink: PostgresSink) -> None:
        """Load what a sink holds, and wait for what is being loaded.

        Args:
            sink: The sink.
        """
        super().drain_one(sink)
        self.aside.settle()

    @property
    def batch_size_bytes(self) -> int:
        """How many bytes of rows are held at most."""
        return int(self.config["batch_size_bytes"])

    def relieve(self) -> None:
        """Load the largest batches where all together take too much memory."""
        sinks = sorted(self._sinks_active.values(), key=lambda sink: sink.size, reverse=True)
        held = sum(sink.size for sink in sinks)
        for sink in sinks:
            if held < self.batch_size_bytes:
                return
            held -= sink.size
            sink.load_aside()

    @property
    def counts(self) -> dict[str, Counts]:
        """What became of the records of each stream so far."""
        return {one.stream_name: one.counts for one in self._loading_sinks}

    @property
    def _loading_sinks(self) -> list[PostgresSink]:
        """The sinks of streams that are loaded."""
        return [one for one in self._sinks_active.values() if not isinstance(one, RefusedSink)]

    def _between_messages(self) -> float | None:
        """Load what has waited too long; give the seconds until the next is due."""
        if self.aside.is_done:
            self.aside.settle()
        for sink in self.summaries.look(self._loading_sinks, self._last_state):
            sink.load_aside()
        longest = self.config["max_batch_age_seconds"]
        waiting = [sink for sink in self._sinks_active.values() if sink.since is not None]
        now = time.monotonic()
        for sink in waiting:
            if now - sink.since >= longest:
                sink.load_aside()
        left = [sink.since + longest - now for sink in waiting if sink.since is not None]
        if self.aside.is_busy:
            left.append(_POLL_SECONDS)
        return max(0, min(left)) if left else None

    # Messages.

    @override
    def process_lines(self, file_input: IO[str] | None) -> Counter[str]:
        """Read messages to the end.

        Args:
            file_input: Where from, if not standard input.

        Returns:
            How many there were of each type.

        Raises:
            InputError: If one cannot be loaded; those before it were.
            SystemExit: If the process was asked to end; what was read was loaded.
            UnconfirmedRowsError: If it was asked to end, and rows waited to be complete.
        """
        with self._saving_what_is_good():
            try:
                counts: Counter[str] = super().process_lines(file_input)
            except Terminated:
                self.logger.info("Asked to end: loading what has been read")
                self.drain_all(is_endofpipe=True)
                self._check_refused()
                if left := [
                    one for sink in self._sinks_active.values() if (one := sink.unconfirmed())
                ]:
                    raise UnconfirmedRowsError(left, asked_to_end=True) from None
                self.logger.info("Loaded what had been read, and stopped")
                sys.exit(0)
        return counts

    @contextmanager
    def _saving_what_is_good(self) -> Iterator[None]:
        """Load the records that were read before one turned out to be bad."""
        try:
            try:
                yield
            except InputError:
                for sink in self._sinks_active.values():
                    self.drain_one(sink)
                raise
        except BaseException as error:
            self.summaries.finish(self._loading_sinks, self._last_state)
            # Where the server is at fault, it is not asked for more.
            if isinstance(error, (InputError, LimitError, UnconfirmedRowsError)):
                self._finish_log("failed")
            elif isinstance(error, SystemExit):
                self._finish_log("stopped")
            self._release()
            if isinstance(error, OSError) and DiskFullError.tells_of(error):
                raise DiskFullError(error) from None
            raise

    def refuse(self, stream: str, error: TargetPostgresError) -> None:
        """Load a stream no further, or not all of it, and go on with the others.

        Args:
            stream: The stream.
            error: Why, and what to do: what the run ends with.
        """
        if stream not in self._refused:
            self.logger.error(error.message)
            self._refused[stream] = error

    def _check_refused(self) -> None:
        if self._refused:
            raise refusal(self._refused)

    def _finish_log(self, outcome: str) -> None:
        sinks = self._loading_sinks
        if sinks:
            loaded = [(one.stream_name, one.counts, one.load_seconds) for one in sinks]
            reached = bookmarks(self._last_state)
            self.load_log.finish(self.target_connector, loaded, reached, outcome)

    def _release(self) -> None:
        for sink in self._sinks_active.values():
            sink.forget()
        self.aside.close()
        if self._target_connector is not None:
            self._target_connector.disconnect()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if self.message_reader.terminated:
            sys.exit(1)
        # Not from here: a batch may be under way. Nor is anything logged here: where the signal
        # comes while a log is written, the second write fails, and the first swallows that.
        self.message_reader.terminate()

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        if not self._start_state.is_known:
            self._start_state.begin(None)
        self._source = message_dict["stream"]
        self.source_replication_key = next(
            iter(message_dict.get("bookmark_properties") or ()), None
        )
        self._maps.pop(self._source, None)
        self._record_maps.pop(self._source, None)
        stream = message_dict["stream"]
        schema = without_booleans(message_dict["schema"])
        if self.config.get("flattening_enabled"):
            schema = uncombined(schema)
        message_dict = message_dict | {"schema": schema}
        try:
            super()._process_schema_message(message_dict)
        except _WRONG_MAP as error:
            msg = (
                f"Invalid stream map for stream {stream!r} (setting stream_maps): {error} Correct "
                "its expressions; keep the key columns, or name others in `__key_properties__`."
            )
            raise InputError(msg) from None
        except InvalidJSONSchema as error:
            msg = (
                f"The schema of stream {stream!r} is not valid, so that validate_records cannot "
                f"check records by it: {getattr(error.__cause__, 'message', error)}. Correct it in "
                "the tap, or set `validate_records` to false."
            )
            raise InputError(msg) from None
        except ValueError as error:
            if not str(error).startswith(_DUPLICATE):
                raise
            msg = (
                f"Two fields of stream {stream!r} would both be loaded into the column "
                f"{str(error).removeprefix(_DUPLICATE)!r} once its objects are flattened. Rename "
                "one of them in the tap's setting stream_maps, or set `flattening_enabled` to "
                "false."
            )
            raise InputError(msg) from None
        self._with_records.discard(stream)
        self._direct.pop(stream, None)
        self._warn_of_lost_rows(stream, schema)
        maps = self._maps_of(stream)
        self._record_maps[stream] = [RecordMap(self.mapper, stream, one) for one in maps]
        for record_map in self._record_maps[stream]:
            sink = self.get_sink(record_map.stream_map.stream_alias)
            sink.mapped_constants = constants_of(self.mapper, stream, record_map.stream_map)
            sink.mapped_expressions = record_map.expressions
        if (
            len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
        ):
            sink = self.get_sink(maps[0].stream_alias)
            if not sink.validate_schema:
                self._direct[stream] = sink

    @override
    def _process_record_message(self, message_dict: Message) -> None:
        message = message_dict
        self._with_records.add(message.stream)
        sink = self._direct.get(message.stream or "")
        if sink is not None:
            sink.add(message)
            if sink.is_full:
                sink.load_aside()
            return
        self._process_unread(str(message.stream), message)

    def _process_unread(self, stream: str, message: Message) -> None:
        """Take a record by way of stream maps, which want it as a dict."""
        try:
            record = _decode(message.record)
        except (ValueError, ArithmeticError, RecursionError) as error:
            record, reason = None, unread_reason(error)
        else:
            reason = "it is no object"
        if isinstance(record, dict):
            self._process_mapped(stream, record, message)
        else:
            self._reject_unreadable(stream, bytes(message.record), reason)

    def _process_mapped(self, stream: str | None, record: dict[str, Any], message: Message) -> None:
        """Take a record by way of stream maps, flattening and validation."""
        self._maps_of(stream)
        for record_map in self._record_maps[stream]:
            sink = self.get_sink(record_map.stream_map.stream_alias)
            mapped, failures = record_map.apply(record)
            if failures:
                sink.reject_unmapped(mapped or {}, failures)
            elif mapped is not None:
                sink.add_dict(mapped, message)
            else:
                continue
            if sink.is_full:
                sink.load_aside()

    def _maps_of(self, stream: str | None) -> Sequence[Any]:
        if (kept := self._maps.get(stream)) is not None:
            return kept
        if stream not in self.mapper.stream_maps:
            msg = f"A message of stream {stream!r} came before its schema: the tap is at fault."
            raise NoSchemaError(msg)
        self._maps[stream] = [
            one
            for one in self.mapper.stream_maps[stream]
            if not isinstance(one, RemoveRecordTransform)
        ]
        return self._maps[stream]

    def _reject_unreadable(
        self,
        stream: str,
        record: bytes,
        reason: str = "its JSON has a NaN or an infinity, or cannot be read",
    ) -> None:
        self._with_records.add(stream)
        self._maps_of(stream)
        for record_map in self._record_maps[stream]:
            kept = record if record_map.is_copy else unchanged(record, record_map)
            self.get_sink(record_map.stream_map.stream_alias).reject(kept, reason)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        stream, version = message_dict.get("stream"), message_dict.get("version")
        self._with_records.add(stream)
        storage = (self.config.get("batch_config") or {}).get("storage") or {}
        files = [
            BatchFile(url, message_dict["encoding"], storage.get("params"), version)
            for url in message_dict["manifest"]
        ]
        maps = self._maps_of(stream)
        if stream in self._direct:
            # Few records of other streams must not hold back the states between many files.
            for sink in [*self._sinks_active.values()]:
                if sink is not self._direct[stream] and sink.current_size:
                    self.drain_one(sink)
            self._direct[stream].load_files(files)
            return
        # One by one, as maps want dicts.
        sinks = [self.get_sink(stream_map.stream_alias) for stream_map in maps]
        kinds = {name: kind for sink in sinks for name, kind in sink.kinds.items()}
        for file in files:
            for row in file.rows(kinds):
                if isinstance(row, Misfit):
                    self._reject_unreadable(str(stream), row.record, describe(row))
                else:
                    self._process_unread(str(stream), row)
        for stream_map in maps:
            self.drain_one(self.get_sink(stream_map.stream_alias))
        for file in files:
            file.remove()

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict["stream"]
        # Also where a stream map filtered all of them.
        follows_records = stream in self._with_records
        for stream_map in self._maps_of(stream):
            self.get_sink(stream_map.stream_alias).activate_version(
                message_dict["version"],
                follows_records=follows_records,
                complete=message_dict.get(COMPLETE) is True,
            )
        self._with_records.discard(stream)

    def _warn_of_lost_rows(self, stream: str, schema: dict[str, Any]) -> None:
        if schema.get(REPLACE_ON_ACTIVATE):
            return  # it comes whole
        for stream_map in self._maps_of(stream):
            if self.naming.is_made(table := self.naming.of(stream_map.stream_alias)):
                self._start_state.table_made(stream, table)

    @override
    def _process_state_message(self, message_dict: Message) -> None:
        if not self._start_state.is_known:
            self._start_state.begin(bytes(message_dict.value))
        self.states.add(bytes(message_dict.value).decode())
        self.emit_state()

    def emit_state(self) -> None:
        """Pass on the latest state whose records are all committed, if there is a new one."""
        state = self.states.due()
        if state is not None and state != self._last_state:
            self._last_state = state
            sys.stdout.write(f"{state}\n")
            sys.stdout.flush()

    @override
    def process_endofpipe(self) -> None:
        """Load what is held, and see that all streams are complete that have to be.

        Raises:
            InputError: If a record does not fit.
            LimitError: If streams are not loaded, as they exceed a limit.
            UnconfirmedRowsError: If rows are not loaded, as nothing said that all came.
        """
        with self._saving_what_is_good():
            left = []
            for sink in self._sinks_active.values():
                self.drain_one(sink)
                left.append(sink.finish())
            # Children of children are taken once these are.
            while any(sink.try_orphans() for sink in self._sinks_active.values()):
                pass
            super().process_endofpipe()
            self.summaries.finish(self._loading_sinks, self._last_state)
            self._check_refused()
            if unconfirmed := [one for one in left if one is not None]:
                raise UnconfirmedRowsError(unconfirmed)
            self._finish_log("loaded")
        self._release()
