"""The tap: its settings and its streams."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    EXACT,
    HTTP_SETTINGS,
    KEY,
    SignalRoomTap,
    given_by,
    invalid_setting,
    named,
)
from signalroom_singer.cards import CARD_SETTINGS, CardReport
from tap_sticky_s3.client import Bucket
from tap_sticky_s3.dialect import Dialect
from tap_sticky_s3.filestream import Files, StickyStream
from tap_sticky_s3.selection import DEFAULT_PATTERN, check_dates
from tap_sticky_s3.spool import Spool
from tap_sticky_s3.streams import Table
from tap_sticky_s3.types import PATTERN, ColumnType

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

    config_jsonschema = th.PropertiesList(
        th.Property(
            "bucket",
            th.StringType,
            required=True,
            title="Bucket",
            description="The bucket with the exports.",
            examples=["sticky-713-data-repo"],
            **given_by("S3_BUCKET_NAME"),
        ),
        th.Property(
            "prefixes",
            th.StringType,
            default="orders-create,orders-update,prospects-create",
            title="Prefixes",
            description=(
                "Folders of the bucket, with commas between them. Each is a stream and a table: "
                "`orders-create` is `orders_create`, with all files below `orders-create/`."
            ),
            **given_by("S3_PREFIXES", shared=True),
        ),
        th.Property(
            "tables",
            th.ArrayType(
                th.ObjectType(
                    th.Property(
                        "name",
                        th.StringType(pattern="^[a-z][a-z0-9_]*$"),
                        required=True,
                        description="The stream and table name, in snake_case.",
                    ),
                    th.Property(
                        "prefix",
                        th.StringType,
                        required=True,
                        description="What the keys begin with; with a slash at its end, a folder.",
                    ),
                    th.Property(
                        "pattern",
                        th.StringType,
                        description="What the keys match; by default the setting `pattern`.",
                    ),
                    th.Property(
                        "encoding",
                        th.StringType,
                        description="Of these files; by default the setting `encoding`.",
                    ),
                    th.Property(
                        "delimiter",
                        th.StringType,
                        description="Of these files; by default the setting `delimiter`.",
                    ),
                    th.Property(
                        "check_header",
                        th.BooleanType,
                        description="Of these files; by default the setting `check_header`.",
                    ),
                ),
            ),
            title="Tables",
            description=(
                "Tables of files, in place of `prefixes`, where names differ from folders. Each "
                "has `name` and `prefix`, and may have its own `pattern`, `encoding`, "
                "`delimiter` and `check_header`."
            ),
            examples=[[{"name": "refunds", "prefix": "exports/refunds/", "pattern": "\\.txt$"}]],
        ),
        th.Property(
            "pattern",
            th.StringType,
            default=DEFAULT_PATTERN,
            title="Pattern",
            description="A regular expression; files whose keys do not match it are passed over.",
            **EXACT,
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Stored since",
            description="Pass over files that were stored before this moment (LastModified).",
        ),
        th.Property(
            "file_date_from",
            th.DateType,
            title="First date",
            description="Pass over files with an earlier date in their key (YYYY-MM-DD).",
        ),
        th.Property(
            "file_date_to",
            th.DateType,
            title="Last date",
            description="Pass over files with a later date in their key (YYYY-MM-DD).",
        ),
        th.Property(
            "max_files",
            th.IntegerType(minimum=1),
            title="Files a run",
            description="Read at most so many files of each table in a run; the next reads more.",
        ),
        th.Property(
            "max_files_order",
            th.StringType(allowed_values=["newest", "oldest"]),
            default="newest",
            title="Which files first",
            description="Which ones, if `max_files` is less than there are.",
        ),
        th.Property(
            "settle_seconds",
            th.IntegerType(minimum=0),
            default=0,
            title="Settling time",
            description="Leave files that are younger than this to the next run.",
        ),
        th.Property(
            "reload_on",
            th.StringType(allowed_values=["content", "last_modified"]),
            default="content",
            title="Read again",
            description=(
                "A file that was loaded is read again when its `content` (ETag or size) differs, "
                "or already when it was stored again (`last_modified`)."
            ),
        ),
        th.Property(
            "state_retention_days",
            th.IntegerType(minimum=14),
            default=400,
            title="Days of state",
            description=(
                "How long files are in the state. Of older ones it only says that they are loaded; "
                "one that then comes with an even older LastModified is not found."
            ),
        ),
        th.Property(
            "delimiter",
            th.StringType,
            default=",",
            title="Delimiter",
            description="What is between cells; a tab is `\\t`.",
            **EXACT,
        ),
        th.Property(
            "quotechar",
            th.StringType,
            default='"',
            title="Quote",
            description="Quote character of cells with a delimiter. Empty: nothing is quoted.",
            **EXACT,
        ),
        th.Property(
            "doublequote",
            th.BooleanType,
            default=True,
            title="Doubled quotes",
            description="Whether a quote within quotes is written twice.",
        ),
        th.Property(
            "escapechar",
            th.StringType,
            title="Escape",
            description="Escape character.",
            **EXACT,
        ),
        th.Property(
            "encoding",
            th.StringType,
            default="auto",
            title="Encoding",
            description=(
                "Encoding of files without a byte order mark, by Python's names, such as `cp1252`; "
                "`auto` is UTF-8. A byte order mark always decides."
            ),
        ),
        th.Property(
            "null_values",
            th.ArrayType(th.StringType),
            default=[],
            title="Null values",
            description=(
                "Cells that become NULL, such as `N/A`, or `\\N` if `escapechar` is a backslash: "
                "each as the file has it, without quotes. By default each cell is its text."
            ),
        ),
        th.Property(
            "empty_as_null",
            th.BooleanType,
            default=False,
            title="Empty cells as NULL",
            description="Whether an empty cell is NULL; by default it is an empty text.",
        ),
        th.Property(
            "column_types",
            th.ObjectType(additional_properties=th.StringType(pattern=PATTERN)),
            default={},
            title="Column types",
            description=(
                "Types by header or column name: `string` (the default), `integer`, `number`, "
                "`boolean`, `date`, `date-time`; dates may add their format, as in "
                "`date:%m/%d/%Y` (Python's strptime). A cell that cannot be read so is NULL and "
                "kept in `_extra`"
            ),
            examples=[{"total_amount": "number", "order_date": "date:%m/%d/%Y"}],
        ),
        th.Property(
            "on_bad_row",
            th.StringType(allowed_values=["extra", "error", "skip"]),
            default="extra",
            title="On a bad row",
            description=(
                "A row with too few cells is NULL in the others, the surplus of one with too many "
                "goes to `_extra` (`extra`); or the file is bad (`error`), or the row is left out "
                "(`skip`)."
            ),
        ),
        th.Property(
            "on_bad_file",
            th.StringType(allowed_values=["error", "skip"]),
            default="error",
            title="On a bad file",
            description=(
                "A file that cannot be read is not loaded, all others are. Then the run fails "
                "(`error`), or only warns (`skip`); either way the next run tries it again."
            ),
        ),
        th.Property(
            "check_header",
            th.BooleanType,
            default=True,
            title="Check headers",
            description=(
                "Whether a file is bad whose header shares no column with its table, or is one "
                "cell with another delimiter in it, a title or a row of values."
            ),
        ),
        th.Property(
            "aws_access_key_id",
            th.StringType,
            title="AWS access key id",
            description="Without it, `aws_profile`, or what boto3 finds by itself.",
            **KEY,
            **given_by("AWS_ACCESS_KEY_ID"),
        ),
        th.Property(
            "aws_secret_access_key",
            th.StringType,
            secret=True,
            title="AWS secret access key",
            description="Belongs to the access key id.",
            **KEY,
            **given_by("AWS_SECRET_ACCESS_KEY"),
        ),
        th.Property(
            "aws_session_token",
            th.StringType,
            secret=True,
            title="AWS session token",
            description="Belongs to temporary keys.",
            **KEY,
            **given_by("AWS_SESSION_TOKEN"),
        ),
        th.Property(
            "aws_profile",
            th.StringType,
            title="AWS profile",
            description="A profile of the shared AWS files.",
            **given_by("AWS_PROFILE"),
        ),
        th.Property(
            "region",
            th.StringType,
            default="us-east-1",
            title="AWS region",
            description="Where the bucket is.",
            **given_by("AWS_REGION", "AWS_DEFAULT_REGION", shared=True),
        ),
        th.Property(
            "role_arn",
            th.StringType,
            title="Role",
            description="A role to assume by these credentials; renewed before it expires.",
            examples=["arn:aws:iam::123456789012:role/exports-reader"],
        ),
        th.Property(
            "external_id",
            th.StringType(min_length=2),
            title="External id",
            description="What the role asks for, if it belongs to someone else.",
        ),
        th.Property(
            "role_session_name",
            th.StringType(min_length=2),
            default="tap-sticky-s3",
            title="Role session name",
            description="How the role's owner sees this tap in the logs.",
        ),
        th.Property(
            "endpoint_url",
            th.StringType,
            title="Endpoint",
            description="The address of an S3-compatible store, such as MinIO or R2.",
            examples=["https://minio.example.com"],
        ),
        th.Property(
            "allow_http",
            th.BooleanType,
            default=False,
            title="Allow plain HTTP",
            description="Read files unencrypted from a store of your own without TLS.",
        ),
        th.Property(
            "addressing_style",
            th.StringType(allowed_values=["path", "virtual", "auto"]),
            title="Addressing style",
            description="How the bucket is named in addresses; `path` where `endpoint_url` is set.",
        ),
        th.Property(
            "request_payer",
            th.BooleanType,
            default=False,
            title="Requester pays",
            description="Whether to pay for requests to a bucket that asks for it.",
        ),
        th.Property(
            "expected_bucket_owner",
            th.StringType,
            title="Expected owner",
            description="An AWS account id; if the bucket is another's, the run fails.",
        ),
        th.Property(
            "max_concurrency",
            th.IntegerType(minimum=1, maximum=32),
            default=2,
            title="Concurrent files",
            description="Files read at once; each takes some 50 MB of memory.",
        ),
        *CARD_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

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
    def spool(self) -> Spool:
        """Where files wait for the target."""
        wanted = self.config.get("batch_config") or {}
        form = (wanted.get("encoding") or {}).get("format", "arrow")
        storage = wanted.get("storage") or {}
        if form not in _FORMATS:
            problem = f"expected the format {' or '.join(_FORMATS)}"
            raise invalid_setting("batch_config", problem, form)
        return Spool(
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
    def files(self) -> Files:
        """The stream of the files."""
        (found,) = (stream for stream in self.streams.values() if isinstance(stream, Files))
        return found

    def is_of_a_table(self, key: str) -> bool:
        """Whether a file is one of any table's.

        Args:
            key: The file.
        """
        return any(isinstance(one, Table) and one.has(key) for one in self.streams.values())

    def report_types(self, table: Table) -> None:
        """Report names in `column_types` that no file has, once all tables' headers are known.

        Args:
            table: One whose headers are known now.
        """
        self._with_headers.add(table.name)
        tables = [one for one in self.streams.values() if isinstance(one, Table) and one.selected]
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
        names = [Files.name, *(table["name"] for table in tables)]
        if repeated := {name for name in names if names.count(name) > 1}:
            problem = (
                f"the name {', '.join(sorted(repeated))} is there twice (`files` is the stream of "
                f"the files). Use other names in {named('tables')}"
            )
            setting = "tables" if self.config.get("tables") else "prefixes"
            raise invalid_setting(setting, problem)
        try:
            return [Files(self), *(Table(self, table) for table in tables)]
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
            if isinstance(stream, Table):
                stream.discover()
        return super().catalog_dict

    @override
    def close(self) -> None:
        super().close()
        self.bucket.close()
        self.spool.close()
