"""The tap: its settings and its streams."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from signalroom_singer import SignalRoomTap, invalid_setting, named
from signalroom_singer.cards import CardReport
from tap_sticky_s3.batch_store import BatchStore
from tap_sticky_s3.client import Bucket
from tap_sticky_s3.column_types import ColumnType
from tap_sticky_s3.csv.dialect import Dialect
from tap_sticky_s3.file_filter import check_dates
from tap_sticky_s3.settings import SETTINGS
from tap_sticky_s3.streams.files import FilesStream, StickyStream
from tap_sticky_s3.streams.tables import TableStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

_NAME = re.compile(r"[^a-z0-9]+")
_FORMATS = ("arrow", "parquet")
_WAITING = 8  # batch files that the target has not loaded yet


def _folders(text: str) -> list[str]:
    """The folders of a JSON list, or of a text with commas between them; no other JSON is one."""
    found = json.loads(text) if text.startswith("[") else text.split(",")
    if text.startswith(("{", "'", '"')) or not all(isinstance(one, str) for one in found):
        raise ValueError(text)
    return list(found)


def _checked(column: str, text: str) -> None:
    try:
        ColumnType(text)
    except ValueError as error:
        raise invalid_setting("column_types", f"{column}: {error}") from None


class TapStickyS3(SignalRoomTap):
    """Reads CSV exports on S3, as Sticky.io delivers them, into a table for each prefix."""

    name = "tap-sticky-s3"
    _types_reported = False
    package_name = "tap-sticky-s3"
    # Without the settings nothing can be asked for what there is.
    dynamic_catalog = True

    # With BATCH: here it is done so that selection and client tags hold in it.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *SignalRoomTap.capabilities,
        PluginCapabilities.BATCH,
    ]

    config_jsonschema = SETTINGS

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket."""
        return Bucket(self.config, self.logger)

    @cached_property
    def cards(self) -> CardReport:
        """The card data that was found in this run."""
        return CardReport()

    @property
    def sends_batches(self) -> bool:
        """Whether BATCH messages are wanted."""
        return bool(self.config.get("batch_config"))

    @cached_property
    def spool(self) -> BatchStore:
        """Where files wait for the target."""
        wanted = self.config.get("batch_config") or {}
        form = (wanted.get("encoding") or {}).get("format", "arrow")
        storage = wanted.get("storage") or {}
        if form not in _FORMATS:
            problem = f"expected the format {' or '.join(_FORMATS)}"
            raise invalid_setting("batch_config", problem, form)
        return BatchStore(
            form, storage.get("root"), storage.get("prefix"), most=_WAITING, logger=self.logger
        )

    def dialect(self, table: Mapping[str, Any]) -> Dialect:
        """How a table's files are written.

        Args:
            table: Its settings; the tap's settings hold where it has none.

        Raises:
            ConfigValidationError: If that cannot be.
        """
        config = {**self.config, **table}
        return Dialect(
            delimiter=config["delimiter"].replace("\\t", "\t"),
            quotechar=config["quotechar"] or None,
            doublequote=config["doublequote"],
            escapechar=config.get("escapechar"),
            encoding=config["encoding"],
            null_values=tuple(config["null_values"]),
            empty_as_null=config["empty_as_null"],
            on_bad_row=config["on_bad_row"],
        )

    @property
    def files(self) -> FilesStream:
        """The stream of the files."""
        (found,) = (stream for stream in self.streams.values() if isinstance(stream, FilesStream))
        return found

    def is_of_a_table(self, key: str) -> bool:
        """Whether a file is one of any table's.

        Args:
            key: The file.
        """
        return any(isinstance(one, TableStream) and one.has(key) for one in self.streams.values())

    def report_types(self, table: TableStream) -> None:
        """Report names in `column_types` that no file has, once all tables' headers are known.

        Args:
            table: One whose headers are known now.
        """
        self._with_headers.add(table.name)
        tables = [
            one for one in self.streams.values() if isinstance(one, TableStream) and one.selected
        ]
        if not {one.name for one in tables} <= self._with_headers or self._types_reported:
            return
        self._types_reported = True
        found = {name for one in tables for name in one.typed_names}
        unknown = [name for name in self.config["column_types"] if name not in found]
        if unknown and any(one.has_headers for one in tables):
            self.logger.warning(
                "%s: no file of any table has %s, neither as a header nor as a column's name",
                named("column_types"),
                ", ".join(map(repr, unknown)),
            )

    @cached_property
    def _with_headers(self) -> set[str]:
        return set()

    def _tables(self) -> list[dict[str, Any]]:
        """The tables that the settings name."""
        if tables := self.config.get("tables"):
            return [{"pattern": self.config["pattern"], **table} for table in tables]
        text = self.config["prefixes"].strip()
        try:
            prefixes = _folders(text)
        except ValueError:
            raise invalid_setting("prefixes", 'expected a,b or ["a", "b"]', text) from None
        folders = [prefix.strip().strip("/") for prefix in prefixes if prefix.strip()]
        return [
            {
                "name": _NAME.sub("_", folder.lower()).strip("_"),
                "prefix": f"{folder}/",
                "pattern": self.config["pattern"],
            }
            for folder in folders
        ]

    @override
    def discover_streams(self) -> list[StickyStream]:
        tables = self._tables()
        names = [FilesStream.name, *(table["name"] for table in tables)]
        if repeated := {name for name in names if names.count(name) > 1}:
            problem = (
                f"the name {', '.join(sorted(repeated))} is there twice (`files` is the stream of "
                f"the files). Use other names in {named('tables')}"
            )
            setting = "tables" if self.config.get("tables") else "prefixes"
            raise invalid_setting(setting, problem)
        try:
            return [FilesStream(self), *(TableStream(self, table) for table in tables)]
        except re.error as error:
            problem = f"a pattern is not a regular expression ({error})"
            raise invalid_setting("tables", problem) from None

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # Arrow's own format is none of the SDK's.
        encoding = config_jsonschema["properties"]["batch_config"]["properties"]["encoding"]
        encoding["properties"]["format"]["enum"] = [*_FORMATS]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        found = super()._validate_config(raise_errors=raise_errors)
        _ = self.spool
        try:
            re.compile(self.config["pattern"])
        except re.error as error:
            problem = f"it is not a regular expression ({error})"
            raise invalid_setting("pattern", problem, self.config["pattern"]) from None
        for table in [{}, *self._tables()]:
            self.dialect(table)
        for column, text in self.config["column_types"].items():
            _checked(column, text)
        return found

    @override
    def check_days(self) -> None:
        check_dates(self.config)

    @property
    @override
    def catalog_dict(self) -> dict[str, Any]:
        # Only where a catalog is asked for: a run learns the columns of the files that it reads.
        for stream in self.streams.values():
            if isinstance(stream, TableStream):
                stream.discover()
        return super().catalog_dict

    @override
    def close(self) -> None:
        super().close()
        self.bucket.close()
        self.spool.close()
