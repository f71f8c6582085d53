"""The tap: a stream for each table, and one for the files."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from signalroom_singer import SignalRoomTap, invalid_setting, setting_label
from signalroom_singer.privacy.card_data import CardReport
from tap_sticky_s3.batch_store import BATCH_FORMATS, BatchStore, make_batch_store
from tap_sticky_s3.column_types import TypeUsage, check_column_types
from tap_sticky_s3.file_filter import check_dates
from tap_sticky_s3.file_history import begin_run
from tap_sticky_s3.file_log import FileLog
from tap_sticky_s3.settings import SETTINGS
from tap_sticky_s3.streams.files import FilesStream
from tap_sticky_s3.streams.tables import RunResources, TableStream
from tap_sticky_s3.table_settings import make_dialect, read_tables

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_sticky_s3.client import Bucket
    from tap_sticky_s3.streams.base import StickyStream


class TapStickyS3(SignalRoomTap):
    """Reads CSV exports on S3, as Sticky.io delivers them, into a table for each prefix."""

    name = "tap-sticky-s3"
    package_name = "tap-sticky-s3"
    # The settings name the tables, and only the bucket's files have their columns.
    dynamic_catalog = True

    # With BATCH: unlike the SDK's, these batches honor the selection and have the client tags.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *SignalRoomTap.capabilities,
        PluginCapabilities.BATCH,
    ]

    config_jsonschema = SETTINGS

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket of the settings."""
        # Imported late, as it imports boto3: a third of the start of the tap.
        from tap_sticky_s3.client import Bucket  # noqa: PLC0415

        return Bucket(self.config, self.logger)

    @cached_property
    def batch_store(self) -> BatchStore:
        """The folder for batch files."""
        return make_batch_store(self.config, self.logger)

    @override
    def discover_streams(self) -> list[StickyStream]:
        tables = read_tables(self.config)
        names = [FilesStream.name, *(table.name for table in tables)]
        if repeated := {name for name in names if names.count(name) > 1}:
            problem = (
                f"the name {', '.join(sorted(repeated))} is there twice (`files` is the stream of "
                f"the files). Use other names in {setting_label('tables')}"
            )
            setting = "tables" if self.config.get("tables") else "prefixes"
            raise invalid_setting(setting, problem)
        types = self.config["column_types"]
        resources = RunResources(
            tables=tables,
            bucket=self.bucket,
            batch_store=self.batch_store,
            file_log=FileLog(),
            card_report=CardReport(),
            type_usage=TypeUsage(types, self._selected_tables, self.logger),
        )
        try:
            streams = [TableStream(self, table, resources) for table in tables]
        except re.error as error:
            problem = f"a pattern is not a regular expression ({error})"
            raise invalid_setting("tables", problem) from None
        return [FilesStream(self, resources.file_log), *streams]

    def _table_streams(self) -> list[TableStream]:
        return [stream for stream in self.streams.values() if isinstance(stream, TableStream)]

    def _selected_tables(self) -> set[str]:
        return {stream.name for stream in self._table_streams() if stream.selected}

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        # The SDK does not know the format arrow.
        encoding = config_jsonschema["properties"]["batch_config"]["properties"]["encoding"]
        encoding["properties"]["format"]["enum"] = [*BATCH_FORMATS]

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = super()._validate_config(raise_errors=raise_errors)
        _ = self.batch_store
        try:
            re.compile(self.config["pattern"])
        except re.error as error:
            problem = f"it is not a regular expression ({error})"
            raise invalid_setting("pattern", problem, self.config["pattern"]) from None
        make_dialect(self.config)
        read_tables(self.config)
        check_column_types(self.config["column_types"])
        return errors

    @override
    def check_date_range(self) -> None:
        check_dates(self.config)

    @override
    def _reset_state_progress_markers(self) -> None:
        # What `sync_all`, which is final, does before it writes the first STATE.
        super()._reset_state_progress_markers()
        for stream in self._table_streams():
            if stream.selected:
                begin_run(stream.stream_state)

    @property
    @override
    def catalog_dict(self) -> dict[str, Any]:
        # Only for a catalog: a run learns the columns from the headers of the files that it reads.
        for stream in self._table_streams():
            stream.discover_columns()
        return super().catalog_dict

    @override
    def close(self) -> None:
        super().close()
        self.bucket.close()
        self.batch_store.close()
