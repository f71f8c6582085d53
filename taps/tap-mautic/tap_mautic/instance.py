"""What a run learns about the instance that it reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    import requests
    from singer_sdk.helpers.types import Record

    from tap_mautic.merges import Merges

#: Used if no header names the version, as behind some proxies: what is right for the newest also
#: works with older ones.
_NEWEST = 7


class Instance:
    """Facts about the instance. All views of the client share them, so each is requested once.

    Args:
        logger: The logger of the tap, for the version.

    Attributes:
        version: The major version of Mautic; the newest, until a response names it.
        row_statuses: The status that Mautic answered a request of a single row with, by its path.
        samples: Some rows of tables of statistics, by table.
        merges: All merges of contacts, once they were requested.
        recent_changes: The merges and deletions of contacts since `recent_since`.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._full_version = ""
        self._clock_offset = timedelta()
        self.version = _NEWEST
        self.row_statuses: dict[str, int] = {}
        self.samples: dict[str, list[Record]] = {}
        self.merges: Merges | None = None
        self.recent_changes: Merges | None = None
        self.recent_since = datetime.max.replace(tzinfo=UTC)

    def observe_response(self, response: requests.Response) -> None:
        """Note the version and the clock of the server.

        Args:
            response: Any response of Mautic's.
        """
        version = response.headers.get("Mautic-Version", "")
        major = version.partition(".")[0]
        if version != self._full_version and major.isdecimal():
            self.version, self._full_version = int(major), version
            self._logger.info("Mautic %s", version)
        if sent_at := server_time(response):
            self._clock_offset = sent_at - datetime.now(UTC)

    def now(self) -> datetime:
        """The time by the server's clock, to the second."""
        return (datetime.now(UTC) + self._clock_offset).replace(microsecond=0)


def server_time(response: requests.Response) -> datetime | None:
    """Read when a response was sent, by the server's clock; None if it does not say.

    Args:
        response: Any response of Mautic's.
    """
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, OverflowError, ValueError):
        return None
