"""The tap: its settings and its streams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3
from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    KEY,
    PASSWORD,
    RATE_LIMIT,
    RATE_LIMIT_SETTINGS,
    PermissionErrors,
    RateLimiter,
    RequestRejectedError,
    SignalRoomTap,
    base_url,
    configured_midnight,
    given_by,
    invalid_setting,
    missing_setting,
)
from tap_mautic.addresses import without_entry, without_page
from tap_mautic.auth import BasicCredentials, Credentials, TokenCredentials
from tap_mautic.client import server_time
from tap_mautic.merges import Merges, read_merges
from tap_mautic.roles import sample_of
from tap_mautic.streams import Companies, CompanyFields, ContactFields, Contacts, fixed_streams

if TYPE_CHECKING:
    import requests

    from tap_mautic.client import MauticStream

#: Where none is told, as behind some proxies: what holds for it does no harm to older ones.
_NEWEST = 7


class TapMautic(SignalRoomTap):
    """Reads a Mautic: contacts with their own fields, e-mails, campaigns, and statistics."""

    name = "tap-mautic"
    package_name = "tap-mautic"
    # Without the settings nothing can be asked for what there is.
    dynamic_catalog = True

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            required=True,
            title="Mautic's address",
            description=(
                "As in the browser, with the path if Mautic is below one; from `/s/` on it is left "
                "out."
            ),
            examples=["https://mautic.example.com"],
            **given_by("MAUTIC_BASE_URL"),
        ),
        th.Property(
            "oauth_client_id",
            th.StringType,
            title="Public key",
            description=(
                "Mautic > Settings > API Credentials (OAuth 2), made by an administrator. The "
                "role of whoever made them is what the tap may read."
            ),
            **KEY,
            **given_by("MAUTIC_CLIENT_ID"),
        ),
        th.Property(
            "oauth_client_secret",
            th.StringType,
            secret=True,
            title="Secret key",
            description="OAuth 2 client secret.",
            **KEY,
            **given_by("MAUTIC_CLIENT_SECRET"),
        ),
        th.Property(
            "username",
            th.StringType,
            title="User",
            description="In place of the keys, where Basic auth is turned on.",
        ),
        th.Property(
            "password",
            th.StringType,
            secret=True,
            title="Password",
            description="Password of that user.",
            **PASSWORD,
        ),
        th.Property(
            "allow_http",
            th.BooleanType,
            default=False,
            title="Allow plain HTTP",
            description="Send the credentials unencrypted to a Mautic without TLS.",
        ),
        th.Property(
            "ca_bundle",
            th.StringType,
            title="Certificates",
            description="A file of certificates to trust, for one that Mautic signed itself.",
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
                "The first day of statistics that a first run reads (UTC), `YYYY-MM-DD`. Without "
                "it all of them. Contacts, e-mails and the like are read whole in any case."
            ),
            examples=["2026-01-01"],
        ),
        th.Property(
            "lookback_hours",
            th.NumberType(minimum=0, maximum=8760),
            default=1,
            title="Lookback",
            description=(
                "Hours before the bookmark to read again. Statistics are read again for a day, "
                "e-mails' for 14, at least: bounces have no date."
            ),
        ),
        th.Property(
            "contacts",
            th.StringType(allowed_values=["changes", "all"]),
            default="changes",
            title="Contacts to read",
            description=(
                "`changes`: those that were added or changed since the run before. `all`: all of "
                "them each time, and those that were deleted in Mautic go from the table."
            ),
        ),
        th.Property(
            "contacts_whole_days",
            th.IntegerType(minimum=0),
            default=7,
            title="All contacts every",
            description=(
                "Days after which all contacts are read again: their last activity, and what is "
                "written into Mautic's database by hand, has no date. 0: never."
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
                "Also look for e-mails of any age that were opened once more. Mautic has no index "
                "for that: large tables take it long."
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
            description="Also load the whole text of e-mails, pages and forms.",
        ),
        th.Property(
            "on_missing_permission",
            th.StringType(allowed_values=["error", "skip"]),
            default="error",
            title="On a missing permission",
            description=(
                "A stream that the role may not read is left as it was, all others are read. Then "
                "the run fails (`error`), or only warns (`skip`)."
            ),
        ),
        th.Property(
            "accept_changes",
            th.ArrayType(th.StringType),
            default=[],
            title="Accept changes of",
            description=(
                "Streams of which most rows are gone, and that is meant: set it for one run. Or "
                "whose role is meant to see its own rows only: leave it set."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=5_000),
            default=200,
            title="Page size",
            description=(
                "Rows to ask for at once; five times as many of statistics, whose rows are small; "
                "fewer where the server does not manage as many."
            ),
        ),
        th.Property(
            "requests_per_minute",
            th.NumberType(minimum=1),
            title="Requests a minute",
            description="To spare a small server. Without it as fast as it answers, one at a time.",
            **RATE_LIMIT,
        ),
        th.Property(
            "max_rate_limit_wait",
            th.IntegerType(minimum=0),
            default=3700,
            title="Longest wait for the limit",
            description=(
                "Mautic may limit the calls of an hour. If it asks to wait for more seconds than "
                "this, the run ends, and the next one goes on from its state."
            ),
        ),
        *RATE_LIMIT_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def api_url(self) -> str:
        """The base of all endpoints."""
        return without_entry(
            base_url(
                without_page(self.config["api_url"]),
                setting="api_url",
                allow_http=self.config["allow_http"],
            )
        )

    @cached_property
    def credentials(self) -> Credentials:
        """What signs requests: one for all streams and threads."""
        keys = [self.config.get(name) for name in ("oauth_client_id", "oauth_client_secret")]
        user = [self.config.get(name) for name in ("username", "password")]
        if all(keys):
            if "_" not in str(keys[0]):
                problem = "expected Mautic's public key, such as 1_3bk7..."
                raise invalid_setting("oauth_client_id", problem)
            return TokenCredentials(self)
        if not all(user):
            lacking = next(
                name
                for name in ("oauth_client_id", "oauth_client_secret")
                if not self.config.get(name)
            )
            why = (
                "oauth_client_id and oauth_client_secret are both needed (Mautic > Settings > API "
                "Credentials), or username and password where Basic auth is turned on"
            )
            raise missing_setting(lacking, why)
        return BasicCredentials(str(user[0]), str(user[1]))

    @cached_property
    def http_session(self) -> requests.Session:
        """The connections of all streams and threads."""
        session = super().http_session
        if bundle := self.config.get("ca_bundle"):
            if not Path(bundle).is_file():
                raise invalid_setting("ca_bundle", "file not found", bundle)
            session.verify = bundle
        elif not self.config["verify_tls"]:
            self.logger.warning("verify_tls is off: whoever is between may read the credentials")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            session.verify = False
        return session

    @cached_property
    def account_pacer(self) -> RateLimiter:
        """All requests, one after another: servers of Mautic's are small."""
        return RateLimiter(
            per_minute=self.config.get("requests_per_minute"),
            concurrency=1,
            account=self.account_limits,
        )

    @cached_property
    def permission_errors(self) -> PermissionErrors:
        """What the role may not read."""
        return PermissionErrors(
            self.config,
            setting="on_missing_permission",
            advice="give the role of the credentials the permissions to view them",
        )

    @cached_property
    def start(self) -> datetime | None:
        """The first moment of statistics."""
        return configured_midnight(self.config, "start_date")

    @property
    def contacts_whole_every(self) -> timedelta | None:
        """How often all contacts are read."""
        days = self.config["contacts_whole_days"]
        return timedelta(days=days) if days else None

    def sample(self, table: str, stream: MauticStream) -> list[dict[str, Any]]:
        """Some rows of a table of statistics, asked for once in a run.

        Args:
            table: Which one.
            stream: That asks.
        """
        if table not in self._samples:
            self._samples[table] = sample_of(stream, table)
        return self._samples[table]

    def merges(self, stream: MauticStream, contact: int = 0) -> Merges:
        """All merges of contacts, read once in a run.

        Args:
            stream: That asks.
            contact: One that was merged: if it is not known, it was merged since.
        """
        if self._merges is None or (contact and contact not in self._merges.winners):
            self._merges = read_merges(stream)
        return self._merges

    def winners(self, stream: MauticStream, since: datetime) -> list[int]:
        """The contacts into whom others were merged; asked for once, mostly.

        Args:
            stream: That asks.
            since: Since when.
        """
        if self._recent is None or since < self._recent_since:
            # Streams of a run ask for moments that are seconds or minutes apart.
            self._recent_since = since - timedelta(hours=1)
            self._recent = read_merges(stream, self._recent_since)
        return self._recent.finals(since)

    _merges: Merges | None = None
    _recent: Merges | None = None
    _recent_since = datetime.max.replace(tzinfo=UTC)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """What Mautic answered to single rows in this run, by their path."""
        return {}

    @cached_property
    def _samples(self) -> dict[str, list[dict[str, Any]]]:
        return {}

    # What the instance tells of itself

    #: Its version, once it has answered.
    version = _NEWEST
    _told_version = ""
    #: How far its clock is ahead of this machine's.
    _ahead = timedelta()

    def heard(self, response: requests.Response) -> None:
        """Note what an answer tells of the instance.

        Args:
            response: Of any request.
        """
        told = response.headers.get("Mautic-Version", "")
        major = told.partition(".")[0]
        if told != self._told_version and major.isdecimal():
            self.version, self._told_version = int(major), told
            self.logger.info("Mautic %s", told)
        if at := server_time(response):
            self._ahead = at - datetime.now(UTC)

    def server_now(self) -> datetime:
        """The time by the instance's clock, to the second."""
        return (datetime.now(UTC) + self._ahead).replace(microsecond=0)

    @override
    def discover_streams(self) -> list[MauticStream]:
        # Now: these would be mistakes in the settings.
        _ = self.credentials, self.api_url, self.start
        return [
            Contacts(self, self._definitions(ContactFields(self))),
            Companies(self, self._definitions(CompanyFields(self))),
            *(stream(self) for stream in fixed_streams),
        ]

    def _definitions(self, fields: ContactFields | CompanyFields) -> list[dict[str, Any]] | None:
        try:
            return [row for row in fields.read(None) if row.get("isPublished", True)]
        except RequestRejectedError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            self.logger.warning(
                "%s. The usual fields are columns; all others go into _extra", error
            )
            return None
