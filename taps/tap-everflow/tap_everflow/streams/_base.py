"""The base of all streams of Everflow, and of those that are read day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from signalroom_singer import ApiStream, WindowedStream
from tap_everflow.client import EverflowClient, report_filter
from tap_everflow.descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from signalroom_singer import SignalRoomTap


class EverflowStream(ApiStream[EverflowClient]):
    """A stream of Everflow's network API."""

    descriptions = DESCRIPTIONS
    personal_fields = frozenset({"platform_username"})

    def __init__(self, tap: SignalRoomTap, client: EverflowClient, **options: Any) -> None:
        """Initialize the stream; its days are those of the client's report zone.

        Args:
            tap: The tap that the stream belongs to.
            client: The client that all streams share.
            options: Further arguments of `ApiStream`.
        """
        super().__init__(tap, client, **options)
        self.report_zone = client.report_zone

    @property
    def filters(self) -> list[dict[str, str]]:
        """The filters that the settings ask for, as the API expects them: with ids as text."""
        advertiser = self.config.get("advertiser_id")
        return [report_filter("advertiser", advertiser)] if advertiser is not None else []


class WindowedEverflowStream(WindowedStream, EverflowStream):
    """A stream read in windows, as many at once as the settings allow."""

    @property
    @override
    def concurrency(self) -> int:  # type: ignore[override]
        return int(self.config["max_concurrency"])
