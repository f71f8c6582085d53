"""Notices a role that may not view what others created.

Mautic shows such a role fewer rows, or none, without an error; which requests it cuts down depends
on the version. So the tap compares two things: tables of statistics, which are complete for
everybody who may view contacts, name rows by foreign keys (which go with the row), and Mautic
rejects a request for a single row that the role may not view.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import MalformedResponseError, RequestRejectedError
from tap_mautic.queries import STATS_KEY, STATS_PATH, Condition, sort_stats, where
from tap_mautic.streams._base import MauticStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from singer_sdk.helpers.types import Record

#: Rows of a table in which ids are looked for.
_SAMPLE_SIZE = 25
#: Rows that are requested by their id.
_PROBES = 2


class RoleCheckedStream(MauticStream):
    """A stream that leaves its table as it is if the role may not view all of it.

    It takes a request to each table of :attr:`named_in`, which streams share, and one or two for
    single rows. The setting `accept_changes` turns it off: a role may be meant to see its own only.
    """

    shows_own_only = True
    #: Tables of statistics with ids of these rows, and the columns that have them.
    named_in: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: The path of single rows, without their id; the stream's own path if there is none.
    rows_path: ClassVar[str] = ""

    def check_role(self) -> set[int]:
        """Check that rows which statistics name may be viewed.

        Returns:
            The ids of these rows, to check later which of them were read.

        Raises:
            RequestRejectedError: If the role may not view one of them.
        """
        if self.name in self.config["accept_changes"]:
            return set()
        named_ids = self._request_named_ids()
        self.probe(sorted({max(named_ids), min(named_ids)}, reverse=True) if named_ids else ())
        return named_ids

    def check_rows_read(self, named_ids: Collection[int], read_ids: Collection[int]) -> None:
        """Check that rows which statistics name were read, if they are still there.

        Args:
            named_ids: The ids that statistics named before the stream was read.
            read_ids: The ids of the rows that were read.

        Raises:
            RequestRejectedError: If the role may not view one of them.
        """
        self.probe(sorted(set(named_ids) - set(read_ids)))

    def is_shown_others(self) -> bool:
        """Whether contacts show that the role views those of others.

        A role that does not is shown those of one user: created by that user up to Mautic 6; from 7
        on owned, or without an owner created by the user. So it suffices that one contact is
        nobody's, or that two are not of the same user. They are requested without a filter, as a
        filter replaces the restriction up to Mautic 6
        (``FetchCommonApiController::getEntitiesAction``).

        Returns:
            False if that is not certain, or nobody asked: a role may be meant to see its own only.
        """
        if self.name in self.config["accept_changes"]:
            return False
        users: list[tuple[int | None, int | None]] = []
        for direction in ("ASC", "DESC"):
            order = {"orderBy": "created_by,owner_id", "orderByDir": direction}
            for row in self.client.get_rows(self.path, self.key, order, most=1):
                owner = row.get("owner") or {}
                creator = row.get("createdBy")
                users.append((creator, owner.get("id") or creator))
        by_rule = [set(column) for column in zip(*users, strict=True)]
        is_shown = bool(users) and all(None in of_rule or len(of_rule) > 1 for of_rule in by_rule)
        if not is_shown:
            self.logger.info(
                "All contacts that the role shows may be of one user: it is not certain that it "
                "may view others. Contacts that are not there stay in the table, unless the audit "
                "log says that they were deleted"
            )
        return is_shown

    def probe(self, ids: Iterable[int]) -> None:
        """Request single rows by their id.

        Args:
            ids: The ids of some rows, the most telling ones first.

        Raises:
            RequestRejectedError: If the role may not view one of them.
        """
        for row_id, _ in zip(ids, range(_PROBES), strict=False):
            if self.request_status(row_id) == HTTPStatus.FORBIDDEN:
                raise self.restricted_role_error(row_id)

    def request_status(self, row_id: int) -> int:
        """Request a single row, once in a run: 200, 403, 404, or the status of another error.

        Args:
            row_id: The id of the row.
        """
        path = f"{self.rows_path or self.path}/{row_id}"
        statuses = self.client.instance.row_statuses
        if path not in statuses:
            statuses[path] = self._request_status(path)
        return statuses[path]

    def _request_status(self, path: str) -> int:
        try:
            self.client.get(path)
        except RequestRejectedError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                raise
            return int(error.status)
        except RetriableAPIError as error:
            if not self.fails_alone(error):
                raise
            return HTTPStatus.INTERNAL_SERVER_ERROR
        return HTTPStatus.OK

    def restricted_role_error(self, row_id: int) -> RequestRejectedError:
        """Make the error for a row that exists, but not for this role.

        Args:
            row_id: The id of the row.
        """
        msg = (
            f"{self.name}: the role of the credentials may not view all of them: Mautic's "
            f"statistics name id {row_id}, which it does not show. Its table was left as it was. "
            'Give the role the right "View others"; or, if it is meant to see its own rows only, '
            "name the stream in accept_changes"
        )
        return RequestRejectedError(msg, HTTPStatus.FORBIDDEN)

    def request_sample(self, table: str, *conditions: Condition) -> list[Record]:
        """Request some rows of a table of statistics; none if it cannot be read.

        Args:
            table: The name of the table.
            conditions: The conditions that rows must meet.
        """
        query = {**sort_stats(["lead_id"], "DESC"), **where(conditions), "limit": _SAMPLE_SIZE}
        try:
            payload = self.client.get(
                f"{STATS_PATH}{table}", query, shrink=self.client.shrink_instead
            )
            return self.client.extract_rows(payload, STATS_KEY)
        except (RequestRejectedError, RetriableAPIError, MalformedResponseError) as error:
            if isinstance(error, RequestRejectedError) and error.status == HTTPStatus.FORBIDDEN:
                return []
            if not self.fails_alone(error):
                raise
            return []

    def _request_named_ids(self) -> set[int]:
        """Request ids of rows, as statistics name them; each table once in a run."""
        samples = self.client.instance.samples
        for table, _ in self.named_in:
            if table not in samples:
                samples[table] = self.request_sample(table)
        return {
            int(row[column])
            for table, column in self.named_in
            for row in samples[table]
            if row.get(column)
        }
