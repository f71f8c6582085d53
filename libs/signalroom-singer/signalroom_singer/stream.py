"""The base of every SignalRoom stream: client tags, types, bookmarks."""

from __future__ import annotations

import hashlib
import logging
import sys
from copy import deepcopy
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib import Metadata, RecordMessage, Schema, SchemaMessage, StateMessage
from singer_sdk.streams import Stream
from typing_extensions import override

from signalroom_singer.conform import EXTRA, RecordConformer
from signalroom_singer.errors import (
    USER_ERRORS,
    TapError,
    explain_malformed_responses,
    is_disk_full,
)
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.privacy.field_names import Sensitive
from signalroom_singer.privacy.hashing import ColumnHashes
from signalroom_singer.privacy.sensitive_fields import PERSONAL_DATA, SensitiveFields
from signalroom_singer.progress import REPORTER, Progress
from signalroom_singer.scopes import COMPLETE_SCOPES, Conditions
from signalroom_singer.stream_maps import RecordMap, constant_columns, preserves
from signalroom_singer.table_docs import FULL_TABLE, Descriptions, Loading
from signalroom_singer.timestamps import utc_isoformat

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.mapper import StreamMap
    from singer_sdk.singerlib import Catalog

    from signalroom_singer.message_writer import BufferedMsgSpecWriter

CLIENT_ID = "_client_id"
LOADED_AT = "_loaded_at"
_FULL_TABLE = "FULL_TABLE"
#: Digits of a masked key's hash: the chance that two of a million keys share them is 1 in 500.
_KEY_DIGITS = 12
#: In a stream's schema: the rows of a run replace the table's once ACTIVATE_VERSION says that they
#: are complete, and not before. Other targets ignore it.
REPLACE_ON_ACTIVATE = "x-replace-on-activate"

_TAG_COLUMNS = th.PropertiesList(
    th.Property(CLIENT_ID, th.StringType, description="Whose row this is: the setting client_id"),
    th.Property(
        LOADED_AT,
        th.DateTimeType,
        description=(
            "When the tap read the row (UTC); SignalRoom's loader leaves rows that did not change"
        ),
    ),
    th.Property(
        EXTRA,
        th.ObjectType(additional_properties=True),
        description="Fields the schema has no column for, and values that do not fit theirs",
    ),
).to_dict()["properties"]


