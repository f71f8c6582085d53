"""The base of all streams of Everflow, and of those that are read day by day."""

from __future__ import annotations

from typing_extensions import override

from signalroom_singer import (
    ApiStream,
    Conditions,
    WindowedStream,
    from_client,
    from_setting,
    one_of,
)
from tap_everflow.client import EverflowClient, report_filter
from tap_everflow.descriptions import DESCRIPTIONS


class EverflowStream(ApiStream[EverflowClient]):
    """A stream of Everflow's network API."""

    descriptions = DESCRIPTIONS
    personal_fields = frozenset({"platform_username"})
    report_zone = from_client("report_zone")

    @property
    def filters(self) -> list[dict[str, str]]:
        """The filters that the settings ask for, as the API expects them: with ids as text."""
        advertiser = self.config.get("advertiser_id")
        return [report_filter("advertiser", advertiser)] if advertiser is not None else []

    @property
    @override
    def filters_in_force(self) -> Conditions | None:
        advertiser = self.config.get("advertiser_id")
        if advertiser is None:
            return {}
        has_column = "advertiser_id" in self.schema["properties"]
        return {"advertiser_id": one_of([advertiser])} if has_column else None


class WindowedEverflowStream(WindowedStream, EverflowStream):
    """A stream read in windows, as many at once as the settings allow."""

    concurrency = from_setting("max_concurrency")
