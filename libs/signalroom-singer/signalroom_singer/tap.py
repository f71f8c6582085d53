"""The base of every SignalRoom tap."""

from __future__ import annotations

import json
import os
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import click
import requests
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.tap_base import STREAM_MAPS_CONFIG, CliTestOptionValue
from typing_extensions import override

from signalroom_singer.cli import loader_failure
from signalroom_singer.cli.command import LoaderFailedError, ReadableErrorsMixin, StoppedError
from signalroom_singer.cli.connection_test import CountingWriter, try_streams
from signalroom_singer.errors import TapError, explain_malformed_responses, hide_traceback
from signalroom_singer.failures import Failures, PermissionErrors
from signalroom_singer.http.client import ClientContext
from signalroom_singer.limits.account import (
    RATE_LIMIT_ACCOUNT,
    AccountLimits,
    account_digest,
    open_store,
)
from signalroom_singer.limits.store import RATE_LIMIT_STORE
from signalroom_singer.message_writer import BufferedMsgSpecWriter
from signalroom_singer.privacy.hashing import HASH_COLUMNS, HASH_SALT, HASH_SETTINGS, check_hashing
from signalroom_singer.privacy.redaction import protect, secret_values
from signalroom_singer.selection import check_selected, unmatched_patterns
from signalroom_singer.settings import client_names
from signalroom_singer.settings.dates import check_date_range
from signalroom_singer.settings.problems import invalid_setting
from signalroom_singer.settings.variables import current_naming
from signalroom_singer.state import validate_state
from signalroom_singer.state_merge import begin_refresh, unseal_state
from signalroom_singer.stream import SignalRoomStream
from signalroom_singer.stream_maps import StreamMapsOnDemand

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.singerlib import CatalogEntry

#: Settings of every tap.
COMMON_SETTINGS = (
    th.Property(
        "client_id",
        th.StringType,
        title="Client",
        description=(
            "Client name, written to `_client_id` and added to every primary key as its first "
            "column, so that several clients share a table. Without it there is no such column."
        ),
        examples=["713", "acme"],
    ),
    *HASH_SETTINGS,
)

#: Settings of every tap that reads over HTTP.
HTTP_SETTINGS = (
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1),
        default=90,
        title="Request timeout",
        description="Seconds to wait for a response before a retry.",
    ),
    th.Property(
        "max_tries",
        th.IntegerType(minimum=1),
        default=6,
        title="Tries",
        description="Maximum attempts per request before the run fails.",
    ),
    th.Property(
        "max_retry_wait",
        th.IntegerType(minimum=0),
        default=300,
        title="Longest wait",
        description="Maximum seconds between retries, whatever `Retry-After` asks for.",
    ),
)

_CONNECTIONS = 32


