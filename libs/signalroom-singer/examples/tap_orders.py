"""A tap of one vendor: accounts, which have pages, and orders by day."""

from __future__ import annotations

from functools import cached_property
from zoneinfo import ZoneInfo

from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    WINDOW_SETTINGS,
    ApiClient,
    ApiStream,
    ErrorMapper,
    RateLimiter,
    SignalRoomTap,
    WindowedStream,
    validate_base_url,
)


class Accounts(ApiStream):
    """Accounts; each page names the next one by a cursor."""

    name = "accounts"
    path = "/v1/accounts"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("name", th.StringType),
    ).to_dict()

    def next_query(self, query, payload):
        cursor = payload.get("next_cursor")
        return {**query, "cursor": cursor} if cursor else None

    def parse_rows(self, payload):
        return payload["data"]


class Orders(WindowedStream, ApiStream):
    """Orders by day: three days before the bookmark are read again."""

    name = "orders"
    primary_keys = ("id",)
    replication_key = "created_at"
    report_zone = ZoneInfo("UTC")
    window_days, lookback_days, concurrency = 7, 3, 2
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("total", th.NumberType),
        th.Property("created_at", th.DateTimeType),
    ).to_dict()

    def read_window(self, window, context):  # runs in a thread
        days = {"from": str(window.start), "to": str(window.end)}
        yield self.client.get("/v1/orders", days)["data"]


class TapOrders(SignalRoomTap):
    """Reads accounts and orders."""

    name = "tap-orders"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, default="https://api.example.com"),
        *WINDOW_SETTINGS,
        *HTTP_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def client(self):
        """The client that all streams share."""
        return ApiClient(
            self.client_context,
            base_url=validate_base_url(self.config["api_url"], setting="api_url"),
            allowed_requests={("GET", "/v1/accounts"), ("GET", "/v1/orders")},
            auth=BearerTokenAuthenticator(token=self.config["api_key"]),
            rate_limit=RateLimiter(per_minute=100),
            errors=ErrorMapper(hints={401: "Check {api_key}: it may be mistyped or revoked"}),
        )

    def discover_streams(self):
        """Both streams, each with its view of the client."""
        return [stream(self, self.client) for stream in (Accounts, Orders)]


if __name__ == "__main__":
    TapOrders.cli()
