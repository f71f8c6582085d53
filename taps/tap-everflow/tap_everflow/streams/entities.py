"""Entities, listed page by page: https://developers.everflow.io/user-guide/paging."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from singer_sdk.pagination import PageNumberPaginator
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, TapError, stored_moment
from tap_everflow.client import EverflowStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import requests
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.streams.rest import HTTPRequest, PageContext

_OVERLAP = timedelta(days=1)
_BY_CHANGE = Loading(
    "Full table; incremental by `time_saved` with `incremental_entities`",
    "Every run reads all rows again; with `incremental_entities` those that were saved",
    "They are removed from the table; with `incremental_entities` they stay",
)
_SAVED = (
    th.Property("time_created", th.DateTimeType),
    th.Property("time_saved", th.DateTimeType),
)


class NoListError(TapError):
    """An answer has not the shape that the documentation promises."""


def _paging(payload: Any) -> dict[str, Any]:
    """What an answer says of its pages: nothing, if it is a bare list."""
    found = payload.get("paging") if isinstance(payload, dict) else None
    return found if isinstance(found, dict) else {}


class EntityPaginator(PageNumberPaginator):
    """Pages from 1 until all are read, or one is not full."""

    def __init__(self, page_size: int) -> None:
        """Start at the first page.

        Args:
            page_size: Rows asked for.
        """
        super().__init__(start_value=1)
        self._page_size = page_size

    @override
    def has_more(self, response: requests.Response) -> bool:
        payload = EverflowStream.payload(response)
        paging = _paging(payload)
        # The size asked for may be clamped; the one in the answer is the one that counts.
        size = paging.get("page_size") or self._page_size
        lists = [payload] if isinstance(payload, list) else payload.values()
        rows = max((len(one) for one in lists if isinstance(one, list)), default=0)
        # A full page may be followed by another one, whatever the count says, or if there is none.
        return bool(rows >= size or self.current_value * size < (paging.get("total_count") or 0))


class EntityStream(EverflowStream):
    """All entities of a kind, keyed by their id; what they have no column for is in ``_extra``."""

    #: The key of the list in the answer.
    records_key: str
    #: Its path is not documented: an account may not have it.
    path_unverified: ClassVar[bool] = False
    #: May be read by time of change, where the user asks for it.
    incremental: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize, by time of change if that is asked for and possible.

        Args:
            args: As for the SDK's stream.
            kwargs: As for the SDK's stream.
        """
        super().__init__(*args, **kwargs)
        if self.incremental and self.config["incremental_entities"]:
            self.replication_key = "time_saved"
        self._seen: set[Any] = set()
        self._told = 0

    @override
    def get_new_paginator(self) -> EntityPaginator:
        return EntityPaginator(self.config["page_size"])

    @override
    def get_http_request(self, *, page: PageContext[int]) -> HTTPRequest:
        request = super().get_http_request(page=page)
        request.params |= {"page": page.next_page_token, "page_size": self.config["page_size"]}
        saved = self.replication_key and self.stream_state.get("replication_key_value")
        if since := stored_moment(saved, stream=self.name):
            # By the bookmark alone: start_date is about reports, older entities are needed too.
            request.params["filter"] = f"time_saved>{int((since - _OVERLAP).timestamp())}"
        return request

    @override
    def request_records(self, context: Context | None) -> Iterator[Record]:
        self._seen.clear()
        try:
            yield from super().request_records(context)
            if len(self._seen) < self._told:
                self.is_complete = False
                self.logger.warning(
                    "GET %s says that there are %d and gave %d: none that is loaded is removed",
                    *(self.path, self._told, len(self._seen)),
                )
        except RequestRejectedError as error:
            if not (self.path_unverified and error.status == HTTPStatus.NOT_FOUND):
                raise
            self.logger.warning("This account's API has no %s: nothing to load", self.path)

    @override
    def parse_response(self, response: requests.Response) -> Iterable[Record]:
        payload = self.payload(response)
        self._told = _paging(payload).get("total_count") or 0
        # A page that only repeats what came before gives nothing, and so ends the paging.
        for record in self._records(payload):
            key = tuple(record.get(name) for name in self.record_keys)
            if key not in self._seen:
                self._seen.add(key)
                yield record

    def _records(self, payload: Any) -> list[Record]:
        """The list in an answer, which some accounts get bare and some in an envelope."""
        if isinstance(payload, dict):
            lists = [value for value in payload.values() if isinstance(value, list)]
            # Not every envelope's key is documented; its one list is what was asked for.
            payload = payload.get(self.records_key, lists[0] if len(lists) == 1 else payload)
        if payload is None:
            return []
        if not isinstance(payload, list):
            msg = (
                f"{self.name}: GET {self.path} answered without a list of {self.records_key}; "
                f"it has: {', '.join(payload) if isinstance(payload, dict) else type(payload)}"
            )
            raise NoListError(msg)
        return payload


