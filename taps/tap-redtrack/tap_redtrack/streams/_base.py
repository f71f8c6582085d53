"""The base of all streams of RedTrack."""

from __future__ import annotations

from typing_extensions import override

from signalroom_singer import ApiStream, Conditions, one_of
from tap_redtrack.client import RedTrackClient
from tap_redtrack.descriptions import DESCRIPTIONS


class RedTrackStream(ApiStream[RedTrackClient]):
    """A stream of RedTrack's API."""

    descriptions = DESCRIPTIONS

    @property
    @override
    def filters_in_force(self) -> Conditions | None:
        filters = self.client.filters
        if not filters.keys() <= self.schema["properties"].keys():
            return None
        return {column: one_of(ids.split(",")) for column, ids in filters.items()}
