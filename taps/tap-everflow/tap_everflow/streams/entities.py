"""Entities, listed page by page: https://developers.everflow.io/user-guide/paging."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, columns_of, parse_bookmark
from tap_everflow.streams._base import EverflowStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import SignalRoomTap
    from tap_everflow.client import EverflowClient

_OVERLAP = timedelta(days=1)
_BY_CHANGE = Loading(
    "Full table; incremental by `time_saved` with `incremental_entities`",
    "Every run reads all rows again; with `incremental_entities` those that were saved",
    "They are removed from the table; with `incremental_entities` they stay",
)


def _paging(payload: Any) -> dict[str, Any]:
    """The paging of a response; empty if it is a bare list."""
    paging = payload.get("paging") if isinstance(payload, dict) else None
    return paging if isinstance(paging, dict) else {}


def _entity_schema(key: str, *own_columns: th.Property[Any]) -> dict[str, Any]:
    """The schema of a network's entities.

    Args:
        key: The column of their id.
        own_columns: The columns that only this kind of entity has.
    """
    return th.PropertiesList(
        th.Property(key, th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        *own_columns,
        *columns_of(th.DateTimeType, "time_created", "time_saved"),
    ).to_dict()


class EntityStream(EverflowStream):
    """All entities of a kind, keyed by their id; fields without a column go into ``_extra``."""

    #: The key of the list in the response.
    records_key: str
    #: Whether the path is undocumented: an account may not have it.
    path_unverified: ClassVar[bool] = False
    #: Whether the stream can be read by time of change, where the settings ask for it.
    incremental: ClassVar[bool] = False

    def __init__(self, tap: SignalRoomTap, client: EverflowClient) -> None:
        """Initialize the stream, by time of change if the settings ask for it and it is possible.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
        """
        super().__init__(tap, client)
        if self.incremental and self.config["incremental_entities"]:
            self.replication_key = "time_saved"

    @override
    def query(self, context: Context | None) -> dict[str, Any]:
        query = {"page": 1, "page_size": self.config["page_size"]}
        bookmark = self.replication_key and self.stream_state.get("replication_key_value")
        if since := parse_bookmark(bookmark, stream=self.name):
            # By the bookmark alone: start_date is about reports, older entities are needed too.
            query["filter"] = f"time_saved>{int((since - _OVERLAP).timestamp())}"
        return query

    @override
    def next_query(self, query: Mapping[str, Any], payload: Any) -> dict[str, Any] | None:
        paging = _paging(payload)
        # The requested size may be clamped; the one in the response is the one that counts.
        size = paging.get("page_size") or query["page_size"]
        lists = [payload] if isinstance(payload, list) else payload.values()
        rows = max((len(value) for value in lists if isinstance(value, list)), default=0)
        # A full page may be followed by another one, whatever the count says, or if there is none.
        has_more = rows >= size or query["page"] * size < (paging.get("total_count") or 0)
        return {**query, "page": query["page"] + 1} if has_more else None

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        seen_keys: set[tuple[Any, ...]] = set()
        total = 0
        try:
            for payload in self.read_pages(self.query(context), context):
                total = _paging(payload).get("total_count") or 0
                new_rows = self._new_rows(payload, seen_keys)
                # A page that only repeats rows ends the paging.
                if not new_rows:
                    break
                yield from new_rows
        except RequestRejectedError as error:
            if not (self.path_unverified and error.status == HTTPStatus.NOT_FOUND):
                raise
            self.logger.warning("This account's API has no %s: nothing to load", self.path)
            return
        if len(seen_keys) < total:
            self.is_complete = False
            self.logger.warning(
                "GET %s reported %d rows but returned %d: existing rows are kept",
                *(self.path, total, len(seen_keys)),
            )

    def _new_rows(self, payload: Any, seen_keys: set[tuple[Any, ...]]) -> list[Record]:
        new_rows = []
        for row in self.parse_rows(payload):
            key = tuple(row.get(name) for name in self.record_keys)
            if key not in seen_keys:
                seen_keys.add(key)
                new_rows.append(row)
        return new_rows

    @override
    def parse_rows(self, payload: Any) -> list[Record]:
        # Some accounts get the list bare, and some in an envelope.
        if isinstance(payload, list):
            return payload
        key = self.records_key
        if isinstance(payload, dict) and key not in payload:
            lists = [name for name, value in payload.items() if isinstance(value, list)]
            # Not every envelope's key is documented; its only list is that of the rows.
            key = lists[0] if len(lists) == 1 else key
        return self.client.extract_rows(payload, key, may_lack=False)


class Affiliates(EntityStream):
    """Affiliates (partners)."""

    name = "affiliates"
    path = "/networks/affiliates"
    records_key = "affiliates"
    primary_keys = ("network_affiliate_id",)
    incremental = True
    loading = _BY_CHANGE
    schema = _entity_schema(
        "network_affiliate_id",
        *columns_of(th.StringType, "name", "account_status"),
        th.Property("account_manager_id", th.IntegerType),
        *columns_of(th.StringType, "account_manager_name", "default_currency_id", "internal_notes"),
    )


class Advertisers(EntityStream):
    """Advertisers."""

    name = "advertisers"
    path = "/networks/advertisers"
    records_key = "advertisers"
    primary_keys = ("network_advertiser_id",)
    schema = _entity_schema(
        "network_advertiser_id",
        *columns_of(th.StringType, "name", "account_status", "default_currency_id"),
        th.Property("reporting_timezone_id", th.IntegerType),
        *columns_of(th.StringType, "attribution_method", "attribution_priority", "internal_notes"),
    )


class Offers(EntityStream):
    """Offers, without the payouts and visibility that hang on them."""

    name = "offers"
    path = "/networks/offers"
    records_key = "offers"
    primary_keys = ("network_offer_id",)
    incremental = True
    loading = _BY_CHANGE
    schema = _entity_schema(
        "network_offer_id",
        th.Property("network_advertiser_id", th.IntegerType),
        *columns_of(th.StringType, "name", "offer_status", "currency_id"),
        th.Property("network_category_id", th.IntegerType),
        *columns_of(th.StringType, "visibility", "destination_url", "preview_url", "project_id"),
        th.Property("date_live_until", th.DateType),
        th.Property("internal_notes", th.StringType),
    )


class Campaigns(EntityStream):
    """Smart links."""

    name = "campaigns"
    path = "/networks/campaigns"
    records_key = "campaigns"
    primary_keys = ("network_campaign_id",)
    schema = _entity_schema(
        "network_campaign_id", *columns_of(th.StringType, "campaign_name", "campaign_status")
    )


class Creatives(EntityStream):
    """Creatives of offers."""

    name = "creatives"
    path = "/networks/creatives"
    records_key = "creatives"
    primary_keys = ("network_offer_creative_id",)
    schema = _entity_schema(
        "network_offer_creative_id",
        th.Property("network_offer_id", th.IntegerType),
        *columns_of(th.StringType, "name", "creative_type", "creative_status"),
    )


class CouponCodes(EntityStream):
    """Coupon codes, and the affiliate and offer each belongs to."""

    name = "coupon_codes"
    path = "/networks/couponcodes"
    records_key = "coupon_codes"
    path_unverified = True
    primary_keys = ("network_coupon_code_id",)
    schema = _entity_schema(
        "network_coupon_code_id",
        *columns_of(th.IntegerType, "network_affiliate_id", "network_offer_id"),
        *columns_of(th.StringType, "coupon_code", "coupon_status", "description"),
        *columns_of(th.DateType, "start_date", "end_date"),
        th.Property("time_deleted", th.DateTimeType),
    )


class TrackingDomains(EntityStream):
    """Tracking domains."""

    name = "tracking_domains"
    path = "/networks/domains/tracking"
    records_key = "domains"
    primary_keys = ("network_tracking_domain_id",)
    schema = _entity_schema("network_tracking_domain_id", th.Property("url", th.StringType))


class OfferUrls(EntityStream):
    """Landing pages of offers; a deleted one has ``url_status`` "deleted"."""

    name = "offer_urls"
    path = "/networks/offerurls"
    records_key = "offer_urls"
    primary_keys = ("network_offer_url_id",)
    schema = _entity_schema(
        "network_offer_url_id",
        th.Property("network_offer_id", th.IntegerType),
        *columns_of(th.StringType, "name", "destination_url", "preview_url", "url_status"),
    )


class Timezones(EntityStream):
    """Everflow's time zones; the offset moves with daylight saving."""

    name = "timezones"
    path = "/meta/timezones"
    records_key = "timezones"
    primary_keys = ("timezone_id",)
    schema = th.PropertiesList(
        th.Property("timezone_id", th.IntegerType, required=True),
        *columns_of(th.StringType, "timezone", "timezone_name", "utc_offset"),
    ).to_dict()