class Affiliates(EntityStream):
    """Affiliates (partners)."""

    name = "affiliates"
    path = "/networks/affiliates"
    records_key = "affiliates"
    primary_keys = ("network_affiliate_id",)
    incremental = True
    loading = _BY_CHANGE
    schema = th.PropertiesList(
        th.Property("network_affiliate_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("account_status", th.StringType),
        th.Property("account_manager_id", th.IntegerType),
        th.Property("account_manager_name", th.StringType),
        th.Property("default_currency_id", th.StringType),
        th.Property("internal_notes", th.StringType),
        *_SAVED,
    ).to_dict()


class Advertisers(EntityStream):
    """Advertisers."""

    name = "advertisers"
    path = "/networks/advertisers"
    records_key = "advertisers"
    primary_keys = ("network_advertiser_id",)
    schema = th.PropertiesList(
        th.Property("network_advertiser_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("account_status", th.StringType),
        th.Property("default_currency_id", th.StringType),
        th.Property("reporting_timezone_id", th.IntegerType),
        th.Property("attribution_method", th.StringType),
        th.Property("attribution_priority", th.StringType),
        th.Property("internal_notes", th.StringType),
        *_SAVED,
    ).to_dict()


class Offers(EntityStream):
    """Offers, without the payouts and visibility that hang on them."""

    name = "offers"
    path = "/networks/offers"
    records_key = "offers"
    primary_keys = ("network_offer_id",)
    incremental = True
    loading = _BY_CHANGE
    schema = th.PropertiesList(
        th.Property("network_offer_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("network_advertiser_id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("offer_status", th.StringType),
        th.Property("currency_id", th.StringType),
        th.Property("network_category_id", th.IntegerType),
        th.Property("visibility", th.StringType),
        th.Property("destination_url", th.StringType),
        th.Property("preview_url", th.StringType),
        th.Property("project_id", th.StringType),
        th.Property("date_live_until", th.DateType),
        th.Property("internal_notes", th.StringType),
        *_SAVED,
    ).to_dict()


class Campaigns(EntityStream):
    """Smart links."""

    name = "campaigns"
    path = "/networks/campaigns"
    records_key = "campaigns"
    primary_keys = ("network_campaign_id",)
    schema = th.PropertiesList(
        th.Property("network_campaign_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("campaign_name", th.StringType),
        th.Property("campaign_status", th.StringType),
        *_SAVED,
    ).to_dict()


class Creatives(EntityStream):
    """Creatives of offers."""

    name = "creatives"
    path = "/networks/creatives"
    records_key = "creatives"
    primary_keys = ("network_offer_creative_id",)
    schema = th.PropertiesList(
        th.Property("network_offer_creative_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("network_offer_id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("creative_type", th.StringType),
        th.Property("creative_status", th.StringType),
        *_SAVED,
    ).to_dict()


class CouponCodes(EntityStream):
    """Coupon codes and whose they are."""

    name = "coupon_codes"
    path = "/networks/couponcodes"
    records_key = "coupon_codes"
    path_unverified = True
    primary_keys = ("network_coupon_code_id",)
    schema = th.PropertiesList(
        th.Property("network_coupon_code_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("network_affiliate_id", th.IntegerType),
        th.Property("network_offer_id", th.IntegerType),
        th.Property("coupon_code", th.StringType),
        th.Property("coupon_status", th.StringType),
        th.Property("description", th.StringType),
        th.Property("start_date", th.DateType),
        th.Property("end_date", th.DateType),
        th.Property("time_deleted", th.DateTimeType),
        *_SAVED,
    ).to_dict()


class TrackingDomains(EntityStream):
    """Tracking domains."""

    name = "tracking_domains"
    path = "/networks/domains/tracking"
    records_key = "domains"
    primary_keys = ("network_tracking_domain_id",)
    schema = th.PropertiesList(
        th.Property("network_tracking_domain_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("url", th.StringType),
        *_SAVED,
    ).to_dict()


class OfferUrls(EntityStream):
    """Landing pages of offers; a deleted one has ``url_status`` "deleted"."""

    name = "offer_urls"
    path = "/networks/offerurls"
    records_key = "offer_urls"
    primary_keys = ("network_offer_url_id",)
    schema = th.PropertiesList(
        th.Property("network_offer_url_id", th.IntegerType, required=True),
        th.Property("network_id", th.IntegerType),
        th.Property("network_offer_id", th.IntegerType),
        th.Property("name", th.StringType),
        th.Property("destination_url", th.StringType),
        th.Property("preview_url", th.StringType),
        th.Property("url_status", th.StringType),
        *_SAVED,
    ).to_dict()


class Timezones(EntityStream):
    """Everflow's time zones; the offset moves with daylight saving."""

    name = "timezones"
    path = "/meta/timezones"
    records_key = "timezones"
    primary_keys = ("timezone_id",)
    schema = th.PropertiesList(
        th.Property("timezone_id", th.IntegerType, required=True),
        th.Property("timezone", th.StringType),
        th.Property("timezone_name", th.StringType),
        th.Property("utc_offset", th.StringType),
    ).to_dict()
