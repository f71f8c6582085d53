"""The streams of the tables: the rows of their files, as records or as batch files."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from singer_sdk import typing as th
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig, StorageTarget
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Metadata
from typing_extensions import override

from signalroom_singer import (
    CLIENT_ID,
    EXTRA,
    LOADED_AT,
    ExitCode,
    Loading,
    ReadAhead,
    RecordConformer,
    TapError,
    one_of,
)
from signalroom_singer.errors import explain_malformed_responses
from signalroom_singer.privacy.hashing import ColumnHashes
from signalroom_singer.progress import REPORTER
from signalroom_singer.table_docs import without_description
from tap_sticky_s3.column_types import ColumnType
from tap_sticky_s3.csv.column_names import ROW_ID
from tap_sticky_s3.file_history import FileHistory
from tap_sticky_s3.file_log import FILE_NAME
from tap_sticky_s3.header_columns import HeaderColumns
from tap_sticky_s3.known_columns import KNOWN_COLUMNS
from tap_sticky_s3.run_plan import RunPlanner
from tap_sticky_s3.streams.base import StickyStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import Conditions
    from signalroom_singer.privacy.card_data import CardReport
    from tap_sticky_s3.batch_store import BatchStore
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.column_discovery import ColumnDiscovery
    from tap_sticky_s3.column_types import TypeUsage
    from tap_sticky_s3.file_log import FileLog
    from tap_sticky_s3.file_parser import FileParser, StreamColumns
    from tap_sticky_s3.parsed_file import ParsedFile
    from tap_sticky_s3.run_plan import RunPlan
    from tap_sticky_s3.table_settings import TableSettings

    _Group: TypeAlias = list[tuple[S3Object, ParsedFile | None]]

# The state has all days of a table: with many files, a state after each would cost more than
# reading the files.
_MANY_FILES, _STATE_SECONDS = 100, 5.0
#: Half of the batch files that may wait for the target, if each is a message of its own.
_KEPT_FILES = 4

_METADATA = th.PropertiesList(
    th.Property(FILE_NAME, th.StringType, description="The bucket, a slash, and the file's key"),
    th.Property(
        ROW_ID, th.IntegerType, description="Number of the row in the file; the first is 0"
    ),
    th.Property("_file_date", th.StringType, description="The first date in the key, YYYY-MM-DD"),
    th.Property("_file_etag", th.StringType, description="Version of the file"),
    th.Property(
        "_file_last_modified", th.DateTimeType, description="When that version was stored (UTC)"
    ),
).to_dict()["properties"]
_TEXT = {"type": ["string", "null"]}


@dataclass(frozen=True)
class RunResources:
    """The objects that the tables of a run share.

    Attributes:
        tables: The settings of all tables.
        bucket: The bucket that all files are in.
        batch_store: The folder for batch files.
        file_log: The log of files for the stream `files`.
        card_report: The card data that was removed in the run.
        type_usage: The names in `column_types` that are columns of a table.
    """

    tables: Sequence[TableSettings]
    bucket: Bucket
    batch_store: BatchStore
    file_log: FileLog
    card_report: CardReport
    type_usage: TypeUsage


class TableStream(StickyStream):
    """The rows of all files of a table.

    Args:
        tap: The tap that the stream belongs to.
        table: The table's settings.
        resources: The objects that it shares with other streams.
    """

    loading = Loading(
        "Incremental by file: each file once, and again if it was overwritten (ETag or size)",
        "Files that were overwritten are read again, and rows that they had before are removed; "
        "later files about the same orders add rows",
        "Rows of files that are no longer in the bucket stay, unless `remove_deleted_files` is set",
    )
    # The header of each file may have more.
    columns_are_known = False

    # Whether the run says which rows of the table it has read completely: only if the table may
    # have others, as these wait in the loader until they are complete.
    _has_scopes = False
    # A run's plan and what follows from it; `_write_schema_message` sets them before the rows.
    _plan: RunPlan
    _columns: StreamColumns
    _parser: FileParser

    def __init__(self, tap: Tap, table: TableSettings, resources: RunResources) -> None:
        known = KNOWN_COLUMNS.get(table.name, ())
        headers = HeaderColumns({}, table.name, known, tap.logger)
        self._types = _find_types(table.name, tap.config, headers)
        columns = {column: self._column_schema(column) for column in known}
        super().__init__(
            tap,
            {"type": "object", "properties": {**_METADATA, **columns}},
            table.name,
            primary_keys=(FILE_NAME, ROW_ID),
        )
        self._table = table
        self._bucket = resources.bucket
        self._batch_store = resources.batch_store
        self._file_log = resources.file_log
        self._card_report = resources.card_report
        self._type_usage = resources.type_usage
        self._planner = RunPlanner(
            *(table, resources.tables, resources.bucket, tap.config, self.logger)
        )
        self._file_errors: list[TapError] = []
        self._skipped: set[S3Object] = set()
        # Files whose rows are written, and that no STATE has named yet.
        self._unnamed_files: list[str] = []
        self._state_written_at = 0.0

    # The plan and the columns.

    def discover_columns(self) -> None:
        """Add the columns of the table's files to the schema, for a catalog."""
        state = self.get_context_state(None)
        objects = self._planner.list_files()
        discovery = self._make_discovery(state)
        names = discovery.learn_from_some(objects, FileHistory(state, self.name, objects))
        self._add_columns(names, discovery.headers)
        # Columns without metadata cannot be deselected in Meltano.
        for name in self.schema["properties"]:
            available = Metadata(inclusion=Metadata.InclusionType.AVAILABLE)
            self.metadata.setdefault(("properties", name), available)

    @override
    def _write_schema_message(self) -> None:
        # The columns of all files of the run have to be known before the schema is written.
        self._plan = self._plan_run()
        self._has_scopes = self._plan.rereads or self._plan.deleted_rows is not None
        self._register_schema()
        self._columns = self._selected_columns()
        super()._write_schema_message()

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        return (FILE_NAME, *(self._plan.deleted_rows or ())) if self._has_scopes else ()

    def _plan_run(self) -> RunPlan:
        """Decide which files the run reads, and learn the columns from their headers."""
        # Imported late, as it imports pyarrow: a third of the start of the tap.
        from tap_sticky_s3.file_parser import FileParser  # noqa: PLC0415

        state = self.get_context_state(None)
        plan = self._planner.plan(state)
        discovery = self._make_discovery(state)
        names = discovery.learn(plan.due, plan.objects, plan.history)
        self._add_columns(names, discovery.headers)
        self._report_types(discovery.headers)
        self._parser = FileParser(
            *(self._bucket, self._table.dialect, self._batch_store, self.config, self.logger),
            name_columns=discovery.headers.name_columns,
            check=discovery.error,
        )
        return plan

    def _make_discovery(self, state: dict[str, Any]) -> ColumnDiscovery:
        # As it imports boto3.
        from tap_sticky_s3.column_discovery import ColumnDiscovery  # noqa: PLC0415

        return ColumnDiscovery(state, self._table, self._bucket, self.logger)

    def _add_columns(self, names: Iterable[str], headers: HeaderColumns) -> None:
        """Add columns to the schema, and the types of columns whose headers are known now."""
        self._types = _find_types(self.name, self.config, headers)
        new = [name for name in names if name not in self.schema["properties"]]
        columns = {name: self._column_schema(name) for name in new}
        columns |= {
            name: column_type.schema
            for name, column_type in self._types.items()
            if name in self.schema["properties"]
        }
        columns = self.descriptions.schema(self.name, {"properties": columns})["properties"]
        if self._input_schema is not None:
            # The catalog takes precedence; columns that it does not have are new.
            catalog = self._input_schema["properties"]
            columns = {**self.schema["properties"], **columns, **catalog}
            self._input_schema = {**self._input_schema, "properties": columns}
        else:
            columns = {**self.schema["properties"], **columns}
        if new:
            self.logger.info("Unknown columns: %s", ", ".join(new))
        self._schema = {**self.schema, "properties": columns}

    def _column_schema(self, column: str) -> dict[str, Any]:
        if column in self._types:
            return self._types[column].schema
        return {"type": ["string", "null"]}

    def _report_types(self, headers: HeaderColumns) -> None:
        used = [name for name in self.config["column_types"] if headers.find_column(name)]
        self._type_usage.add(self.name, used, has_headers=headers.has_headers)

    def _register_schema(self) -> None:
        """Pass the schema on to the stream maps, which were made without the new columns."""
        self._tap.mapper.register_raw_stream_schema(
            self.name, get_selected_schema(self.name, self.schema, self.mask), self.primary_keys
        )
        self._stream_maps = None

    def _selected_columns(self) -> StreamColumns:
        from tap_sticky_s3.file_parser import StreamColumns  # noqa: PLC0415 - as above

        columns = self.schema["properties"]
        keys = self.primary_keys
        selected = (name for name in columns if self.mask["properties", name] or name in keys)
        return StreamColumns(frozenset(columns), tuple(selected), self._client_id, self.hashes)

    @override
    def _with_hashes(self, record: Record) -> Record:
        # The parser has hashed them, for batch files too.
        return record

    # The rows.

    def _parse_files(self) -> Iterator[list[ParsedFile]]:
        """Read the files of the run, several at a time; yields them in order.

        Yields:
            A large file alone, and small ones in groups.
        """
        from tap_sticky_s3.file_parser import group_files  # noqa: PLC0415 - as above

        columns = self._columns

        def parse(group: Sequence[S3Object]) -> Iterator[list[_Group]]:
            files: _Group = []
            place = f"{self.name}: {self._bucket.name}/"
            try:
                with explain_malformed_responses(lambda: f"{place}{group[len(files)].key}"):
                    for obj, file in self._parser.parse_group(group, columns):
                        files.append((obj, file))
            finally:
                # Also those before a file that ends the run.
                yield [files]

        workers = self.config["max_concurrency"]
        groups = group_files(self._plan.due)
        self.progress.expect(len(self._plan.due), "files")
        with ReadAhead(groups, parse, workers=workers, buffer=workers) as ahead:
            for _, pages in ahead:
                for files in pages or ():
                    yield [*self._existing_files(files)]

    def _existing_files(self, files: _Group) -> Iterator[ParsedFile]:
        for obj, file in files:
            self.progress.done += 1
            if file is None:
                self.logger.warning("%s was deleted since it was listed", obj.key)
            else:
                yield file

    def _skip_bad_file(self, file: ParsedFile, error: TapError) -> None:
        """Log a file that cannot be loaded; the others are loaded all the same."""
        self._file_log.add(file, self.name, self._bucket.name)
        skips = self.config["on_bad_file"] == "skip"
        self.logger.warning("%s%s", error, " It is skipped." if skips else "")
        if skips:
            self._skipped.add(file.obj)
        else:
            self._file_errors.append(error)

    def _complete_files(self, files: Sequence[ParsedFile]) -> None:
        """Add the good ones to the state, after all of their rows have been written."""
        for file in files:
            if file.error:
                self._skip_bad_file(file, file.error)
            else:
                self._complete_file(file)
        if any(file.error is None for file in files):
            self._write_state_if_due(in_batches=any(file.path for file in files))

    def _complete_file(self, file: ParsedFile) -> None:
        history, name = self._plan.history, f"{self._bucket.name}/{file.obj.key}"
        self._warn_of_rows(file, history.row_count(file.obj.key))
        self._card_report.add(self.name, name, file.cards)
        self._file_log.add(file, self.name, self._bucket.name)
        history.add(file.obj, file.row_count)
        self.state_manager.is_flushed = False
        self._unnamed_files.append(name)

    def _write_state_if_due(self, *, in_batches: bool) -> None:
        # In batches, the target keeps the files until it knows whether they are complete.
        history = self._plan.history
        are_kept = in_batches and len(self._unnamed_files) >= _KEPT_FILES
        now = time.monotonic()
        is_due = len(history) < _MANY_FILES or now - self._state_written_at > _STATE_SECONDS
        if is_due:
            self._state_written_at = now
            history.save()
            self._write_files_state()
        elif self._has_scopes and are_kept:
            # With the state as it was: with many files it takes long to write.
            self._write_files_state()

    def _write_files_state(self) -> None:
        """Write a STATE, which names the files whose rows were all written since the last one."""
        names, self._unnamed_files = self._unnamed_files, []
        if self._has_scopes and names:
            self.write_scope({FILE_NAME: one_of(names)})
        else:
            self._write_state_message()

    def _warn_of_rows(self, file: ParsedFile, rows_before: int | None) -> None:
        if rows_before is not None and file.row_count < rows_before:
            self.logger.warning(
                "%s had %d rows and has %d now. SignalRoom's target-postgres removes the others. "
                "With another one they stay in the table; the README says how to leave them out.",
                *(file.obj.key, rows_before, file.row_count),
            )
        if file.short_rows or file.long_rows:
            self.logger.warning(
                "%s: %d rows have too few cells (null there), %d too many (%s)",
                *(file.obj.key, file.short_rows, file.long_rows),
                "left out" if file.skipped_rows else f"kept in {EXTRA}",
            )
        if file.unlisted_nulls:
            self.logger.warning(
                "%s: %d cells are %sN, which is NULL to MySQL, and are read as the text N. If they "
                "are NULL, add it to `null_values`.",
                *(file.obj.key, file.unlisted_nulls, self._table.dialect.escapechar),
            )

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for file in chain.from_iterable(self._parse_files()):
            for row in file.records():
                yield row | file.constants
            if file.path:
                self._batch_store.remove(file.path)
            self._complete_files([file])

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        if extra := row.get(EXTRA):
            row[EXTRA] = json.loads(extra)
        # Without types all cells are text, which fits.
        return self._conformer.conform(row) if self._has_types else row

    @cached_property
    def _conformer(self) -> RecordConformer:
        columns = self.schema["properties"]
        readers = {
            name: column_type.read
            for name, column_type in self._types.items()
            if column_type.has_format
            and without_description(columns.get(name, {})) == column_type.schema
        }
        return RecordConformer(
            self.name, self.schema, self.record_keys, self.logger, readers=readers
        )

    @cached_property
    def _has_types(self) -> bool:
        columns = self.schema["properties"]
        of_files = columns.keys() - _METADATA.keys() - {CLIENT_ID, LOADED_AT, EXTRA}
        return any(without_description(columns[name]) != _TEXT for name in of_files)

    # The same rows as batch files.

    @override
    def get_batch_config(self, config: Any) -> BatchConfig | None:
        """Return the settings of BATCH messages; None if rows have to be sent as records."""
        (stream_map, *more) = self.stream_maps
        is_unmapped = type(stream_map) is SameRecordTransform and not more
        if (
            not config.get("batch_config")
            or not is_unmapped
            or stream_map.flattening_enabled
            or self._has_types
            # A test of the connection counts records.
            or self.ABORT_AT_RECORD_COUNT is not None
        ):
            return None
        return BatchConfig(
            BaseBatchFileEncoding(self._batch_store.form),
            StorageTarget(str(self._batch_store.root)),
        )

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        # The SDK does not call `_sync_records` for batches, which would do the first and the last.
        with (
            explain_malformed_responses(lambda: self.name),
            self.get_batch_counter() as counter,
            REPORTER.on(self.progress) as progress,
        ):
            for files in self._parse_files():
                if paths := [file.path for file in files if file.path]:
                    urls = self._batch_store.hand_over(paths)
                    self._write_batch_message(batch_config.encoding, urls)
                    counter.increment()
                progress.rows += sum(file.row_count for file in files)
                self._complete_files(files)

    # The end of the run.

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        history = self._plan.history
        history.prune(self._plan.not_loaded(), days=self.config["state_retention_days"])
        history.save()
        self.state_manager.is_flushed = False
        if self._unnamed_files:
            self._write_files_state()
        if self._plan.deleted_rows is not None:
            self._remove_deleted(self._plan.deleted_rows)
        # After the scopes: a signal ends the tap with the state as it is then.
        history.finish()
        self.state_manager.is_flushed = False
        super().finalize_state_progress_markers(state)

    def _remove_deleted(self, rows: Conditions) -> None:
        """Have rows of files that are no longer in the bucket removed, unless files are missing."""
        if count := self._plan.count_awaited(self._skipped):
            self.logger.info(
                "%s: rows of files that are no longer in the bucket stay until %d other files are "
                "loaded",
                *(self.name, count),
            )
            return
        self._plan.history.may_have_deleted = not self.write_scope(rows, deleted=True)

    @override
    def log_sync_costs(self) -> None:
        """Fail if files could not be read; called after all other files of all streams are done.

        Raises:
            TapError: If there are such files.
        """
        super().log_sync_costs()
        self._card_report.log(self.logger)
        if self._file_errors:
            first, more = self._file_errors[0], len(self._file_errors) - 1
            msg = (
                f"{first}{f' And {more} more files of {self.name}.' if more else ''} All other "
                "files are loaded. To go on without such files, set `on_bad_file` to skip."
            )
            raise TapError(msg, exit_code=ExitCode.DATA)


def _find_types(
    table: str, config: Mapping[str, Any], headers: HeaderColumns
) -> dict[str, ColumnType]:
    """Find the types of the table's columns in `column_types`; hashes are always text."""
    types = {
        headers.find_column(name): ColumnType(text) for name, text in config["column_types"].items()
    }
    hashes = ColumnHashes.from_config(table, config)
    return {
        name: column_type
        for name, column_type in types.items()
        if name and not hashes.is_hashed(name)
    }
