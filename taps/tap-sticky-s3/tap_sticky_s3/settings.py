"""The tap's settings."""

from __future__ import annotations

from singer_sdk import typing as th

from signalroom_singer import (
    ALLOW_HTTP_SETTING,
    COMMON_SETTINGS,
    EXACT,
    HTTP_SETTINGS,
    KEY,
    STREAM_NAME,
    env_aliases,
)
from signalroom_singer.privacy.card_data import CARD_SETTINGS
from tap_sticky_s3.column_types import TYPE_PATTERN
from tap_sticky_s3.file_filter import DEFAULT_PATTERN

SETTINGS = th.PropertiesList(
    th.Property(
        "bucket",
        th.StringType,
        required=True,
        title="Bucket",
        description="Bucket with the exports.",
        examples=["sticky-713-data-repo"],
        **env_aliases("S3_BUCKET_NAME"),
    ),
    th.Property(
        "prefixes",
        th.StringType,
        default="orders-create,orders-update,prospects-create",
        title="Prefixes",
        description=(
            "Folders of the bucket, comma-separated. Each is a stream and a table: `orders-create` "
            "is `orders_create`, with all files below `orders-create/`."
        ),
        **env_aliases("S3_PREFIXES", shared=True),
    ),
    th.Property(
        "tables",
        th.ArrayType(
            th.ObjectType(
                STREAM_NAME,
                th.Property(
                    "prefix",
                    th.StringType,
                    required=True,
                    description="Start of the keys; ends in a slash if it is a folder.",
                ),
                *(
                    th.Property(
                        name, kind, description=f"{meaning}; default: the setting `{name}`."
                    )
                    for name, kind, meaning in (
                        ("pattern", th.StringType, "Regular expression for the keys"),
                        ("encoding", th.StringType, "Encoding of the files"),
                        ("delimiter", th.StringType, "Delimiter of the files"),
                        ("check_header", th.BooleanType, "Whether to check headers"),
                    )
                ),
            )
        ),
        title="Tables",
        description=(
            "Tables instead of `prefixes`, if they have other names than the folders. Each has "
            "`name` and `prefix`, and may have its own `pattern`, `encoding`, `delimiter` and "
            "`check_header`."
        ),
        examples=[[{"name": "refunds", "prefix": "exports/refunds/", "pattern": "\\.txt$"}]],
    ),
    th.Property(
        "pattern",
        th.StringType,
        default=DEFAULT_PATTERN,
        title="Pattern",
        description="Regular expression; files whose keys do not match are ignored.",
        **EXACT,
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Stored since",
        description="Ignore files that were stored before this time (LastModified).",
    ),
    th.Property(
        "file_date_from",
        th.DateType,
        title="First date",
        description="Ignore files with an earlier date in their key (YYYY-MM-DD).",
    ),
    th.Property(
        "file_date_to",
        th.DateType,
        title="Last date",
        description="Ignore files with a later date in their key (YYYY-MM-DD).",
    ),
    th.Property(
        "max_files",
        th.IntegerType(minimum=1),
        title="Files a run",
        description="Maximum number of files per table and run; the next run reads more.",
    ),
    th.Property(
        "max_files_order",
        th.StringType(allowed_values=["newest", "oldest"]),
        default="newest",
        title="Which files first",
        description="Which files to read if there are more than `max_files`.",
    ),
    th.Property(
        "settle_seconds",
        th.IntegerType(minimum=0),
        default=0,
        title="Settling time",
        description="Leave files that were stored less than this many seconds ago to the next run.",
    ),
    th.Property(
        "reload_on",
        th.StringType(allowed_values=["content", "last_modified"]),
        default="content",
        title="Read again",
        description=(
            "When to read a loaded file again: if its `content` has changed (ETag or size), or "
            "whenever it was stored again (`last_modified`)."
        ),
    ),
    th.Property(
        "remove_deleted_files",
        th.BooleanType,
        default=False,
        title="Remove deleted files",
        description=(
            "Whether SignalRoom's target-postgres removes rows of files that are no longer in the "
            "bucket: also those of files that a lifecycle rule has expired. Files that were stored "
            "again are then read again, whatever `reload_on` is."
        ),
    ),
    th.Property(
        "state_retention_days",
        th.IntegerType(minimum=14),
        default=400,
        title="Days of state",
        description=(
            "Days that files stay in the state. Older files count as loaded, so a file that is "
            "added with an older LastModified is not found."
        ),
    ),
    th.Property(
        "delimiter",
        th.StringType,
        default=",",
        title="Delimiter",
        description="Character between cells; `\\t` for a tab.",
        **EXACT,
    ),
    th.Property(
        "quotechar",
        th.StringType,
        default='"',
        title="Quote",
        description="Quote character; empty if cells are never quoted.",
        **EXACT,
    ),
    th.Property(
        "doublequote",
        th.BooleanType,
        default=True,
        title="Doubled quotes",
        description="Whether a quote within a quoted cell is doubled.",
    ),
    th.Property(
        "escapechar", th.StringType, title="Escape", description="Escape character.", **EXACT
    ),
    th.Property(
        "encoding",
        th.StringType,
        default="auto",
        title="Encoding",
        description=(
            "Encoding of files without a byte order mark, as a Python codec such as `cp1252`; "
            "`auto` is UTF-8. A byte order mark takes precedence."
        ),
    ),
    th.Property(
        "null_values",
        th.ArrayType(th.StringType),
        default=[],
        title="Null values",
        description=(
            "Cells to load as NULL, such as `N/A`, or `\\N` if `escapechar` is a backslash: as "
            "the file has them, without quotes. By default all cells are text."
        ),
    ),
    th.Property(
        "empty_as_null",
        th.BooleanType,
        default=False,
        title="Empty cells as NULL",
        description="Whether to load empty cells as NULL instead of as empty text.",
    ),
    th.Property(
        "column_types",
        th.ObjectType(additional_properties=th.StringType(pattern=TYPE_PATTERN)),
        default={},
        title="Column types",
        description=(
            "Types by header or column name: `string` (the default), `integer`, `number`, "
            "`boolean`, `date`, `date-time`; dates may have a format, as in `date:%m/%d/%Y` "
            "(Python's strptime). A cell that does not fit is NULL, and its text is in `_extra`"
        ),
        examples=[{"total_amount": "number", "order_date": "date:%m/%d/%Y"}],
    ),
    th.Property(
        "on_bad_row",
        th.StringType(allowed_values=["extra", "error", "skip"]),
        default="extra",
        title="On a bad row",
        description=(
            "Rows with too few or too many cells: missing cells are NULL and surplus ones go to "
            "`_extra` (`extra`); the file is bad (`error`); or the row is left out (`skip`)."
        ),
    ),
    th.Property(
        "on_bad_file",
        th.StringType(allowed_values=["error", "skip"]),
        default="error",
        title="On a bad file",
        description=(
            "After all other files are loaded, a file that cannot be read fails the run (`error`) "
            "or is only a warning (`skip`); either way the next run reads it again."
        ),
    ),
    th.Property(
        "check_header",
        th.BooleanType,
        default=True,
        title="Check headers",
        description=(
            "Whether a file is bad if its header shares no column with its table, or is a single "
            "cell with another delimiter in it, a title, or a row of values."
        ),
    ),
    th.Property(
        "aws_access_key_id",
        th.StringType,
        title="AWS access key id",
        description="Without it, `aws_profile` or boto3's default credentials are used.",
        **KEY,
        **env_aliases("AWS_ACCESS_KEY_ID"),
    ),
    th.Property(
        "aws_secret_access_key",
        th.StringType,
        secret=True,
        title="AWS secret access key",
        description="Secret of the access key.",
        **KEY,
        **env_aliases("AWS_SECRET_ACCESS_KEY"),
    ),
    th.Property(
        "aws_session_token",
        th.StringType,
        secret=True,
        title="AWS session token",
        description="Session token of temporary credentials.",
        **KEY,
        **env_aliases("AWS_SESSION_TOKEN"),
    ),
    th.Property(
        "aws_profile",
        th.StringType,
        title="AWS profile",
        description="Profile in the shared AWS configuration files.",
        **env_aliases("AWS_PROFILE"),
    ),
    th.Property(
        "region",
        th.StringType,
        default="us-east-1",
        title="AWS region",
        description="Region of the bucket.",
        **env_aliases("AWS_REGION", "AWS_DEFAULT_REGION", shared=True),
    ),
    th.Property(
        "role_arn",
        th.StringType,
        title="Role",
        description="Role to assume with these credentials; renewed before it expires.",
        examples=["arn:aws:iam::123456789012:role/exports-reader"],
    ),
    th.Property(
        "external_id",
        th.StringType(min_length=2),
        title="External id",
        description="External id that the role requires, if it belongs to another account.",
    ),
    th.Property(
        "role_session_name",
        th.StringType(min_length=2),
        default="tap-sticky-s3",
        title="Role session name",
        description="Name of the session in the logs of the role's owner.",
    ),
    th.Property(
        "endpoint_url",
        th.StringType,
        title="Endpoint",
        description="URL of an S3-compatible store, such as MinIO or R2.",
        examples=["https://minio.example.com"],
    ),
    ALLOW_HTTP_SETTING,
    th.Property(
        "addressing_style",
        th.StringType(allowed_values=["path", "virtual", "auto"]),
        title="Addressing style",
        description="Where URLs have the bucket's name; `path` if `endpoint_url` is set.",
    ),
    th.Property(
        "request_payer",
        th.BooleanType,
        default=False,
        title="Requester pays",
        description="Whether to pay for requests to a requester-pays bucket.",
    ),
    th.Property(
        "expected_bucket_owner",
        th.StringType,
        title="Expected owner",
        description="AWS account id; the run fails if the bucket belongs to another account.",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=32),
        default=2,
        title="Concurrent files",
        description="Files to read at a time; each takes about 50 MB of memory.",
    ),
    *CARD_SETTINGS,
    *HTTP_SETTINGS,
    *COMMON_SETTINGS,
).to_dict()
