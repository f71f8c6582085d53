"""The settings: the stock target's, and this loader's own."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from target_postgres.target import TargetPostgres as StockTargetPostgres

from signalroom_singer.privacy.redaction import secret_values
from signalroom_singer.settings.text_values import EXACT, PASSWORD
from signalroom_target_postgres.connection import tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The stock target marks none of these as a secret.
_UNMARKED_SECRETS = (
    "password",
    "sqlalchemy_url",
    "ssl_client_private_key",
    "ssl_client_private_key_password",
)

_MEGABYTE = 1_000_000
_SHORTEST_SECRET = 6

_SETTINGS = th.PropertiesList(
    th.Property(
        "load_method",
        th.StringType,
        allowed_values=["upsert", "append-only", "overwrite"],
        default="upsert",
        title="Load method",
        description=(
            "`upsert`: update the row with the record's key or insert one; append where a stream "
            "has no key. `append-only`: always insert, into a table without a key. `overwrite`: "
            "replace the table's rows by the run's, in one transaction when an ACTIVATE_VERSION "
            "after the records says that they are complete. Without it the run fails."
        ),
    ),
    th.Property(
        "on_bad_record",
        th.StringType,
        allowed_values=["fail", "quarantine"],
        default="fail",
        title="Bad records",
        description=(
            "What to do with a record that does not fit its table. `fail`: load those before it, "
            "and stop. `quarantine`: write it into `<table>__rejected` with the reason, and go on."
        ),
    ),
    th.Property(
        "removed_rows",
        th.StringType,
        allowed_values=["delete", "mark", "archive", "keep"],
        default="delete",
        title="Removed rows",
        description=(
            "What becomes of a row that is gone at its source, where the tap says which rows it "
            "has read completely. `delete`: it goes, so that sums equal the source's. `mark`: it "
            "stays, with the time in `_sdc_deleted_at`, which queries have to leave out. "
            "`archive`: it moves into `<table>__removed`, with the time in `_removed_at`. `keep`: "
            "it stays."
        ),
    ),
    th.Property(
        "max_removed_share_of_scope",
        th.NumberType(minimum=0, maximum=1),
        default=0.5,
        title="Maximum removed share of a scope",
        description=(
            "If more than this share of the rows of a day, a window or a file, and more than 20 "
            "rows, are gone at once, nothing of them is loaded or removed, and the run fails: the "
            "source may have a bad hour. 1 for no limit."
        ),
    ),
    th.Property(
        "max_removed_share_of_run",
        th.NumberType(minimum=0, maximum=1),
        default=0.5,
        title="Maximum removed share of a run",
        description=(
            "The same for all rows of a stream that a run reads again: many scopes may lose few "
            "rows each."
        ),
    ),
    th.Property(
        "history_streams",
        th.ArrayType(th.StringType),
        default=[],
        title="Streams with history",
        description=(
            "Streams of which each version of a row is kept, with `valid_from` and `valid_to`, in "
            "`<table>__history`: names or patterns, such as `daily_*`. The history begins with the "
            "first run that has the setting, and takes a primary key."
        ),
        examples=[["daily_*", "conversions"]],
    ),
    th.Property(
        "table_naming",
        th.StringType,
        allowed_values=["stream", "last-part"],
        default="stream",
        title="Table names",
        description=(
            "`stream`: a table has the whole name of its stream, with underscores for hyphens and "
            "other signs. `last-part`: only what follows the last hyphen, as in the stock target, "
            "for tables that have such names already."
        ),
    ),
    th.Property(
        "add_comments",
        th.BooleanType,
        default=True,
        title="Add comments",
        description=(
            "Comment on tables and columns with the descriptions in the streams' schemas (COMMENT "
            "ON). Comments that somebody else wrote stay as they are."
        ),
    ),
    th.Property(
        "load_log",
        th.BooleanType,
        default=True,
        title="Log of loads",
        description=(
            "Write into the table `signalroom.loads` what each run loads, by stream: rows read, "
            "new, updated, removed and rejected, seconds and bookmarks. `signalroom status` reads "
            "it. The table is created if it does not exist; without the permission the run warns "
            "and loads as usual."
        ),
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=False,
        title="Validate records",
        description=(
            "Validate each record against its JSON schema, as the stock target does by default; "
            "slow. Types and keys are checked anyway."
        ),
    ),
    th.Property(
        "max_batch_age_seconds",
        th.IntegerType(minimum=0),
        default=60,
        title="Maximum batch age",
        description=(
            "Load buffered records after this many seconds at the latest, and emit their state."
        ),
    ),
    th.Property(
        "batch_size_bytes",
        th.IntegerType(minimum=_MEGABYTE // 10),
        default=16 * _MEGABYTE,
        title="Batch size in bytes",
        description="Load when this many bytes of rows are buffered, over all streams.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        title="Batch size in rows",
        description=(
            "Load when this many rows of a stream are buffered. By default only bytes count."
        ),
    ),
    th.Property(
        "reconnect_seconds",
        th.IntegerType(minimum=0),
        default=120,
        title="Reconnection time",
        description=(
            "How many seconds to wait for the server when a connection is lost. The current batch "
            "is then loaded again."
        ),
    ),
    th.Property(
        "ssl_client_private_key_password",
        th.StringType,
        title="SSL Client Private Key Password",
        description="The passphrase of `ssl_client_private_key`, if it has one.",
    ),
).to_dict()["properties"]

_PATH_OR_TEXT = (
    "A path, or the PEM text itself, which is kept in memory where the system can do that, and "
    "never written into the project. Ignored where `sqlalchemy_url` is set."
)
_TLS: dict[str, dict[str, Any]] = {
    "ssl_enable": {
        "description": (
            "Whether `ssl_mode` and `ssl_certificate_authority` apply. If not, libpq decides: it "
            "encrypts where the server can, and does not check whose server it is. Ignored where "
            "`sqlalchemy_url` is set: sslmode there."
        )
    },
    "ssl_mode": {
        "default": tls.DEFAULT_MODE,
        "description": (
            f"libpq's sslmode: {', '.join(tls.MODES[:-1])} or {tls.MODES[-1]}. `require` encrypts; "
            "`verify-ca` also checks who signed the server's certificate, and `verify-full` also "
            "its host. Ignored where `sqlalchemy_url` is set."
        ),
    },
    "ssl_certificate_authority": {
        "default": tls.DEFAULT_ROOT,
        "description": (
            "Who may have signed the server's certificate; `system` for the certificate "
            f"authorities of this machine. {_PATH_OR_TEXT}"
        ),
    },
    "ssl_client_certificate": {
        "default": tls.DEFAULT_CERTIFICATE,
        "description": f"The certificate that shows the server who the user is. {_PATH_OR_TEXT}",
    },
    "ssl_client_private_key": {
        "default": tls.DEFAULT_KEY,
        "description": f"The key of `ssl_client_certificate`. {_PATH_OR_TEXT}",
    },
    "ssl_storage_directory": {
        "description": "No effect: certificates given as text are not written into the project."
    },
}


def config_jsonschema() -> dict[str, Any]:
    """Return the JSON schema of all settings, with secrets marked."""
    schema: dict[str, Any] = deepcopy(StockTargetPostgres.config_jsonschema)
    properties = schema["properties"]
    properties |= _SETTINGS
    for name, changes in _TLS.items():
        properties[name] |= changes
    for name in _UNMARKED_SECRETS:
        properties[name] |= {"secret": True, "writeOnly": True}
    for name in ("password", "ssl_client_private_key_password"):
        properties[name] |= PASSWORD
    # May be empty: the schema is then in the streams' names, or is the connection's own.
    properties["default_target_schema"] |= EXACT
    properties["ssh_tunnel"]["properties"]["private_key_password"] |= PASSWORD
    properties["use_copy"] |= {
        "default": True,
        "description": "Has no effect: rows are always loaded by COPY.",
    }
    properties["sanitize_null_text_characters"] |= {
        "default": True,
        "description": (
            "Replace the character NUL, which PostgreSQL cannot store, by U+FFFD, except in keys. "
            "If not, a record with it is a bad record."
        ),
    }
    properties["hard_delete"] |= {
        "description": (
            "Whether rows of earlier versions are deleted, and not only marked in "
            "`_sdc_deleted_at`, when an ACTIVATE_VERSION follows the records of a stream. Ignored "
            "without `activate_version`."
        )
    }
    return schema


def secrets(config: Mapping[str, Any]) -> Iterator[str]:
    """Return the secrets among the settings, which must not be logged.

    Args:
        config: The target's settings.

    Yields:
        The secrets, but for passwords that are words, such as `postgres`: masked wherever they
        occur, they would make the log unreadable.
    """
    texts = [*secret_values(config_jsonschema(), dict(config))]
    with suppress(ArgumentError, ValueError):  # for validation to say
        texts.append(str(make_url(str(config.get("sqlalchemy_url") or "")).password or ""))
    known = {str(config.get(name)) for name in ("host", "user", "database")}
    for text in texts:
        if len(text) >= _SHORTEST_SECRET and not text.isalpha() and text not in known:
            yield text
