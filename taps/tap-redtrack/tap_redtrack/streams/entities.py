"""Entities and dictionaries: lists, each read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import TapError, describe_value
from tap_redtrack.client import RedTrackStream
from tap_redtrack.paging import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record

#: Lists take so many without complaint.
_PER = 500
_OBJECT = th.ObjectType(additional_properties=True)


class EntityStream(RedTrackStream):
    """All entities of a kind, by their id; what they have no column for is in ``_extra``."""

    primary_keys = ("id",)
    # What an integration is set up with, under the names of each ad platform.
    secret_fields = frozenset({"integrations.params", "cert", "private"})
    # A filter of a funnel, by addresses.
    kept_fields = frozenset({"filters.ip"})

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        pages = Pages(
            lambda page: self.ask(self.path, {"page": page, "per": _PER}),
            self._id,
            size=_PER,
            what=self.name,
            logger=self.logger,
        )
        for rows in pages:
            yield from rows

    def _id(self, row: Any) -> str:
        if isinstance(row, dict) and row.get("id"):
            return str(row["id"])
        msg = (
            f"{self.name}: RedTrack lists something without an id. Nothing was replaced; deselect "
            "the stream, or run again later."
        )
        raise TapError(msg)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        # Sums of a time nobody asked for; reports have them.
        row.pop("stat", None)
        return super().post_process(row, context)


#: Columns from before RedTrack published which fields there are.
_NEVER_SENT = "Always null: RedTrack's API has no such field"


def _of(kind: Any, *names: str) -> list[th.Property[Any]]:
    return [th.Property(name, kind) for name in names]


def _never_sent(kind: Any, *names: str) -> list[th.Property[Any]]:
    return [th.Property(name, kind, description=_NEVER_SENT) for name in names]


def _lists(*names: str) -> list[th.Property[Any]]:
    return _of(th.ArrayType(th.StringType), *names)


def _entity(*more: list[th.Property[Any]], never: tuple[str, ...] = ()) -> dict[str, Any]:
    """A schema: what all kinds have, then a kind's own.

    Args:
        more: A kind's own columns.
        never: Which of those that most kinds have RedTrack does not send of this one.
    """
    common: list[th.Property[Any]] = [
        th.Property("serial_number", th.IntegerType, description="The number on RedTrack's pages"),
        th.Property("title", th.StringType),
        # A number here, a text there: 1 active, 2 paused, 3 deleted.
        th.Property("status", th.StringType),
        *(column for columns in more for column in columns),
        *_of(th.StringType, "user_id"),
        *_lists("workspace_ids"),
        *_of(th.DateTimeType, "created_at", "updated_at"),
    ]
    for column in common:
        if column.name in never:
            column.description = _NEVER_SENT
    return th.PropertiesList(th.Property("id", th.StringType, required=True), *common).to_dict()


class Campaigns(EntityStream):
    """Campaigns, with their funnels as objects."""

    name = "campaigns"
    path = "/campaigns"
    schema = _entity(
        _of(th.StringType, "type", "source_id", "source_title", "domain_id", "cost_model"),
        _of(th.NumberType, "cpc"),
        _never_sent(th.StringType, "cost_type"),
        _never_sent(th.NumberType, "cost_value"),
        _of(th.StringType, "trackback_url", "postback_url", "impression_url", "coupon"),
        _of(th.IntegerType, "redirect_type"),
        _of(th.NumberType, "rev_share"),
        _of(th.BooleanType, "rsoc_enabled", "cache_buster_enabled"),
        _of(th.StringType, "source_campaign_id"),
        _lists("source_campaigns", "notes", "tags"),
        _of(th.DateTimeType, "expires_at"),
        # As one object: streams hold filters hold lists, by the megabyte.
        _of(th.ArrayType(_OBJECT), "streams"),
    )


class Offers(EntityStream):
    """Offers; their ``url`` leads to the affiliate network's."""

    name = "offers"
    path = "/offers"
    schema = _entity(
        _of(th.StringType, "url", "postback_url", "network_title", "program_id", "script_id"),
        _of(_OBJECT, "payment"),
        _of(th.StringType, "category", "subcategory", "default_conversion_status", "notes"),
        _lists("tags", "country_codes"),
        _of(th.IntegerType, "cap", "clcap", "click_cap"),
        _of(th.BooleanType, "cap_alert", "clcap_alert"),
        _of(th.StringType, "click_cap_period", "click_cap_type"),
        _of(th.DateTimeType, "expires_at"),
    )


