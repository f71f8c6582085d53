"""What people make in Mautic: e-mails, campaigns, forms and the like, each list read whole."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import RefusedError
from tap_mautic.client import MauticStream, snake_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

_OBJECT = th.ObjectType(additional_properties=True)
_LIST = th.ArrayType(_OBJECT)
#: From this version on lists leave variants and translations out, whatever is asked.
_WITHOUT_CHILDREN = 7
#: Whole pages, hundreds of kilobytes each.
_HTML = frozenset({"custom_html", "plain_text", "cached_html"})
_PUBLISHED = (
    th.Property("is_published", th.BooleanType),
    th.Property("date_added", th.DateTimeType),
    th.Property("created_by", th.IntegerType),
    th.Property("created_by_user", th.StringType),
    th.Property("date_modified", th.DateTimeType),
    th.Property("modified_by", th.IntegerType),
    th.Property("modified_by_user", th.StringType),
)
_LIVE = (th.Property("publish_up", th.DateTimeType), th.Property("publish_down", th.DateTimeType))


class EntityStream(MauticStream):
    """A list, whole each time: counters move without a date, and deleted ones are not there."""

    primary_keys = ("id",)
    shows_own_only = True
    #: Where a row has those that belong to it, and that lists may leave out.
    children: ClassVar[tuple[str, ...]] = ()

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        seen: set[int] = set()
        hidden: set[int] = set()
        for rows in self.by_id(self.path, self.key):
            for row in rows:
                seen.add(int(row["id"]))
                hidden |= self._children(row)
                yield row
        if self._tap.version < _WITHOUT_CHILDREN:
            return
        while hidden := hidden - seen:
            number = min(hidden)
            seen.add(number)
            if child := self._one(number):
                hidden |= self._children(child)
                yield child

    def _children(self, row: Record) -> set[int]:
        found: set[int] = set()
        for name in self.children:
            items = row.get(name) or {}
            given = items.values() if isinstance(items, dict) else items
            found.update(int(item["id"]) for item in given if isinstance(item, dict))
        return found

    def _one(self, number: int) -> Record | None:
        try:
            answer = self.fetch(HTTPRequest(url=f"{self.url_base}{self.path}/{number}"))
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None  # deleted since it was named
        row: Record | None = answer.get(self.key.removesuffix("s"))
        return row

    @override
    def cleaned(self, row: Record) -> Record:
        record = super().cleaned(row)
        if not self.config["include_html"]:
            for name in _HTML & record.keys():
                del record[name]
        return record


def _schema(*columns: th.Property[Any]) -> dict[str, Any]:
    return th.PropertiesList(th.Property("id", th.IntegerType, required=True), *columns).to_dict()


def _texts(*names: str) -> list[th.Property[Any]]:
    return [th.Property(name, th.StringType) for name in names]


def _counts(*names: str) -> list[th.Property[Any]]:
    return [th.Property(name, th.IntegerType) for name in names]


class Emails(EntityStream):
    """E-mails, with their variants and translations, and how often they were sent and read."""

    name = "emails"
    path = "/api/emails"
    key = "emails"
    # Those that were deleted stay: statistics name them.
    replaces = False
    children = ("variantChildren", "translationChildren")
    schema = _schema(
        *_texts("name", "subject", "email_type", "language", "from_address", "from_name"),
        *_texts("reply_to_address", "bcc_address", "preheader_text", "template"),
        *_counts("sent_count", "read_count", "revision"),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
        th.Property("lists", _OBJECT, description="The segments it is sent to, by id"),
        th.Property("utm_tags", _OBJECT),
        th.Property("variant_parent", _OBJECT),
        th.Property("variant_children", _OBJECT),
        th.Property("translation_parent", _OBJECT),
        th.Property("translation_children", _OBJECT),
        th.Property("variant_start_date", th.DateTimeType),
        *_counts("variant_sent_count", "variant_read_count"),
        *_texts("custom_html", "plain_text"),
    )


class Campaigns(EntityStream):
    """Campaigns, with their events."""

    name = "campaigns"
    path = "/api/campaigns"
    key = "campaigns"
    replaces = False
    schema = _schema(
        *_texts("name", "description"),
        th.Property("allow_restart", th.BooleanType),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
        th.Property("events", _OBJECT, description="By id; a row each in campaign_events"),
        th.Property("forms", _OBJECT),
        th.Property("lists", _OBJECT),
        th.Property("canvas_settings", _OBJECT),
    )


class CampaignEvents(EntityStream):
    """What campaigns do: actions, decisions, conditions."""

    name = "campaign_events"
    path = "/api/campaigns"
    key = "campaigns"
    schema = _schema(
        *_counts("campaign_id"),
        *_texts("name", "description", "type", "event_type", "channel", "channel_id"),
        *_counts("order"),
        th.Property("properties", _OBJECT),
        th.Property("trigger_date", th.DateTimeType),
        *_counts("trigger_interval"),
        *_texts("trigger_interval_unit", "trigger_mode", "decision_path"),
        th.Property("parent", _OBJECT),
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
    schema = _schema(
        *_texts("name", "public_name", "alias", "description"),
        th.Property("is_global", th.BooleanType),
        th.Property("is_preference_center", th.BooleanType),
        *_PUBLISHED,
        th.Property("category", _OBJECT),
        th.Property("filters", _LIST),
    )


class Forms(EntityStream):
    """Forms; what was sent in: `form_submissions` and `form_results`."""

    name = "forms"
    path = "/api/forms"
    key = "forms"
    schema = _schema(
        *_texts("name", "alias", "description", "form_type", "post_action"),
        *_texts("post_action_property", "language", "template"),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
        th.Property("fields", _OBJECT),
        th.Property("actions", _OBJECT),
        *_texts("cached_html"),
    )


class FormResults(EntityStream):
    """The answers that forms got: by id of each form, from the last one that was read."""

    name = "form_results"
    path = "/api/forms/{form_id}/submissions"
    key = "submissions"
    selected_by_default = False
    replication_key = "id"
    is_sorted = True
    schema = _schema(
        *_counts("form_id", "lead_id"),
        th.Property("date_submitted", th.DateTimeType),
        *_texts("tracking_id", "referer"),
        th.Property("results", _OBJECT, description="By the alias of each of the form's fields"),
        th.Property("form", _OBJECT),
        th.Property("page", _OBJECT),
    )

    @property
    @override
    def partitions(self) -> list[dict[str, int]] | None:
        return [{"form_id": number} for number in self._forms]

    @cached_property
    def _forms(self) -> list[int]:
        found: list[int] = []
        with self._tap.refusals.noted(self, self.name):
            for rows in self.by_id(Forms.path, Forms.key):
                found += [int(row["id"]) for row in rows]
        return found

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        if context is None:
            return  # there are no forms
        form = context["form_id"]
        last = self.get_context_state(context).get("replication_key_value") or 0
        for rows in self.by_id(self.path.format(form_id=form), self.key, after=int(last)):
            # A page at a time: the rows are changed when they are handed on.
            last = int(rows[-1]["id"])
            yield from rows
            self.save_bookmark(str(last), context)

    @override
    def cleaned(self, row: Record) -> Record:
        if isinstance(lead := row.pop("lead", None), dict):
            row["lead_id"] = lead.get("id")
        if isinstance(form := row.get("form"), dict):
            row["form_id"] = form.get("id")
        if not self.config["include_ip_addresses"]:
            row.pop("ipAddress", None)
        return super().cleaned(row)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row["form_id"] = (context or {})["form_id"]
        return super().post_process(row, context)

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        # Moved page by page.
        pass


class Assets(EntityStream):
    """Files to download."""

    name = "assets"
    path = "/api/assets"
    key = "assets"
    schema = _schema(
        *_texts("title", "alias", "description", "language", "extension", "mime"),
        *_texts("download_url", "storage_location"),
        *_counts("size", "download_count", "unique_download_count", "revision"),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
    )


class Pages(EntityStream):
    """Landing pages, with their variants and translations."""

    name = "pages"
    path = "/api/pages"
    key = "pages"
    children = ("variantChildren", "translationChildren")
    schema = _schema(
        *_texts("title", "alias", "language", "template", "meta_description"),
        *_texts("redirect_type", "redirect_url"),
        *_counts("hits", "unique_hits", "variant_hits", "revision"),
        th.Property("is_preference_center", th.BooleanType),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
        th.Property("variant_parent", _OBJECT),
        th.Property("variant_children", _OBJECT),
        th.Property("translation_parent", _OBJECT),
        th.Property("translation_children", _OBJECT),
        *_texts("custom_html"),
    )


class Tags(EntityStream):
    """Tags of contacts."""

    name = "tags"
    path = "/api/tags"
    key = "tags"
    schema = _schema(*_texts("tag", "description"))


class Stages(EntityStream):
    """Stages of contacts."""

    name = "stages"
    path = "/api/stages"
    key = "stages"
    schema = _schema(
        *_texts("name", "description"),
        *_counts("weight"),
        *_PUBLISHED,
        *_LIVE,
        th.Property("category", _OBJECT),
    )


class Categories(EntityStream):
    """Categories of everything."""

    name = "categories"
    path = "/api/categories"
    key = "categories"
    selected_by_default = False
    schema = _schema(*_texts("title", "alias", "description", "color", "bundle"), *_PUBLISHED)


class Users(EntityStream):
    """Users of Mautic."""

    name = "users"
    path = "/api/users"
    key = "users"
    selected_by_default = False
    schema = _schema(
        *_texts("username", "first_name", "last_name", "email", "position", "timezone", "locale"),
        *_PUBLISHED,
        th.Property("last_login", th.DateTimeType),
        th.Property("last_active", th.DateTimeType),
        th.Property("role", _OBJECT),
    )


class _FieldStream(EntityStream):
    selected_by_default = False
    key = "fields"
    #: What Mautic calls whose fields they are: where a filter is given, its own is dropped.
    owner: ClassVar[str]
    schema = _schema(
        *_texts("label", "alias", "type", "group", "object", "default_value"),
        *_counts("order"),
        *(
            th.Property(snake_case(name), th.BooleanType)
            for name in ("isRequired", "isFixed", "isListable", "isVisible", "isUniqueIdentifier")
        ),
        *_PUBLISHED,
        th.Property("properties", _OBJECT),
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
