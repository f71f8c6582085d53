"""The tap: its settings and its streams."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    ALLOW_HTTP_SETTING,
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    KEY,
    PASSWORD,
    RATE_LIMIT_SETTINGS,
    PermissionErrors,
    RequestRejectedError,
    SignalRoomTap,
    env_aliases,
    invalid_setting,
    parse_midnight_setting,
    rate_limit_setting,
    validate_base_url,
)
from tap_mautic.addresses import remove_entry_point, remove_page
from tap_mautic.client import MauticClient
from tap_mautic.streams import FIXED_STREAM_TYPES, Companies, CompanyFields, ContactFields, Contacts

if TYPE_CHECKING:
    import requests

    from tap_mautic.streams._base import MauticStream


class TapMautic(SignalRoomTap):
    """Reads a Mautic: contacts with their own fields, e-mails, campaigns, and statistics."""

    name = "tap-mautic"
    package_name = "tap-mautic"
    # The columns of custom fields are known to the instance only.
    dynamic_catalog = True

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            required=True,
            title="Mautic's address",
            description=(
                "Address as in the browser, with the path if Mautic is below one; everything from "
                "`/s/` on is ignored."
            ),
            examples=["https://mautic.example.com"],
            **env_aliases("MAUTIC_BASE_URL"),
        ),
        th.Property(
            "oauth_client_id",
            th.StringType,
            title="Public key",
            description=(
                "From Mautic > Settings > API Credentials (OAuth 2), created by an administrator. "
                "The tap may read what the role of that user may view."
            ),
            **KEY,
            **env_aliases("MAUTIC_CLIENT_ID"),
        ),
        th.Property(
            "oauth_client_secret",
            th.StringType,
            secret=True,
            title="Secret key",
            description="OAuth 2 client secret.",
            **KEY,
            **env_aliases("MAUTIC_CLIENT_SECRET"),
        ),
        th.Property(
            "username",
            th.StringType,
            title="User",
            description="User name, instead of the keys, if Basic auth is turned on in Mautic.",
        ),
        th.Property(
            "password",
            th.StringType,
            secret=True,
            title="Password",
            description="Password of that user.",
            **PASSWORD,
        ),
        ALLOW_HTTP_SETTING,
        th.Property(
            "ca_bundle",
            th.StringType,
            title="Certificates",
            description="File of certificates to trust, for a self-signed server certificate.",
        ),
        th.Property(
            "verify_tls",
            th.BooleanType,
            default=True,
            title="Check certificates",
            description="Turn it off only in a network that you trust: `ca_bundle` is safer.",
        ),
        th.Property(
            "start_date",
            th.DateType,
            title="Start date",
            description=(
                "First day of statistics that a first run reads (UTC), `YYYY-MM-DD`; all by "
                "default. Contacts, e-mails and the like are always read in full."
            ),
            examples=["2026-01-01"],
        ),
        th.Property(
            "lookback_hours",
            th.NumberType(minimum=0, maximum=8760),
            default=1,
            title="Lookback",
            description=(
                "Hours before the bookmark to read again. Statistics are read again for at least a "
                "day, those of e-mails for 14 days: bounces have no date."
            ),
        ),
        th.Property(
            "contacts",
            th.StringType(allowed_values=["changes", "all"]),
            default="changes",
            title="Contacts to read",
            description=(
                "`changes`: those added or changed since the last run. `all`: all of them each "
                "time, and contacts deleted in Mautic are removed from the table."
            ),
        ),
        th.Property(
            "contacts_whole_days",
            th.IntegerType(minimum=0),
            default=7,
            title="All contacts every",
            description=(
                "Days after which all contacts are read again: their last activity, and changes "
                "made directly in Mautic's database, have no date. 0: never."
            ),
        ),
        th.Property(
            "identified_only",
            th.BooleanType,
            default=False,
            title="Identified contacts only",
            description="Leave out anonymous visitors, which are contacts too.",
        ),
        th.Property(
            "email_stats_last_opened",
            th.BooleanType,
            default=False,
            title="Find repeated opens",
            description=(
                "Also find e-mails of any age that were opened again. Mautic has no index for "
                "that: it is slow on large tables."
            ),
        ),
        th.Property(
            "include_ip_addresses",
            th.BooleanType,
            default=False,
            title="Include addresses and devices",
            description="Also load IP addresses, user agents and fingerprints of devices.",
        ),
        th.Property(
            "include_html",
            th.BooleanType,
            default=False,
            title="Include HTML",
            description="Also load the HTML of e-mails, pages and forms.",
        ),
        th.Property(
            "on_missing_permission",
            th.StringType(allowed_values=["error", "skip"]),
            default="error",
            title="On a missing permission",
            description=(
                "If the role may not read a stream, its table stays as it is, and all other "
                "streams are read. Then the run fails (`error`), or only logs a warning (`skip`)."
            ),
        ),
        th.Property(
            "accept_changes",
            th.ArrayType(th.StringType),
            default=[],
            title="Accept changes of",
            description=(
                "Streams that may lose most of their rows: set it for one run. Or streams of which "
                "the role is meant to see its own rows only: leave it set."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=5_000),
            default=200,
            title="Page size",
            description=(
                "Rows per request; five times as many for statistics, whose rows are small. Fewer "
                "are requested if that is too much for the server."
            ),
        ),
        rate_limit_setting(
            "requests_per_minute",
            "Requests a minute",
            "For a small server; no limit by default. Requests are sent one at a time.",
        ),
        th.Property(
            "max_rate_limit_wait",
            th.IntegerType(minimum=0),
            default=3700,
            title="Longest wait for the limit",
            description=(
                "Mautic may limit the calls per hour. If the wait would be longer than this many "
                "seconds, the run ends, and the next one resumes."
            ),
        ),
        *RATE_LIMIT_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def api_url(self) -> str:
        """The address that all paths are below."""
        address = validate_base_url(
            remove_page(self.config["api_url"]),
            setting="api_url",
            allow_http=self.config["allow_http"],
        )
        return remove_entry_point(address)

    @cached_property
    def http_session(self) -> requests.Session:
        """The connections of all streams and threads."""
        session = super().http_session
        if bundle := self.config.get("ca_bundle"):
            if not Path(bundle).is_file():
                raise invalid_setting("ca_bundle", "file not found", bundle)
            session.verify = bundle
        elif not self.config["verify_tls"]:
            self.logger.warning("verify_tls is off: anyone in between can read the credentials")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            session.verify = False
        return session

    @cached_property
    def client(self) -> MauticClient:
        """The client that all streams share."""
        return MauticClient(self.client_context, base_url=self.api_url)

    @cached_property
    def permission_errors(self) -> PermissionErrors:
        """What the role may not read."""
        return PermissionErrors(
            self.config,
            setting="on_missing_permission",
            advice="give the role of the credentials the permissions to view them",
        )

    @override
    def discover_streams(self) -> list[MauticStream]:
        # Mistakes in the settings are reported before the first request.
        client, _ = self.client, parse_midnight_setting(self.config, "start_date")
        return [
            Contacts(self, client, self._read_definitions(ContactFields(self, client))),
            Companies(self, client, self._read_definitions(CompanyFields(self, client))),
            *(stream(self, client) for stream in FIXED_STREAM_TYPES),
        ]

    def _read_definitions(
        self, fields: ContactFields | CompanyFields
    ) -> list[dict[str, Any]] | None:
        """Read the fields of contacts or companies; None if the role may not see them."""
        try:
            return [row for row in fields.read(None) if row.get("isPublished", True)]
        except RequestRejectedError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            self.logger.warning(
                "%s. The usual fields are columns; all others go into _extra", error
            )
            return None
