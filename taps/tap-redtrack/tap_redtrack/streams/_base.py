"""The base of all streams of RedTrack."""

from __future__ import annotations

from signalroom_singer import ApiStream
from tap_redtrack.client import RedTrackClient
from tap_redtrack.descriptions import DESCRIPTIONS


class RedTrackStream(ApiStream[RedTrackClient]):
    """A stream of RedTrack's API."""

    descriptions = DESCRIPTIONS
