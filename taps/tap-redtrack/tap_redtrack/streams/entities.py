"""Entities and dictionaries, read in full on every run."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import TapError, columns_of
from signalroom_singer.conform import describe_value
from tap_redtrack.descriptions import NEVER_SENT
from tap_redtrack.paging import StablePager
from tap_redtrack.streams._base import RedTrackStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

#: Rows on a page; lists accept this many.
_PAGE_SIZE = 500
_OBJECT = th.ObjectType(additional_properties=True)


class EntityStream(RedTrackStream):
    """All entities of a kind, keyed by their id; fields without a column go into ``_extra``."""

    primary_keys = ("id",)
    # Credentials of an integration, named differently by each ad platform.
    secret_fields = frozenset({"integrations.params", "cert", "private"})
    # A funnel's filter by IP addresses is not personal data.
    kept_fields = frozenset({"filters.ip"})

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        pager = StablePager(
            lambda number: self.client.get_page(self.path, {"page": number, "per": _PAGE_SIZE}),
            self._entity_id,
            size=_PAGE_SIZE,
            label=self.name,
            logger=self.logger,
        )
        for rows in pager:
            yield from rows

    def _entity_id(self, row: Any) -> str:
        if isinstance(row, dict) and row.get("id"):
            return str(row["id"])
        msg = (
            f"{self.name}: RedTrack lists an entry without an id. Nothing was replaced; deselect "
            "the stream, or run again later."
        )
        raise TapError(msg)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        # Totals of an unknown period; reports have those of each day.
        row.pop("stat", None)
        return super().post_process(row, context)


def _lists(*names: str) -> list[th.Property[Any]]:
    return columns_of(th.ArrayType(th.StringType), *names)


def _entity_schema(
    *own_columns: list[th.Property[Any]], never_sent: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The schema of a kind of entities.

    Args:
        own_columns: The columns that only this kind has.
        never_sent: The names of common columns that RedTrack does not send for this kind.
    """
    properties: list[th.Property[Any]] = [
        th.Property("serial_number", th.IntegerType, description="The number on RedTrack's pages"),
        th.Property("title", th.StringType),
        # A number or a text, by kind: 1 active, 2 paused, 3 deleted.
        th.Property("status", th.StringType),
        *chain.from_iterable(own_columns),
        *columns_of(th.StringType, "user_id"),
        *_lists("workspace_ids"),
        *columns_of(th.DateTimeType, "created_at", "updated_at"),
    ]
    for column in properties:
        if column.name in never_sent:
            column.description = NEVER_SENT
    return th.PropertiesList(th.Property("id", th.StringType, required=True), *properties).to_dict()


class Campaigns(EntityStream):
    """Campaigns, with their funnels as objects."""

    name = "campaigns"
    path = "/campaigns"
    schema = _entity_schema(
        columns_of(th.StringType, "type", "source_id", "source_title", "domain_id", "cost_model"),
        columns_of(th.NumberType, "cpc"),
        columns_of(th.StringType, "cost_type", description=NEVER_SENT),
        columns_of(th.NumberType, "cost_value", description=NEVER_SENT),
        columns_of(th.StringType, "trackback_url", "postback_url", "impression_url", "coupon"),
        columns_of(th.IntegerType, "redirect_type"),
        columns_of(th.NumberType, "rev_share"),
        columns_of(th.BooleanType, "rsoc_enabled", "cache_buster_enabled"),
        columns_of(th.StringType, "source_campaign_id"),
        _lists("source_campaigns", "notes", "tags"),
        columns_of(th.DateTimeType, "expires_at"),
        # As one object: streams hold filters hold lists, by the megabyte.
        columns_of(th.ArrayType(_OBJECT), "streams"),
    )


class Offers(EntityStream):
    """Offers; their ``url`` is that of the affiliate network."""

    name = "offers"
    path = "/offers"
    schema = _entity_schema(
        columns_of(
            th.StringType, "url", "postback_url", "network_title", "program_id", "script_id"
        ),
        columns_of(_OBJECT, "payment"),
        columns_of(th.StringType, "category", "subcategory", "default_conversion_status", "notes"),
        _lists("tags", "country_codes"),
        columns_of(th.IntegerType, "cap", "clcap", "click_cap"),
        columns_of(th.BooleanType, "cap_alert", "clcap_alert"),
        columns_of(th.StringType, "click_cap_period", "click_cap_type"),
        columns_of(th.DateTimeType, "expires_at"),
    )


