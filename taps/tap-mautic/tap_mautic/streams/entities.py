"""What people make in Mautic: e-mails, campaigns and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_mautic.client import snake_case
from tap_mautic.entities import (
    LIST,
    LIVE,
    OBJECT,
    PUBLISHED,
    EntityStream,
    counts,
    schema_of,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record


class Emails(EntityStream):
    """E-mails, with their variants and translations, and how often they were sent and read."""

    name = "emails"
    path = "/api/emails"
    key = "emails"
    # Those that were deleted stay: statistics name them.
    replaces = False
    children = ("variantChildren", "translationChildren")
    schema = schema_of(
        *texts("name", "subject", "email_type", "language", "from_address", "from_name"),
        *texts("reply_to_address", "bcc_address", "preheader_text", "template"),
        *counts("sent_count", "read_count", "revision"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("lists", OBJECT, description="The segments it is sent to, by id"),
        th.Property("utm_tags", OBJECT),
        th.Property("variant_parent", OBJECT),
        th.Property("variant_children", OBJECT),
        th.Property("translation_parent", OBJECT),
        th.Property("translation_children", OBJECT),
        th.Property("variant_start_date", th.DateTimeType),
        *counts("variant_sent_count", "variant_read_count"),
        *texts("custom_html", "plain_text"),
    )


class Campaigns(EntityStream):
    """Campaigns, with their events."""

    name = "campaigns"
    path = "/api/campaigns"
    key = "campaigns"
    replaces = False
    schema = schema_of(
        *texts("name", "description"),
        th.Property("allow_restart", th.BooleanType),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("events", OBJECT, description="By id; a row each in campaign_events"),
        th.Property("forms", OBJECT),
        th.Property("lists", OBJECT),
        th.Property("canvas_settings", OBJECT),
    )


class CampaignEvents(EntityStream):
    """What campaigns do: actions, decisions, conditions."""

    name = "campaign_events"
    path = "/api/campaigns"
    key = "campaigns"
    schema = schema_of(
        *counts("campaign_id"),
        *texts("name", "description", "type", "event_type", "channel", "channel_id"),
        *counts("order"),
        th.Property("properties", OBJECT),
        th.Property("trigger_date", th.DateTimeType),
        *counts("trigger_interval"),
        *texts("trigger_interval_unit", "trigger_mode", "decision_path"),
        th.Property("parent", OBJECT),
    )

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for campaign in super().read(context):
            events = campaign.get("events") or {}
            for event in events.values() if isinstance(events, dict) else events:
                yield {**event, "campaignId": campaign["id"]}


class Segments(EntityStream):
    """Segments; who is in them: `lead_lists_leads`."""

    name = "segments"
    path = "/api/segments"
    key = "lists"
    schema = schema_of(
        *texts("name", "public_name", "alias", "description"),
        th.Property("is_global", th.BooleanType),
        th.Property("is_preference_center", th.BooleanType),
        *PUBLISHED,
        th.Property("category", OBJECT),
        th.Property("filters", LIST),
    )


class Assets(EntityStream):
    """Files to download."""

    name = "assets"
    path = "/api/assets"
    key = "assets"
    schema = schema_of(
        *texts("title", "alias", "description", "language", "extension", "mime"),
        *texts("download_url", "storage_location"),
        *counts("size", "download_count", "unique_download_count", "revision"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
    )


class Pages(EntityStream):
    """Landing pages, with their variants and translations."""

    name = "pages"
    path = "/api/pages"
    key = "pages"
    children = ("variantChildren", "translationChildren")
    schema = schema_of(
        *texts("title", "alias", "language", "template", "meta_description"),
        *texts("redirect_type", "redirect_url"),
        *counts("hits", "unique_hits", "variant_hits", "revision"),
        th.Property("is_preference_center", th.BooleanType),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("variant_parent", OBJECT),
        th.Property("variant_children", OBJECT),
        th.Property("translation_parent", OBJECT),
        th.Property("translation_children", OBJECT),
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
    schema = schema_of(*texts("title", "alias", "description", "color", "bundle"), *PUBLISHED)


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
            for name in ("isRequired", "isFixed", "isListable", "isVisible", "isUniqueIdentifier")
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
