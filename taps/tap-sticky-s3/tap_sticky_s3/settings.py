"""The tap's settings."""

from __future__ import annotations

from singer_sdk import typing as th

from signalroom_singer import COMMON_SETTINGS, EXACT, HTTP_SETTINGS, KEY, given_by
from signalroom_singer.cards import CARD_SETTINGS
from tap_sticky_s3.column_types import TYPE_PATTERN
from tap_sticky_s3.file_filter import DEFAULT_PATTERN

SETTINGS = th.PropertiesList(
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
        th.ObjectType(additional_properties=th.StringType(pattern=TYPE_PATTERN)),
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
