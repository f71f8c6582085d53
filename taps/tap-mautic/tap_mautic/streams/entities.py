"""What people make in Mautic: e-mails, campaigns and the like."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from singer_sdk import typing as th
from singer_sdk.exceptions import RetriableAPIError
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from tap_mautic.client import snake_case
from tap_mautic.entities import (
    ENTITIES,
    FAMILY,
    FULL_BUT_KEPT,
    LIST,
    LIVE,
    OBJECT,
    PUBLISHED,
    EntityStream,
    counts,
    flags,
    schema_of,
    texts,
)
from tap_mautic.relations import items_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from singer_sdk.helpers.types import Context, Record

#: More segments than this in one answer are not looked through for those that are hidden.
_MOST_SEGMENTS = 1_000


class Emails(EntityStream):
    """E-mails, with their variants and translations, and how often they were sent and read."""

    name = "emails"
    path = "/api/emails"
    key = "emails"
    named_in = (("email_stats", "email_id"),)
    # Those that were deleted stay: statistics name them.
    replaces = False
    loading = FULL_BUT_KEPT
    # Sent with each e-mail, and often what a mail service asks for.
    secret_fields = frozenset({"headers"})
    children = ("variantChildren", "translationChildren")
    schema = schema_of(
        *texts("name", "subject", "email_type", "language", "from_address", "from_name"),
        *texts("reply_to_address", "bcc_address"),
        th.Property("preheader_text", th.StringType, description="From Mautic 5.2 on"),
        *texts("template"),
        *flags("use_owner_as_mailer", "public_preview"),
        *counts("sent_count", "read_count", "revision"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("lists", OBJECT, description="The segments it is sent to, by id"),
        th.Property("utm_tags", OBJECT),
        th.Property("headers", OBJECT, description="Its own headers, by name"),
        *FAMILY,
        *counts("variant_sent_count", "variant_read_count"),
        th.Property("asset_attachments", OBJECT, description=ENTITIES),
        th.Property("unsubscribe_form", OBJECT),
        th.Property(
            "dynamic_content",
            LIST,
            description="Its tokens and their filters; what they are filled with: include_html",
        ),
        *texts("custom_html", "plain_text"),
    )


class Campaigns(EntityStream):
    """Campaigns, with their events."""

    name = "campaigns"
    path = "/api/campaigns"
    key = "campaigns"
    named_in = (("campaign_leads", "campaign_id"),)
    replaces = False
    loading = FULL_BUT_KEPT
    schema = schema_of(
        *texts("name", "description"),
        th.Property("allow_restart", th.BooleanType),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("events", OBJECT, description="By id; a row each in campaign_events"),
        th.Property("forms", OBJECT, description=ENTITIES),
        th.Property("lists", OBJECT, description=ENTITIES),
        th.Property("canvas_settings", OBJECT),
    )


class CampaignEvents(EntityStream):
    """What campaigns do: actions, decisions, conditions."""

    name = "campaign_events"
    path = "/api/campaigns"
    key = "campaigns"
    named_in = (("campaign_leads", "campaign_id"),)
    schema = schema_of(
        *counts("campaign_id"),
        *texts("name", "description", "type", "event_type", "channel", "channel_id"),
        *counts("order"),
        th.Property("properties", OBJECT),
        th.Property("trigger_date", th.DateTimeType),
        *counts("trigger_interval"),
        *texts("trigger_interval_unit", "trigger_mode", "decision_path"),
        th.Property("trigger_hour", th.StringType, description="A time, of 1970-01-01"),
        *texts("trigger_restricted_start_hour", "trigger_restricted_stop_hour"),
        th.Property("trigger_restricted_days_of_week", th.ArrayType(th.AnyType())),
        th.Property("parent", OBJECT),
        th.Property("children", OBJECT, description=ENTITIES),
    )

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for campaign in super().read(context):
            for event in items_of(campaign.get("events")):
                yield {**event, "campaignId": campaign["id"]}


class Segments(EntityStream):
    """Segments; who is in them: `lead_lists_leads`."""

    name = "segments"
    path = "/api/segments"
    key = "lists"
    named_in = (("lead_lists_leads", "leadlist_id"),)
    schema = schema_of(
        *texts("name", "public_name", "alias", "description"),
        th.Property("is_global", th.BooleanType),
        th.Property("is_preference_center", th.BooleanType),
        *PUBLISHED,
        th.Property("category", OBJECT),
        th.Property("filters", LIST),
    )

    @override
    def check_role(self) -> set[int]:
        # Whoever may view any segment may open all of them: only the list is cut down.
        if not (named := super().check_role()):
            return named
        query = {**self.in_order(), "limit": _MOST_SEGMENTS}
        request = HTTPRequest(url=f"{self.url_base}{self.path}", params=query)
        try:
            rows = self.rows_of(self.page(request, may_shrink=True), self.key)
        except RetriableAPIError as error:
            if not self.fails_alone(error):
                raise
            return named  # too many for the server
        if len(rows) < _MOST_SEGMENTS:
            self.check_read(named, [int(row["id"]) for row in rows])
        return named

    @override
    def check_read(self, named: Collection[int], read: Collection[int]) -> None:
        for number in sorted(set(named) - set(read))[:1]:
            if self.status_of(number) in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
                raise self.restricted(number)


class Assets(EntityStream):
    """Files to download."""

    name = "assets"
    path = "/api/assets"
    key = "assets"
    named_in = (("asset_downloads", "asset_id"),)
    schema = schema_of(
        *texts("title", "alias", "description", "language", "extension", "mime"),
        *texts("download_url", "storage_location"),
        *counts("size", "download_count", "unique_download_count", "revision"),
        th.Property("disallow", th.BooleanType, description="Whether search engines are refused"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
    )


class Pages(EntityStream):
    """Landing pages, with their variants and translations."""

    name = "pages"
    path = "/api/pages"
    key = "pages"
    named_in = (("page_hits", "page_id"),)
    children = ("variantChildren", "translationChildren")
    schema = schema_of(
        *texts("title", "alias", "language", "template", "meta_description"),
        *texts("redirect_type", "redirect_url"),
        *counts("hits", "unique_hits", "variant_hits", "revision"),
        *flags("is_preference_center", "no_index"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        *FAMILY,
        th.Property("variant_settings", OBJECT),
        *texts("custom_html"),
    )


class Tags(EntityStream):
    """Tags of contacts."""

    name = "tags"
    path = "/api/tags"
    key = "tags"
    schema = schema_of(*texts("tag", "description"))


class Stages(EntityStream):
    """Stages of contacts."""

    name = "stages"
    path = "/api/stages"
    key = "stages"
    schema = schema_of(
        *texts("name", "description"),
        *counts("weight"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
    )


class Categories(EntityStream):
    """Categories of everything."""

    name = "categories"
    path = "/api/categories"
    key = "categories"
    selected_by_default = False
    schema = schema_of(
        *texts("title", "alias", "description", "color", "bundle"),
        *(
            th.Property(
                column.name,
                column.wrapped,
                description="Empty: Mautic leaves it out of categories, at least from 4.4 to 5.1",
            )
            for column in PUBLISHED
        ),
    )


class Users(EntityStream):
    """Users of Mautic."""

    name = "users"
    path = "/api/users"
    key = "users"
    selected_by_default = False
    schema = schema_of(
        *texts("username", "first_name", "last_name", "email", "position", "timezone", "locale"),
        *PUBLISHED,
        th.Property("last_login", th.DateTimeType),
        th.Property("last_active", th.DateTimeType),
        th.Property("role", OBJECT),
        th.Property("signature", th.StringType, description="With include_html"),
    )


class _FieldStream(EntityStream):
    selected_by_default = False
    key = "fields"
    #: What Mautic calls whose fields they are: where a filter is given, its own is dropped.
    owner: ClassVar[str]
    schema = schema_of(
        *texts("label", "alias", "type", "group", "object", "default_value"),
        *counts("order"),
        *(
            th.Property(snake_case(name), th.BooleanType)
            for name in (
                *("isRequired", "isFixed", "isListable", "isVisible", "isUniqueIdentifier"),
                *("isShortVisible", "isPubliclyUpdatable"),
            )
        ),
        *PUBLISHED,
        th.Property("properties", OBJECT),
    )

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for row in super().read(context):
            if row.get("object") in {None, self.owner}:
                yield row


class ContactFields(_FieldStream):
    """The fields of contacts."""

    name = "contact_fields"
    path = "/api/fields/contact"
    owner = "lead"


class CompanyFields(_FieldStream):
    """The fields of companies."""

    name = "company_fields"
    path = "/api/fields/company"
    owner = "company"
