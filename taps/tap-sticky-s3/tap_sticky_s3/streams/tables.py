"""The streams: a table of files each."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

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
    RecordShaper,
    TapError,
    explain_malformed_responses,
    undescribed,
)
from signalroom_singer.hashing import ColumnHashes
from signalroom_singer.progress import REPORTER
from tap_sticky_s3.client import HEADERS_AT_ONCE
from tap_sticky_s3.column_types import ColumnType
from tap_sticky_s3.csv.reader import ROW_ID
from tap_sticky_s3.file_check import FileCheck
from tap_sticky_s3.file_filter import DEFAULT_PATTERN, FileFilter, date_in_key
from tap_sticky_s3.file_history import FileHistory
from tap_sticky_s3.file_parser import FileParser, StreamColumns
from tap_sticky_s3.header_columns import HeaderColumns
from tap_sticky_s3.known_columns import KNOWN_COLUMNS
from tap_sticky_s3.streams.files import FILE_NAME, StickyStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

    from tap_sticky_s3.batch_store import ParsedFile
    from tap_sticky_s3.client import S3Object
    from tap_sticky_s3.header_check import FilePreview
    from tap_sticky_s3.tap import TapStickyS3

_HEADERS_AT_DISCOVERY, _HEADERS_RECALLED = 5, 250
_NAMED = 5
# A state has all days of a table: where there are many files, one after each of them would cost
# more than the files do.
_MANY_FILES, _STATE_SECONDS = 100, 5.0

_METADATA = th.PropertiesList(
    th.Property(FILE_NAME, th.StringType, description="The bucket, a slash, and the file's key"),
    th.Property(ROW_ID, th.IntegerType, description="Which row of the file; the first is 0"),
    th.Property("_file_date", th.StringType, description="The first date in the key, YYYY-MM-DD"),
    th.Property("_file_etag", th.StringType, description="Which version of the file"),
    th.Property(
        "_file_last_modified", th.DateTimeType, description="When that version was stored (UTC)"
    ),
).to_dict()["properties"]


class TableStream(StickyStream):
    """The rows of all files under a prefix.

    Args:
        tap: The tap.
        table: Its settings: `name`, also the stream's; `prefix`, what the files' keys begin with;
            `pattern`, what they match; and how the files are written, where they differ.
    """

    loading = Loading(
        "Incremental by file: each file once, and again if it was overwritten (ETag or size)",
        "Files that were overwritten; later files about the same orders are further rows",
        "Rows of files that are gone stay; `files` says which version of a file is the last",
    )
    # Each file's header may have more.
    columns_are_known = False

    def __init__(self, tap: TapStickyS3, table: Mapping[str, Any]) -> None:
        name, self._prefix = table["name"], table["prefix"]
        self._dialect = tap.dialect(table)
        known = KNOWN_COLUMNS.get(name, ())
        self._types = self._typed(tap, name, HeaderColumns({}, name, known, tap.logger))
        columns = {column: self._schema_of(column) for column in known}
        self._checks = table.get("check_header", tap.config["check_header"])
        super().__init__(
            tap,
            {"type": "object", "properties": {**_METADATA, **columns}},
            name,
            primary_keys=(FILE_NAME, ROW_ID),
        )
        self._filter = FileFilter(tap.config, table["pattern"])
        self._bad: list[TapError] = []
        self._state_written = 0.0

    @staticmethod
    def _typed(tap: TapStickyS3, table: str, headers: HeaderColumns) -> dict[str, ColumnType]:
        """The types that are asked for, by column."""
        named = tap.config["column_types"].items()
        found = {headers.column_of(name): ColumnType(text) for name, text in named}
        hashes = ColumnHashes.of(table, tap.config)
        return {name: kind for name, kind in found.items() if name and not hashes.has(name)}

    @property
    def typed_names(self) -> list[str]:
        """The names in `column_types` that are columns of this table."""
        return [name for name in self.config["column_types"] if self._headers.column_of(name)]

    @property
    def has_headers(self) -> bool:
        """Whether any file's header is known."""
        return bool(self._headers)

    def _schema_of(self, column: str) -> dict[str, Any]:
        if column in self._types:
            return self._types[column].schema
        return {"type": ["string", "null"]}

    # What to read.

    @cached_property
    def _ledger(self) -> FileHistory:
        return FileHistory(self.get_context_state(None), self.name, self._listed)

    @cached_property
    def _listed(self) -> list[S3Object]:
        """The table's files; asked for once a run."""
        found: dict[bool, list[S3Object]] = {True: [], False: []}
        for thing in self._tap.bucket.objects(self._prefix):
            found[self._filter.is_of_table(thing)].append(thing)
        self._others = [thing.key for thing in found[False] if not thing.key.endswith("/")]
        return found[True]

    def has(self, key: str) -> bool:
        """Whether a key is one of the table's.

        Args:
            key: Of any file of the bucket.
        """
        return key.startswith(self._prefix) and self._filter.matches(key)

    def _report_others(self) -> None:
        """Name the files below the prefix that are in no table."""
        if others := [key for key in self._others if not self._tap.is_of_a_table(key)]:
            more = len(others) - _NAMED
            self.logger.log(
                # Whoever set a pattern knows that some do not match.
                logging.WARNING if self._filter.pattern == DEFAULT_PATTERN else logging.INFO,
                "%s/%s: %d files do not match the pattern %s and are not read: %s%s",
                *(self._tap.bucket.name, self._prefix, len(others), self._filter.pattern),
                *(", ".join(others[:_NAMED]), f" and {more} more" if more > 0 else ""),
            )

    @cached_property
    def _due(self) -> list[S3Object]:
        """The files to read in this run."""
        if taken := self._ledger.take_over(self._listed):
            self.logger.info(
                "The state of an earlier pipeline stands for %d files: they count as loaded", taken
            )
        self._report_days()
        new = self._missing()
        due = self._filter.of_this_run(thing for thing in new if self._filter.wants(thing))
        self.logger.info(
            "%s/%s: %d files, %d not loaded, reading %d",
            *(self._tap.bucket.name, self._prefix, len(self._listed), len(new), len(due)),
        )
        if not self._listed:
            self.logger.warning(
                "%s/%s has no files of this table. If it should, check `prefixes` and `tables`",
                *(self._tap.bucket.name, self._prefix),
            )
        self._report_others()
        self._warn_of_repeats(due)
        return due

    def _report_days(self) -> None:
        """Name the days that are read again, as nobody can tell which of their files changed."""
        if days := self._ledger.read_again:
            more = len(days) - _NAMED
            self.logger.warning(
                "%s/%s: files of %s%s were overwritten or deleted after they were loaded. All %d "
                "files of these days are read again, as the state does not have them one by one. "
                "If one became shorter, rows of its earlier version stay in the table; the README "
                "says how to leave them out.",
                *(self._tap.bucket.name, self._prefix, ", ".join(sorted(days)[:_NAMED])),
                *(f" and {more} more days" if more > 0 else "", sum(days.values())),
            )

    def _missing(self) -> list[S3Object]:
        """The files that are not loaded."""
        by_time = self.config["reload_on"] == "last_modified"
        return [thing for thing in self._listed if not self._ledger.has(thing, by_time=by_time)]

    def _warn_of_repeats(self, due: Sequence[S3Object]) -> None:
        """Tell of days that came twice: their orders are in both files."""
        keys: dict[str, list[str]] = {}
        for thing in self._listed:
            if date := date_in_key(thing.key):
                keys.setdefault(date, []).append(thing.key)
        for date in sorted({date for thing in due if (date := date_in_key(thing.key))}):
            if len(keys[date]) > 1:
                self.logger.warning(
                    "%d files under %s have the date %s: %s. All are loaded; take the newest "
                    "`_file_last_modified` of an order where they overlap.",
                    *(len(keys[date]), self._prefix, date, ", ".join(keys[date])),
                )

    # The columns.

    def discover(self) -> None:
        """Learn the columns of the newest files, for a catalog, and of the oldest.

        Those decide which header has a plain name, as in a run that reads all.
        """
        self._learn(_ends(self._listed, _HEADERS_AT_DISCOVERY))
        # Columns without metadata cannot be deselected in Meltano.
        for name in self.schema["properties"]:
            available = Metadata(inclusion=Metadata.InclusionType.AVAILABLE)
            self.metadata.setdefault(("properties", name), available)

    def _heads(self, things: Sequence[S3Object]) -> dict[S3Object, FilePreview | None]:
        known = self._headers.plain_names
        with ThreadPoolExecutor(HEADERS_AT_ONCE) as pool:
            heads = pool.map(lambda thing: self._reader.head(thing, known), things)
            return dict(zip(things, heads, strict=True))

    @cached_property
    def _headers(self) -> HeaderColumns:
        known = KNOWN_COLUMNS.get(self.name, ())
        return HeaderColumns(self.get_context_state(None), self.name, known, self.logger)

    @cached_property
    def _admission(self) -> FileCheck:
        bucket = self._tap.bucket.name
        return FileCheck(self._headers, self.name, bucket, checks=self._checks)

    def _recall(self) -> None:
        """Learn the headers of files that were loaded when the state kept none."""
        if self._headers or not len(self._ledger):
            return
        loaded = [thing for thing in self._listed if self._ledger.has(thing)]
        if wrong := self._admission.recall(self._heads(_ends(loaded, _HEADERS_RECALLED))):
            self.logger.warning(
                "%d files that count as loaded would be refused now, as they are not what the "
                "settings say: %s. Look at their rows; --full-refresh reads them again.",
                *(len(wrong), ", ".join(wrong[:_NAMED])),
            )

    def _refusal(self, thing: S3Object) -> TapError | None:
        """Why a file may not be loaded; looked at again if it was overwritten meanwhile."""
        if not self._admission.is_known(thing):
            self._admission.admit(self._heads([thing]))
        return self._admission.refusal(thing)

    def _learn(self, things: Sequence[S3Object]) -> None:
        """Add the columns of files' headers to the schema."""
        before: Mapping[S3Object, FilePreview | None] = {}
        if things:
            self._recall()
            if not self._headers and len(things) < len(self._listed):
                before = self._heads(_ends(self._listed, _HEADERS_AT_DISCOVERY))
        names = self._admission.admit(self._heads(things), before.values())
        self._types = self._typed(self._tap, self.name, self._headers)
        new = [name for name in names if name not in self.schema["properties"]]
        columns = {name: self._schema_of(name) for name in new}
        columns |= {
            name: kind.schema
            for name, kind in self._types.items()
            if name in self.schema["properties"]
        }
        columns = self.descriptions.schema(self.name, {"properties": columns})["properties"]
        if self._input_schema is not None:
            # What the catalog says of a column holds; what it does not know is new.
            catalog = self._input_schema["properties"]
            columns = {**self.schema["properties"], **columns, **catalog}
            self._input_schema = {**self._input_schema, "properties": columns}
        else:
            columns = {**self.schema["properties"], **columns}
        if new:
            self.logger.info("Unknown columns: %s", ", ".join(new))
        self._schema = {**self.schema, "properties": columns}

    @override
    def _write_schema_message(self) -> None:
        # Before it, so that no column comes as a surprise.
        self._learn(self._due)
        self._tap.report_types(self)
        self._tap.mapper.register_raw_stream_schema(
            self.name, get_selected_schema(self.name, self.schema, self.mask), self.primary_keys
        )
        self._stream_maps = None
        super()._write_schema_message()

    @cached_property
    def _layout(self) -> StreamColumns:
        columns = self.schema["properties"]
        keys = self.primary_keys
        selected = (name for name in columns if self.mask["properties", name] or name in keys)
        return StreamColumns(frozenset(columns), tuple(selected), self._client_id, self.hashes)

    @override
    def _with_hashes(self, record: Record) -> Record:
        # The reader has hashed them, also for batches.
        return record

    # The rows.

    @cached_property
    def _reader(self) -> FileParser:
        return FileParser(
            *(self._tap.bucket, self._dialect, self._tap.spool, self.config, self.logger),
            named=self._headers.names,
            refusal=self._refusal,
        )

    def _files(self) -> Iterator[ParsedFile]:
        """Read the files, several at once, and give them in their order."""
        layout = self._layout

        def read(thing: S3Object) -> Iterator[list[ParsedFile]]:
            with explain_malformed_responses(
                lambda: f"{self.name}: {self._tap.bucket.name}/{thing.key}"
            ):
                file = self._reader.read(thing, layout)
            yield [file] if file else []

        workers = self.config["max_concurrency"]
        self.progress.expect(len(self._due), "files")
        with ReadAhead(self._due, read, workers=workers, buffer=workers) as ahead:
            for thing, files in ahead:
                self.progress.done += files is None
                if files == []:
                    self.logger.warning("%s was deleted since it was listed", thing.key)
                for file in files or ():
                    if file.error:
                        self._refuse(file, file.error)
                    else:
                        yield file

    def _refuse(self, file: ParsedFile, error: TapError) -> None:
        """Tell of a file that cannot be loaded, and go on with the others."""
        self._tap.files.note(file, self.name, self._tap.bucket.name)
        skips = self.config["on_bad_file"] == "skip"
        self.logger.warning("%s%s", error, " It is skipped." if skips else "")
        if not skips:
            self._bad.append(error)

    def _done(self, file: ParsedFile) -> None:
        """Note a file whose rows have been written: all of it, or nothing."""
        thing = file.thing
        before = self._ledger.rows(thing.key)
        if before is not None and file.rows < before:
            self.logger.warning(
                "%s had %d rows and has %d now: the last ones of the earlier version stay in the "
                "table. The README says how to leave them out.",
                *(thing.key, before, file.rows),
            )
        if file.short or file.long:
            self.logger.warning(
                "%s: %d rows have too few cells (null there), %d too many (%s)",
                *(thing.key, file.short, file.long),
                "left out" if file.skipped else f"kept in {EXTRA}",
            )
        if file.unnamed_nulls:
            self.logger.warning(
                "%s: %d cells are %sN, which is NULL to MySQL, and are read as the text N. If they "
                "are NULL, add it to `null_values`.",
                *(thing.key, file.unnamed_nulls, self._dialect.escapechar),
            )
        self._tap.cards.add(self.name, f"{self._tap.bucket.name}/{thing.key}", file.cards)
        self._tap.files.note(file, self.name, self._tap.bucket.name)
        self._ledger.add(thing, file.rows)
        self.state_manager.is_flushed = False
        now = time.monotonic()
        if len(self._ledger) < _MANY_FILES or now - self._state_written > _STATE_SECONDS:
            self._state_written = now
            self._ledger.save()
            self._write_state_message()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for file in self._files():
            for row in file.records():
                yield row | file.constants
            if file.path:
                self._tap.spool.drop(file.path)
            self._done(file)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        if extra := row.get(EXTRA):
            row[EXTRA] = json.loads(extra)
        # All is text and fits, unless somebody asked for more.
        return self._shaper.shape(row) if self._has_types else row

    @cached_property
    def _shaper(self) -> RecordShaper:
        columns = self.schema["properties"]
        formats = {
            name: kind.read
            for name, kind in self._types.items()
            if kind.has_format and undescribed(columns.get(name, {})) == kind.schema
        }
        return RecordShaper(self.name, self.schema, self.record_keys, self.logger, readers=formats)

    @cached_property
    def _has_types(self) -> bool:
        text = {"type": ["string", "null"]}
        own = self.schema["properties"].keys() - _METADATA.keys() - {CLIENT_ID, LOADED_AT, EXTRA}
        return any(undescribed(self.schema["properties"][name]) != text for name in own)

    # The same rows as files.

    @override
    def get_batch_config(self, config: Any) -> BatchConfig | None:
        """Give the settings of BATCH messages; none where only records will do."""
        (stream_map, *more) = self.stream_maps
        as_they_are = type(stream_map) is SameRecordTransform and not more
        if (
            not as_they_are
            or stream_map.flattening_enabled
            or self._has_types
            # A test of the connection wants a record.
            or self.ABORT_AT_RECORD_COUNT is not None
        ):
            return None
        if not self._tap.sends_batches:
            return None
        return BatchConfig(
            BaseBatchFileEncoding(self._tap.spool.form), StorageTarget(str(self._tap.spool.root))
        )

    @override
    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        spool = self._tap.spool
        # The SDK comes here past `_sync_records`.
        with (
            explain_malformed_responses(lambda: self.name),
            self.get_batch_counter() as counter,
            REPORTER.on(self.progress) as progress,
        ):
            for file in self._files():
                if file.path:
                    self._write_batch_message(batch_config.encoding, [spool.send(file.path)])
                    counter.increment()
                progress.rows += file.rows
                self._done(file)

    # The end.

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        self._ledger.prune(self._missing(), days=self.config["state_retention_days"])
        self._ledger.save()
        self.state_manager.is_flushed = False
        super().finalize_state_progress_markers(state)

    @override
    def log_sync_costs(self) -> None:
        """Fail for the files that could not be read: now, as all others of all streams are done.

        Raises:
            TapError: If there are such files.
        """
        super().log_sync_costs()
        self._tap.cards.log(self.logger)
        if self._bad:
            first, more = self._bad[0], len(self._bad) - 1
            msg = (
                f"{first}{f' And {more} more files of {self.name}.' if more else ''} All other "
                "files are loaded. To go on without such files, set `on_bad_file` to skip."
            )
            raise TapError(msg, exit_code=ExitCode.DATA)


def _ends(things: Iterable[S3Object], count: int) -> list[S3Object]:
    """The oldest and the newest files, as many of each, the oldest first."""
    ordered = sorted(things, key=lambda thing: (thing.modified, thing.key))
    return [*ordered[:count], *ordered[max(count, len(ordered) - count) :]]