class SignalRoomTap(ReadableErrorsMixin, Tap):
    """A tap that writes fast, keeps secrets out of logs, and shares one HTTP session."""

    message_writer_class = BufferedMsgSpecWriter

    # Whether the run has no state to continue from.
    _is_refresh = False

    # Without BATCH: as the SDK does it, it bypasses stream maps and property selection.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        capability for capability in Tap.capabilities if capability is not PluginCapabilities.BATCH
    ]

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        # First of all: without the store, no request may be sent.
        _ = self.account_limits
        # Some taps ask the vendor which streams there are.
        with explain_malformed_responses(lambda: self.name):
            return super().streams

    @cached_property
    def http_session(self) -> requests.Session:
        """The HTTP session of all streams and threads, which reuses connections."""
        session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    @property
    def client_context(self) -> ClientContext:
        """What the tap's client needs of it."""
        return ClientContext(
            self.config, lambda: self.http_session, self.logger, self.account_limits
        )

    @property
    def permission_errors(self) -> PermissionErrors | None:
        """Streams that the credentials may not read, if the tap goes on without them."""
        return None

    @cached_property
    def failures(self) -> Failures:
        """Streams that failed while the tap went on with the others."""
        return Failures()

    def raise_failures(self) -> None:
        """Fail the run after all streams, if some of them could not be read.

        Raises:
            Exception: The one error, or a `TapError` with all of them.
        """
        missing_permissions: TapError | None = None
        try:
            if self.permission_errors:
                self.permission_errors.raise_if_any()
        except TapError as error:
            missing_permissions = error
        self.failures.raise_if_any(also=missing_permissions)

    def account_identity(self) -> tuple[str, ...]:
        """The parts that identify the vendor's account, whose limits all runs share.

        By default the address and all credentials; override it if the vendor counts in another way.
        """
        properties = self.config_jsonschema["properties"]
        others = {HASH_SALT, RATE_LIMIT_STORE}
        secrets = [
            name
            for name, declared in properties.items()
            if declared.get("secret") and name not in others
        ]
        address = str(getattr(self, "api_url", ""))
        return (address, *(str(self.config.get(name) or "") for name in sorted(secrets)))

    @cached_property
    def account_limits(self) -> AccountLimits | None:
        """The limits of the account that all processes share; None without a store."""
        url = self.config.get(RATE_LIMIT_STORE)
        if not url:
            return None
        name = self.config.get(RATE_LIMIT_ACCOUNT)
        digest = account_digest(self.name, ("named", name) if name else self.account_identity())
        return AccountLimits(open_store(url), digest)

    def close(self) -> None:
        """Close connections, for programs that run on after the tap."""
        if "http_session" in vars(self):
            self.http_session.close()
        if limits := vars(self).get("account_limits"):
            limits.close()

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        if not value:
            return
        # The SDK's would print each problem in its own words.
        config_option = ctx.params.get("config")
        tap = cls(
            config=config_option and config_option.config,
            parse_env_config=bool(config_option and config_option.parse_env),
            validate_config=cls.dynamic_catalog,
            setup_mapper=False,
        )
        tap.run_discovery()
        ctx.exit()

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        config_option = ctx.params.get("config")
        writer = CountingWriter()
        tap = cls(
            config=config_option and config_option.config,
            parse_env_config=bool(config_option and config_option.parse_env),
            validate_config=True,
            message_writer=writer,
        )
        off = [stream.name for stream in tap.streams.values() if not stream.selected]
        try_streams(tap, writer)
        tap.close()
        tested = len(tap.streams) - len(off)
        cls.logger.info("Connection test passed: all %d selected streams are readable", tested)
        if off:
            cls.logger.info("Skipped (not selected by default): %s", ", ".join(off))
        ctx.exit()

    @classmethod
    @override
    def invoke(cls, *, control_totals: str | None = None, **options: Any) -> None:
        if control_totals:
            cls._print_control_totals(control_totals, **options)
            return
        loader_failure.watch_for_failure()
        super().invoke(**options)

    @classmethod
    def _print_control_totals(cls, text: str, **options: Any) -> None:
        # Windows of days, which only some taps need, take time to import.
        from signalroom_singer.cli import control_totals  # noqa: PLC0415

        days = control_totals.parse_days(text)
        config, state, catalog = (options.get(name) for name in ("config", "state", "catalog"))
        tap = cls(
            config=config and config.config,
            state=state and json.load(state),
            catalog=catalog and json.load(catalog),
            parse_env_config=bool(config and config.parse_env),
            validate_config=True,
        )
        control_totals.print_control_totals(tap, days)
        tap.close()

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        description = (
            "Print the vendor's own totals by day as JSON, to compare tables with, of days such as "
            "2026-01-01..2026-01-31, or `lookback`: those that the run of --state read."
        )
        command.params.append(click.Option(["--control-totals"], metavar="DAYS", help=description))
        return command

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if loader_failure.has_failed():
            raise LoaderFailedError
        try:
            super()._handle_termination(signum, frame)
        except SystemExit:
            raise StoppedError(signum) from None

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        validate_state(state)
        valid, replaced = unseal_state(state)
        for stream, fields in replaced.items():
            self.logger.info(
                "%s: a full refresh began after these parts of the state were written, so they do "
                "not count: %s",
                *(stream, ", ".join(fields)),
            )
        self._is_refresh = not any(valid["bookmarks"].values())
        super().load_state(valid)

    @override
    def _reset_state_progress_markers(self) -> None:
        # What `sync_all`, which is final, does before it writes the first STATE.
        super()._reset_state_progress_markers()
        check_selected(current_naming(), self.streams)
        for sentence in unmatched_patterns(current_naming(), self.streams):
            self.logger.warning("%s", sentence)
        if self._is_refresh:
            begin_refresh(stream for stream in self.streams.values() if stream.selected)

    @override
    def setup_mapper(self) -> None:
        # Streams first: they add columns that are newer than the catalog, and maps are made of it.
        _ = self.streams
        self._check_hash_columns()
        if not self.config.get(STREAM_MAPS_CONFIG):
            # Not `Tap`'s own, which makes the maps of all streams.
            super(Tap, self).setup_mapper()
            self.mapper.stream_maps = StreamMapsOnDemand(self.mapper, self._catalog_entry)
            return
        try:
            super().setup_mapper()
        except (MapExpressionError, StreamMapConfigError) as error:
            problem = (
                f"{str(error).removesuffix('.')}. Correct the expressions; keep the key columns, "
                "or name others in `__key_properties__`"
            )
            raise invalid_setting("stream_maps", problem) from error

    def _catalog_entry(self, stream: str) -> CatalogEntry:
        """The entry of a stream in the catalog that the tap got, or would write."""
        entry = self.input_catalog.get(stream) if self.input_catalog else None
        return entry or self.streams[stream]._singer_catalog_entry  # noqa: SLF001

    def _check_hash_columns(self) -> None:
        """Check that each column to hash exists: a mistyped name would hash nothing."""
        streams = [
            stream for stream in self.streams.values() if isinstance(stream, SignalRoomStream)
        ]
        patterns = self.config.get(HASH_COLUMNS) or ()
        used = {pattern for stream in streams for pattern in stream.hashes_in_use()}
        if unused := [pattern for pattern in patterns if pattern not in used]:
            problem = (
                f"no stream has the column {', '.join(unused)}. The streams are "
                f"{', '.join(stream.name for stream in streams)}"
            )
            raise invalid_setting(HASH_COLUMNS, problem)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        if hide_traceback not in self.logger.filters:
            self.logger.addFilter(hide_traceback)
        schema = type(self).config_jsonschema
        # As early as the settings are known: an error about one may quote its value.
        protect(secret_values(schema, dict(self._config)))
        problems = super()._validate_config(raise_errors=raise_errors)
        protect(secret_values(schema, self._config))
        if raise_errors:
            check_hashing(self.config)
            self.check_date_range()
            if text := client_names.shared_variables_warning(os.environ):
                self.logger.warning(text)
        return problems

    def check_date_range(self) -> None:
        """Check that there are days to read between those in the settings.

        Raises:
            ConfigValidationError: If there are none, or one setting is not a date.
        """
        check_date_range(self.config, getattr(self, "report_zone", UTC))