class Sources(EntityStream):
    """Traffic sources."""

    name = "sources"
    path = "/sources"
    schema = _entity(
        _of(th.StringType, "alias", "type", "currency", "cost_id", "cost_level", "external_id"),
        _of(th.StringType, "external_id_alias", "ref_id", "ref_id_alias", "imp_id", "imp_cost_id"),
        _of(th.StringType, "integration_id", "preset_id", "postback_url", "postback_pixel"),
        _of(th.IntegerType, "campaign_count"),
        _of(th.BooleanType, "enable_direct_traffic", "enable_impressions"),
        _of(th.BooleanType, "enable_parallel_tracking"),
        _lists("cost_models", "formats"),
    )


class Networks(EntityStream):
    """Affiliate networks."""

    name = "networks"
    path = "/networks"
    schema = _entity(
        _of(th.IntegerType, "offer_count", "click_expiration"),
        _of(th.StringType, "alias", "currency", "clickid", "sum", "offer_url", "postback_url"),
        _of(th.StringType, "postback_mode", "postback_status", "preset_id", "notes"),
        _of(th.BooleanType, "postback_protected", "event_tracking", "enable_ip_whitelist"),
        _of(th.BooleanType, "cdp_hashing_personal_data_enabled"),
    )


class Landings(EntityStream):
    """Landing pages, and those before them."""

    name = "landings"
    path = "/landings"
    schema = _entity(
        _of(th.StringType, "type", "url", "domain_id"),
        _of(th.BooleanType, "listicle"),
        _lists("tags"),
        never=("status",),
    )


class Streams(EntityStream):
    """Funnel templates: what RedTrack calls streams."""

    name = "streams"
    path = "/streams"
    schema = _entity(
        _of(th.BooleanType, "template"),
        _of(_OBJECT, "filters"),
        _of(th.ArrayType(_OBJECT), "offers", "landings", "prelandings"),
        _of(th.DateTimeType, "expires_at"),
        never=("serial_number", "status", "created_at", "updated_at"),
    )


class Domains(EntityStream):
    """Tracking domains."""

    name = "domains"
    path = "/domains"
    schema = _entity(
        _of(th.StringType, "url", "type", "fallback_url"),
        _of(th.BooleanType, "use_auto_generated_ssl"),
        _of(th.DateTimeType, "registry_expiry_date"),
        never=("serial_number", "title", "status", "updated_at"),
    )


class DictionaryStream(RedTrackStream):
    """A list that is the same for all accounts."""

    selected_by_default = False
    #: The column of lists of texts.
    column: ClassVar[str] = "value"

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        answer = self.ask(self.path)
        if answer.total is not None and len(answer.rows) < answer.total:
            msg = (
                f"{self.name}: GET {self.path} lists {len(answer.rows)} of {answer.total}. Nothing "
                "was replaced; run it again, and report it if that does not help."
            )
            raise TapError(msg)
        for item in answer.rows:
            if isinstance(item, str):
                yield {self.column: item}
            elif isinstance(item, dict):
                yield item
            else:
                msg = (
                    f"{self.name}: GET {self.path} has {describe_value(item)} in its list, which "
                    "is neither a text nor an object. Run it again; if that does not help, report "
                    "it."
                )
                raise TapError(msg)


class Currencies(DictionaryStream):
    """Currencies, and what they are worth."""

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
        th.Property("id", th.StringType, required=True),
        th.Property("iso", th.StringType),
        th.Property("title", th.StringType),
    ).to_dict()


class Timezones(DictionaryStream):
    """The names of time zones."""

    name = "timezones"
    path = "/timezones"
    primary_keys = ("value",)
    schema = th.PropertiesList(th.Property("value", th.StringType, required=True)).to_dict()