class SignalRoomStream(Stream):
    """The base of all streams.

    Adds ``_loaded_at`` and ``_extra`` to each row; with the setting ``client_id`` also
    ``_client_id``, as the first key column.

    A stream that is read completely in each run (``FULL_TABLE``) ends with ACTIVATE_VERSION, as in
    the Singer specification: rows that were deleted at the vendor can be removed from the table.
    The SDK sends that message before the records, when it is unknown whether all will arrive.
    """

    #: Whether the columns are defined at the vendor: then columns that are newer than the catalog
    #: are selected. Meltano keeps a catalog until the settings change.
    has_dynamic_columns = False

    #: Whether the schema has all columns before a run starts.
    columns_are_known = True

    #: False once the stream has skipped rows: then no row may be removed from the table.
    is_complete = True

    #: Fields whose names look like secrets or personal data and that are loaded all the same, as
    #: :class:`signalroom_singer.SensitiveFields` has them.
    kept_fields: ClassVar[frozenset[str]] = frozenset()
    #: Fields that hold a secret, or personal data, and whose names do not say so.
    secret_fields: ClassVar[frozenset[str]] = frozenset()
    personal_fields: ClassVar[frozenset[str]] = frozenset()

    #: The descriptions of the tap's tables and columns.
    descriptions: ClassVar[Descriptions] = Descriptions()
    #: How the stream is loaded, for its documentation.
    loading: Loading = FULL_TABLE
    #: For a stream that the settings may define several times: what each one is for.
    one_for_each = ""

    # RecordConformer does it, and keeps values that do not fit.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(
        self, *args: Any, primary_keys: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        """Initialize as the SDK does, then tag schema and key.

        Args:
            args: As for the SDK's stream.
            primary_keys: The key columns, where the class does not declare them.
            kwargs: As for the SDK's stream.
        """
        super().__init__(*args, **kwargs)
        if primary_keys is not None:
            self.primary_keys = primary_keys
        # Key columns are always loaded, whatever their names: a report may be by IP address.
        self._sensitive = SensitiveFields(
            self.left_out,
            allowed={*self.kept_fields, *(f".{key}" for key in self.primary_keys)},
            secret=self.secret_fields,
            personal=self.personal_fields,
        )
        self._client_id: str | None = self.config.get("client_id")
        tags = {
            name: column
            for name, column in _TAG_COLUMNS.items()
            if self._client_id or name != CLIENT_ID
        }
        columns = {
            name: column
            for name, column in self.schema["properties"].items()
            if not self._sensitive.leaves_out_column(name, column)
        }
        tagged = self.descriptions.schema(self.name, {**self.schema, "properties": columns})
        tagged["properties"] |= tags
        if isinstance(getattr(type(self), "schema", None), property):
            self._schema = tagged
        else:
            # The stream declares its schema as a class attribute, which shadows the property.
            self.schema = tagged  # type: ignore[misc]
        if self._client_id and self.primary_keys:
            self.primary_keys = (CLIENT_ID, *self.primary_keys)

    @override
    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        # A dry run ends each stream after a record, which the SDK logs as an error. Errors that
        # are for users are logged once, where they end the command.
        error = sys.exception()
        is_reported = isinstance(error, USER_ERRORS) or is_disk_full(error)
        is_reported = is_reported or self.ABORT_AT_RECORD_COUNT is not None
        if not (is_reported and message.startswith("An unhandled error")):
            super().log(message, *args, level=level, **kwargs)

    @property
    def left_out(self) -> frozenset[Sensitive]:
        """Which kinds of fields are not loaded: secrets, and personal data unless configured.

        Settings used: ``include_personal_data``, where the tap has it.
        """
        if self.config.get(PERSONAL_DATA):
            return frozenset({Sensitive.SECRET})
        return frozenset(Sensitive)

    def last_request(self) -> str:
        """The stream and its latest request, for errors; empty where it sends none."""
        return ""

    @cached_property
    def progress(self) -> Progress:
        """The progress of reading the stream."""
        return Progress(self.name, self.logger)

    @property
    def is_full_refresh(self) -> bool:
        """Whether a run reads all rows of the table, so that they replace those of earlier runs."""
        is_whole: bool = self.replication_method == _FULL_TABLE
        return is_whole and self.parent_stream_type is None

    @property
    def filters_in_force(self) -> Conditions | None:
        """What all rows of the stream meet because of the settings, by column.

        Rows that others loaded without these filters are never removed. None if no column shows
        what a setting filters by: then nobody can tell such rows apart.
        """
        return {}

    @property
    def scope_columns(self) -> Sequence[str]:
        """The columns by which the stream says what it has read completely; none if it does not."""
        return ()

    def _sends_scopes(self, stream_map: StreamMap) -> bool:
        """Whether the stream says of which scopes it has sent all records, after a stream map."""
        filters = self.filters_in_force
        if not (self.scope_columns and self.primary_keys) or filters is None:
            return False
        return self.keeps_columns({*self.scope_columns, *filters}, stream_map)

    def keeps_columns(self, columns: set[str], stream_map: StreamMap) -> bool:
        """Whether all records are sent, and some of their columns as the vendor has them.

        Args:
            columns: The names of the columns.
            stream_map: One of the stream's maps.
        """
        if not columns <= self.schema["properties"].keys():
            return False
        is_changed = columns & self.deselected_columns or any(map(self.hashes.is_hashed, columns))
        return not is_changed and preserves(self._tap.mapper, self.name, stream_map, columns)

    def write_scope(
        self, conditions: Conditions | None, *, is_page: bool = False, deleted: bool = False
    ) -> bool:
        """Write a STATE: the records since the last one are all rows that meet some conditions.

        Args:
            conditions: The conditions by column, all of them of `scope_columns`, without those of
                `filters_in_force`; None if the records are of no complete scope.
            is_page: Whether the scope is a page of a list. A page may lose more than half of its
                rows, as long as the run does not.
            deleted: Whether the vendor itself reported these rows as deleted.

        Returns:
            Whether the STATE says so of any stream; none does if its stream map leaves out rows.
        """
        maps = [stream_map for stream_map in self.stream_maps if self._sends_scopes(stream_map)]
        if not maps:
            self._write_state_message()
            return False
        scope: dict[str, Any] = {}
        if conditions is not None:
            flags = {"page": is_page, "deleted": deleted}
            scope = {name: True for name, is_set in flags.items() if is_set}
            scope["where"] = {**conditions, **(self.filters_in_force or {})}
        writer = cast("BufferedMsgSpecWriter", self._tap.message_writer)
        writer.scopes = [{"stream": stream_map.stream_alias, **scope} for stream_map in maps]
        self.state_manager.is_flushed = False
        self._write_state_message()
        if writer.scopes:
            # The SDK writes no state that is equal to the last.
            writer.write_message(StateMessage(value=self.tap_state))
        return True

    @property
    @override
    def emit_activate_version_messages(self) -> bool:
        # Not before the records; see `_sync_records`.
        return False

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        if self.has_dynamic_columns and (entry := catalog.get_stream(self.name)):
            known = entry.schema.properties or {}
            for name, column in self.schema["properties"].items():
                if name not in known:
                    known[name] = Schema.from_dict(column)
                    entry.metadata["properties", name] = Metadata(
                        inclusion=Metadata.InclusionType.AVAILABLE
                    )
        super().apply_catalog(catalog)
        self._allow_deselection()

    def _allow_deselection(self) -> None:
        """Let users deselect all columns but keys.

        Meltano marks columns as `automatic`, which cannot be deselected, where the catalog that it
        got had no metadata for them (`ensure_metadata` in its `core/plugin/singer/catalog.py`).
        """
        needed = {*self.primary_keys, self.replication_key}
        for breadcrumb, entry in self.metadata.items():
            is_automatic = entry.inclusion == Metadata.InclusionType.AUTOMATIC
            if is_automatic and entry.selected is False and not {*breadcrumb[1:]} & needed:
                entry.inclusion = Metadata.InclusionType.AVAILABLE

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        announces_version = self.is_full_refresh and self.selected and write_messages
        if announces_version:
            self._stream_version = self._initialized_at // 1000
        records = super()._sync_records(context, write_messages=write_messages)
        with (
            REPORTER.on(self.progress) as progress,
            explain_malformed_responses(lambda: self.last_request() or self.name),
        ):
            for record in records:
                progress.rows += 1
                yield record
        if announces_version and self.is_complete and self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    @override
    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        # Not in the catalog, as the SDK's would drop these keywords.
        maps = {stream_map.stream_alias: stream_map for stream_map in self.stream_maps}
        for message in super()._generate_schema_messages():
            schema = deepcopy(message.schema)
            if self.is_full_refresh:
                schema[REPLACE_ON_ACTIVATE] = True
            elif self._sends_scopes(maps[message.stream]):
                schema[COMPLETE_SCOPES] = True
            if self._client_id and CLIENT_ID in schema["properties"]:
                # A target may only replace the rows of this client.
                schema["properties"][CLIENT_ID]["const"] = self._client_id
            if self.hashes:
                schema["properties"] = self.hashes.hash_schema(schema["properties"])
            constants = constant_columns(self._tap.mapper, self.name, maps[message.stream])
            for name in constants.keys() & schema["properties"].keys():
                schema["properties"][name]["const"] = constants[name]
            message.schema = schema
            yield message

    @cached_property
    def hashes(self) -> ColumnHashes:
        """The columns that are loaded as hashes."""
        return ColumnHashes.from_config(self.name, self.config)

    def hashes_in_use(self) -> set[str]:
        """The entries of `hash_columns` that match a column of this stream, or may match one."""
        unused = (
            self.hashes.unused_patterns(self.schema["properties"]) if self.columns_are_known else ()
        )
        return {*self.hashes.patterns} - {*unused}

    @property
    def record_keys(self) -> list[str]:
        """The key columns without the client's tag."""
        return [key for key in self.primary_keys if key != CLIENT_ID]

    @cached_property
    def _conformer(self) -> RecordConformer:
        return RecordConformer(
            self.name,
            self.schema,
            self.record_keys,
            self.logger,
            deselected=self.deselected_columns,
        )

    @property
    def deselected_columns(self) -> frozenset[str]:
        """The columns that are not loaded, or not completely."""
        return frozenset(
            breadcrumb[1]
            for breadcrumb in self.metadata
            if len(breadcrumb) > 1 and not self.mask[breadcrumb]
        )

    def _clean(self, row: Record) -> Record:
        """Leave out secrets and personal data; keys with a masked secret stay distinct."""
        keys = [(key, row.get(key)) for key in self.record_keys]
        cleaned = self._sensitive.clean(row)
        for key, value in keys:
            if value.__class__ is str and (text := cleaned.get(key)) != value:
                # Keys that only differ in their secrets would become equal, and their rows merge.
                digest = hashlib.sha256(str(value).encode(errors="replace")).hexdigest()
                cleaned[key] = f"{text}#{digest[:_KEY_DIGITS]}"
        return cleaned

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        """Leave out secrets, conform a record to the schema, and tag it.

        Args:
            row: The row as the vendor sent it, or as the subclass made it.
            context: The stream's partition, if any.

        Returns:
            The record to emit.

        Raises:
            RecordError: If a key column is missing or unreadable.
        """
        record = self._conformer.conform(self._clean(row))
        if self._client_id:
            record[CLIENT_ID] = self._client_id
        record[LOADED_AT] = utc_isoformat(datetime.now(UTC))
        return record

    def save_bookmark(self, value: str, context: Context | None = None) -> None:
        """Move the bookmark and write a STATE: all records up to it have been written.

        Args:
            value: The new value of the replication key.
            context: The stream's partition, if any.
        """
        self.move_bookmark(value, context)
        self._write_state_message()

    def move_bookmark(self, value: str, context: Context | None = None) -> None:
        """Move the bookmark; the next STATE has it.

        Args:
            value: The new value of the replication key.
            context: The stream's partition, if any.
        """
        state = self.get_context_state(context)
        state["replication_key"] = self.replication_key
        state["replication_key_value"] = value
        self.state_manager.is_flushed = False

    @override
    def generate_child_contexts(
        self, record: Record, context: Context | None
    ) -> Iterable[Context | None]:
        # The SDK copies every record for child streams, even without any.
        return super().generate_child_contexts(record, context) if self.child_streams else ()

    @cached_property
    def _everything_selected(self) -> bool:
        return all(self.mask[breadcrumb] for breadcrumb in self.metadata)

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        if self.hashes:
            record = self._with_hashes(record)
        # The SDK looks up each field of each record among the deselected ones, which is a third of
        # the time per record. Mostly no field is deselected.
        make_messages = (
            self._map_record if self._everything_selected else super()._generate_record_messages
        )
        try:
            yield from make_messages(record)
        except Exception as error:
            self._explain_map(record, error)
            raise

    def _map_record(self, record: Record) -> Generator[RecordMessage, None, None]:
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(
                    stream=stream_map.stream_alias,
                    record=mapped,
                    version=self._stream_version,
                    time_extracted=datetime.now(UTC),
                )

    def _with_hashes(self, record: Record) -> Record:
        """Hash columns last, so that bookmarks and parameters of requests have the real values."""
        return self.hashes.hash_record(record)

    def _explain_map(self, record: Record, error: Exception) -> None:
        """Raise an error that names the expression, if a stream map fails on a record."""
        for stream_map in self.stream_maps:
            _, failures = RecordMap(self._tap.mapper, self.name, stream_map).apply(record)
            for failure in failures:
                where = f"column {failure.column!r}: " if failure.column else ""
                msg = (
                    f"{self.name}: the stream map cannot be applied to a record: {where}"
                    f"{failure.reason}. Correct the expression in the setting stream_maps of the "
                    "tap (where a field may be null: `... if FIELD is not None else None`). "
                    "Records already sent are valid."
                )
                raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from error

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        super().finalize_state_progress_markers(state)
        if left_out := self._sensitive.left_out.summary():
            self.logger.info("%s: fields left out: %s", self.name, left_out)
            self._sensitive.left_out.clear()
        if unreadable := self._conformer.unreadable:
            self.logger.warning(
                "%s: %d values could not be read as their columns' types and are kept in %s: %s",
                self.name,
                unreadable.total(),
                EXTRA,
                ", ".join(f"{column} ({count})" for column, count in unreadable.most_common()),
            )


def from_setting(name: str) -> Any:
    """Declare an attribute of a stream that has the value of a setting.

    Args:
        name: The name of the setting, which is required or has a default.
    """
    return property(lambda stream: stream.config[name])


class ManualBookmarkStream(SignalRoomStream):
    """A stream whose bookmark moves by `save_bookmark` alone."""

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        # The bookmark follows what was read, not the values of records.
        pass

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        # The stream decides where to start; the SDK's marker would stay in the state for ever.
        pass
