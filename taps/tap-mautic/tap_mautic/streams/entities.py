"""What people create in Mautic: e-mails, campaigns and the like."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from singer_sdk import typing as th
from singer_sdk.exceptions import RetriableAPIError
from typing_extensions import override

from signalroom_singer import columns_of
from tap_mautic.names import snake_case
from tap_mautic.queries import sort_by_id
from tap_mautic.relations import list_items
from tap_mautic.streams._entity_base import (
    ENTITIES,
    FAMILY,
    FULL_BUT_KEPT,
    LIST,
    LIVE,
    OBJECT,
    PUBLISHED,
    EntityStream,
    counts,
    entity_schema,
    flags,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from singer_sdk.helpers.types import Context, Record

#: With more segments than this in a response, hidden ones are not looked for.
_MAX_SEGMENTS = 1_000


class Emails(EntityStream):
    """E-mails, with their variants and translations, and how often they were sent and read."""

    name = "emails"
    path = "/api/emails"
    key = "emails"
    named_in = (("email_stats", "email_id"),)
    # Deleted ones stay in the table: statistics name them.
    is_full_refresh = False
    loading = FULL_BUT_KEPT
    # Sent with each e-mail; often the credentials of a mail service.
    secret_fields = frozenset({"headers"})
    children = ("variantChildren", "translationChildren")
    schema = entity_schema(
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
    is_full_refresh = False
    loading = FULL_BUT_KEPT
    schema = entity_schema(
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
    schema = entity_schema(
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
            for event in list_items(campaign.get("events")):
                yield {**event, "campaignId": campaign["id"]}


class Segments(EntityStream):
    """Segments; their members are in `lead_lists_leads`."""

    name = "segments"
    path = "/api/segments"
    key = "lists"
    named_in = (("lead_lists_leads", "leadlist_id"),)
    schema = entity_schema(
        *texts("name", "public_name", "alias", "description"),
        *flags("is_global", "is_preference_center"),
        *PUBLISHED,
        th.Property("category", OBJECT),
        th.Property("filters", LIST),
    )

    @override
    def check_role(self) -> set[int]:
        # Whoever may view any segment may open all of them: only the list is cut down.
        if not (named_ids := super().check_role()):
            return named_ids
        query = {**sort_by_id(self.path), "limit": _MAX_SEGMENTS}
        try:
            payload = self.client.get(self.path, query, shrink=self.client.shrink_instead)
        except RetriableAPIError as error:
            if not self.fails_alone(error):
                raise
            return named_ids  # too many for the server
        rows = self.client.extract_rows(payload, self.key)
        if len(rows) < _MAX_SEGMENTS:
            self.check_rows_read(named_ids, [int(row["id"]) for row in rows])
        return named_ids

    @override
    def check_rows_read(self, named_ids: Collection[int], read_ids: Collection[int]) -> None:
        for row_id in sorted(set(named_ids) - set(read_ids))[:1]:
            if self.request_status(row_id) in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
                raise self.restricted_role_error(row_id)


class Assets(EntityStream):
    """Files to download."""

    name = "assets"
    path = "/api/assets"
    key = "assets"
    named_in = (("asset_downloads", "asset_id"),)
    schema = entity_schema(
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
    schema = entity_schema(
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
    schema = entity_schema(*texts("tag", "description"))


class Stages(EntityStream):
    """Stages of contacts."""

    name = "stages"
    path = "/api/stages"
    key = "stages"
    schema = entity_schema(
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
    schema = entity_schema(
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
    schema = entity_schema(
        *texts("username", "first_name", "last_name", "email", "position", "timezone", "locale"),
        *PUBLISHED,
        *columns_of(th.DateTimeType, "last_login", "last_active"),
        th.Property("role", OBJECT),
        th.Property("signature", th.StringType, description="With include_html"),
    )


class _FieldStream(EntityStream):
    selected_by_default = False
    key = "fields"
    #: Mautic's name of the record type. With a filter in the query, Mautic drops its own by type.
    owner: ClassVar[str]
    schema = entity_schema(
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