class Sources(EntityStream):
    """Traffic sources."""

    name = "sources"
    path = "/sources"
    schema = _entity_schema(
        columns_of(th.StringType, "alias", "type", "currency", "cost_id", "cost_level"),
        columns_of(th.StringType, "external_id", "external_id_alias", "ref_id", "ref_id_alias"),
        columns_of(th.StringType, "imp_id", "imp_cost_id", "integration_id", "preset_id"),
        columns_of(th.StringType, "postback_url", "postback_pixel"),
        columns_of(th.IntegerType, "campaign_count"),
        columns_of(th.BooleanType, "enable_direct_traffic", "enable_impressions"),
        columns_of(th.BooleanType, "enable_parallel_tracking"),
        _lists("cost_models", "formats"),
    )


class Networks(EntityStream):
    """Affiliate networks."""

    name = "networks"
    path = "/networks"
    schema = _entity_schema(
        columns_of(th.IntegerType, "offer_count", "click_expiration"),
        columns_of(
            th.StringType, "alias", "currency", "clickid", "sum", "offer_url", "postback_url"
        ),
        columns_of(th.StringType, "postback_mode", "postback_status", "preset_id", "notes"),
        columns_of(th.BooleanType, "postback_protected", "event_tracking", "enable_ip_whitelist"),
        columns_of(th.BooleanType, "cdp_hashing_personal_data_enabled"),
    )


class Landings(EntityStream):
    """Landing pages and pre-landing pages."""

    name = "landings"
    path = "/landings"
    schema = _entity_schema(
        columns_of(th.StringType, "type", "url", "domain_id"),
        columns_of(th.BooleanType, "listicle"),
        _lists("tags"),
        never_sent=("status",),
    )


class Streams(EntityStream):
    """Funnel templates, which RedTrack calls streams."""

    name = "streams"
    path = "/streams"
    schema = _entity_schema(
        columns_of(th.BooleanType, "template"),
        columns_of(_OBJECT, "filters"),
        columns_of(th.ArrayType(_OBJECT), "offers", "landings", "prelandings"),
        columns_of(th.DateTimeType, "expires_at"),
        never_sent=("serial_number", "status", "created_at", "updated_at"),
    )


class Domains(EntityStream):
    """Tracking domains."""

    name = "domains"
    path = "/domains"
    schema = _entity_schema(
        columns_of(th.StringType, "url", "type", "fallback_url"),
        columns_of(th.BooleanType, "use_auto_generated_ssl"),
        columns_of(th.DateTimeType, "registry_expiry_date"),
        never_sent=("serial_number", "title", "status", "updated_at"),
    )


class DictionaryStream(RedTrackStream):
    """A list that is the same for all accounts: objects, or texts, which go into one column."""

    selected_by_default = False
    #: The column for the entries of a list of texts.
    text_column: ClassVar[str] = "value"

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        page = self.client.get_page(self.path)
        if page.total is not None and len(page.rows) < page.total:
            msg = (
                f"{self.name}: GET {self.path} lists {len(page.rows)} of {page.total}. Nothing "
                "was replaced; run it again, and report it if that does not help."
            )
            raise TapError(msg)
        for entry in page.rows:
            if isinstance(entry, str):
                yield {self.text_column: entry}
            elif isinstance(entry, dict):
                yield entry
            else:
                msg = (
                    f"{self.name}: GET {self.path} has {describe_value(entry)} in its list, which "
                    "is neither a text nor an object. Run it again; if that does not help, report "
                    "it."
                )
                raise TapError(msg)


class Currencies(DictionaryStream):
    """Currencies, with their exchange rates."""

    name = "currencies"
    path = "/currencies"
    primary_keys = ("letter_code",)
    schema = th.PropertiesList(
        th.Property("letter_code", th.StringType, required=True),
        th.Property("aliases", th.ArrayType(th.StringType)),
        th.Property("exchange_rate", _OBJECT),
    ).to_dict()


class Countries(DictionaryStream):
    """Countries."""

    name = "countries"
    path = "/countries"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True), *columns_of(th.StringType, "iso", "title")
    ).to_dict()


class Timezones(DictionaryStream):
    """The names of time zones."""

    name = "timezones"
    path = "/timezones"
    primary_keys = ("value",)
    schema = th.PropertiesList(th.Property("value", th.StringType, required=True)).to_dict()
