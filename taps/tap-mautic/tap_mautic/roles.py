"""Noticing a role that may not view what others made.

Mautic shows such a role fewer rows, or none, and no error; which kind of request it cuts down is
not the same in all versions. So the tap compares two things that Mautic says: tables of statistics,
which are whole for whoever may view contacts, name rows by ids that are foreign keys (they go with
the row), and Mautic refuses a row that the role may not view if it is asked for by its id.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from singer_sdk.exceptions import RetriableAPIError
from singer_sdk.streams.rest import HTTPRequest

from signalroom_singer import MalformedResponseError, RequestRejectedError
from tap_mautic.client import MauticStream
from tap_mautic.queries import Is, order, where

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from singer_sdk.helpers.types import Record

#: Rows of a table in which ids are looked for.
_SAMPLE = 25
#: Rows that are asked for by their id.
_PROBES = 2


class RoleCheckedStream(MauticStream):
    """A stream that leaves its table as it is where the role may not view all of it.

    It takes a request to each table of :attr:`named_in`, which streams share, and one or two to
    rows. The setting `accept_changes` turns it off: a role may be meant to see its own rows only.
    """

    shows_own_only = True
    #: Tables of statistics with ids of these rows, and the columns that have them.
    named_in: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: Where single rows are, by their id; the stream's own path where there is none.
    rows_path: ClassVar[str] = ""

    def check_role(self) -> set[int]:
        """See that rows which statistics name may be viewed.

        Returns:
            The ids that were found, for a look at which of them were read.

        Raises:
            RequestRejectedError: If the role may not view one.
        """
        if self.name in self.config["accept_changes"]:
            return set()
        named = self.named()
        self.probe(sorted({max(named), min(named)}, reverse=True) if named else ())
        return named

    def check_read(self, named: Collection[int], read: Collection[int]) -> None:
        """See that rows which statistics name were read, where they are still there.

        Args:
            named: Before it was read.
            read: The ids that came.

        Raises:
            RequestRejectedError: If the role may not view one.
        """
        self.probe(sorted(set(named) - set(read)))

    def named(self) -> set[int]:
        """Ids of rows, as statistics have them."""
        return {
            int(row[column])
            for table, column in self.named_in
            for row in self._tap.sample(table, self)
            if row.get(column)
        }

    def probe(self, numbers: Iterable[int]) -> None:
        """Ask for rows by their id.

        Args:
            numbers: Some ids, the most telling ones first.

        Raises:
            RequestRejectedError: If the role may not view one.
        """
        for number, _ in zip(numbers, range(_PROBES), strict=False):
            if self.status_of(number) == HTTPStatus.FORBIDDEN:
                raise self.restricted(number)

    def status_of(self, number: int) -> int:
        """What Mautic answers to a row's id: 200, 403, 404, or another error; asked for once.

        Args:
            number: The row's id.
        """
        path = f"{self.rows_path or self.path}/{number}"
        known = self._tap.statuses
        if path not in known:
            known[path] = self._status_of(path)
        return known[path]

    def _status_of(self, path: str) -> int:
        try:
            self.fetch(HTTPRequest(url=f"{self.url_base}{path}"))
        except RequestRejectedError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            return int(error.status)
        except RetriableAPIError as error:
            if not self.fails_alone(error):
                raise
            return HTTPStatus.INTERNAL_SERVER_ERROR
        return HTTPStatus.OK

    def restricted(self, number: int) -> RequestRejectedError:
        """The error for a row that is there, and not for this role.

        Args:
            number: The row's id.
        """
        msg = (
            f"{self.name}: the role of the credentials may not view all of them: Mautic's "
            f"statistics name id {number}, which it does not show. Its table was left as it was. "
            'Give the role the right "View others"; or, if it is meant to see its own rows only, '
            "name the stream in accept_changes"
        )
        return RequestRejectedError(msg, HTTPStatus.FORBIDDEN)


def sample_of(stream: MauticStream, table: str, *conditions: Is) -> list[Record]:
    """Some rows of a table of statistics; none where it cannot be read.

    Args:
        stream: That asks.
        table: Which one.
        conditions: What rows must be like.
    """
    query = {**order(["lead_id"], "DESC"), **where(conditions), "limit": _SAMPLE}
    request = HTTPRequest(url=f"{stream.url_base}/api/stats/{table}", params=query)
    try:
        return stream.rows_of(stream.page(request, may_shrink=True), "stats")
    except (RequestRejectedError, RetriableAPIError, MalformedResponseError) as error:
        if isinstance(error, RequestRejectedError) and error.status == HTTPStatus.FORBIDDEN:
            return []
        if not stream.fails_alone(error):
            raise
        return []
