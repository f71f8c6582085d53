"""How Mautic's API behaves: https://devdocs.mautic.org/en/latest/rest_api/api_intro.html."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import (
    AdaptiveLimit,
    ApiClient,
    MalformedResponseError,
    RateLimiter,
    RequestRejectedError,
    RequestTooLargeError,
    ShrinkInstead,
)
from tap_mautic.auth import make_auth
from tap_mautic.errors import (
    TOO_LARGE,
    MauticErrorMapper,
    MauticRetryPolicy,
    explain_smallest_page,
    seconds_until_reset,
)
from tap_mautic.field_pages import FieldPages
from tap_mautic.instance import Instance
from tap_mautic.merges import ABOUT_GONE, ABOUT_MERGES, AUDIT_LOG, Merges, merge_winner
from tap_mautic.queries import STATS_KEY, Condition, mysql_datetime, sort_by_id, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import requests
    from singer_sdk.helpers.types import Record

    from signalroom_singer import ClientContext

_LISTS = (
    *("assets", "campaigns", "categories", "companies", "contacts", "emails", "forms", "pages"),
    *("segments", "stages", "tags", "users"),
)
#: Lists whose rows are also requested by their id.
_SINGLE_ROWS = (
    *("assets", "campaigns", "companies", "contacts", "emails", "forms", "pages", "segments"),
)
ALLOWED_REQUESTS = frozenset(
    {
        *(("GET", f"/api/{name}") for name in _LISTS),
        *(("GET", f"/api/{name}/{{}}") for name in _SINGLE_ROWS),
        ("GET", "/api/fields/company"),
        ("GET", "/api/fields/contact"),
        ("GET", "/api/forms/{}/submissions"),
        ("GET", "/api/stats/{}"),
    }
)
_SMALLEST_PAGE = 10
_LARGEST_PAGE = 5_000
_REMAINING = "X-RateLimit-Remaining"


class MauticClient(ApiClient):
    """Mautic's API, version 1: the second leaves out custom fields.

    Args:
        context: The tap's settings, connections, logger and limits.
        base_url: The address of the instance.
    """

    def __init__(self, context: ClientContext, *, base_url: str) -> None:
        config = context.config
        super().__init__(
            context,
            base_url=base_url,
            allowed_requests=ALLOWED_REQUESTS,
            auth=make_auth(context, base_url=base_url),
            # One request after another: servers that run Mautic are often small.
            rate_limit=RateLimiter(
                per_minute=config.get("requests_per_minute"), concurrency=1, account=context.account
            ),
            retry=MauticRetryPolicy.from_config(config),
            errors=MauticErrorMapper(),
            on_response=self._observe_response,
        )
        self.instance = Instance(context.logger)
        #: When a smaller page is better than a retry: the second time, as the first may have been
        #: a deadlock.
        self.shrink_instead = ShrinkInstead(
            TOO_LARGE, after_tries=min(2, config["max_tries"]), also_without_response=True
        )
        self.set_page_size(config["page_size"])

    def set_page_size(self, rows: int) -> None:
        """Set how many rows this view requests at once, as long as the server can bear it.

        Args:
            rows: The most rows of a page.
        """
        self._page_size = AdaptiveLimit(rows, smallest=_SMALLEST_PAGE)

    def skip_definitions(self, key: str) -> None:
        """Decode the pages of this view without the definitions of custom fields.

        Args:
            key: The key of the rows in a page.
        """
        self._decode = FieldPages(key, self._decode).decode

    def _observe_response(self, response: requests.Response) -> None:
        self.instance.observe_response(response)
        if response.headers.get(_REMAINING) != "0":
            return
        seconds = seconds_until_reset(response)
        # Rather than wait longer than that, the next request fails now, with a message.
        if seconds is not None and seconds <= float(self.config["max_rate_limit_wait"]):
            self._rate_limit.pause(seconds)

    # Rows

    def get_rows(
        self,
        path: str,
        key: str,
        params: Mapping[str, Any],
        conditions: Iterable[Condition] = (),
        *,
        most: int = _LARGEST_PAGE,
    ) -> list[Record]:
        """Request a page of rows, and a smaller one if it is too large for the server.

        Args:
            path: The path below the base URL.
            key: The key of the rows in the response.
            params: The query; ``limit`` is added.
            conditions: The conditions that rows must meet.
            most: How many rows to request at most.

        Raises:
            RequestRejectedError: If Mautic rejects the request.
            RetriableAPIError: If the smallest page failed too.
        """
        query = {**params, **where(conditions)}
        while True:
            limit = min(self._page_size.value, most)
            shrink = None if self._page_size.is_smallest else self.shrink_instead
            try:
                payload = self.get(path, {**query, "limit": limit}, shrink=shrink)
            except RequestTooLargeError as error:
                self._page_size.shrink()
                self.logger.warning("%s; requesting %d at once", error, self._page_size.value)
            except RetriableAPIError as error:
                raise (error if shrink else explain_smallest_page(error)) from None
            else:
                self._page_size.note_success()
                return self.extract_rows(payload, key)

    def iter_by_id(
        self,
        path: str,
        key: str,
        conditions: Sequence[Condition] = (),
        *,
        after: int = 0,
        id_column: str = "id",
    ) -> Iterator[list[Record]]:
        """Read rows in the order of their ids: no row that stays is missed, whatever changes.

        Only an empty page is the end: Mautic cuts pages of e-mails short, and its totals count
        something else.

        Args:
            path: The path below the base URL.
            key: The key of the rows in a response.
            conditions: The conditions that rows must meet.
            after: The id after which to begin.
            id_column: What filters and orders of the endpoint call the id.

        Yields:
            Pages of rows, in order.

        Raises:
            MalformedResponseError: If Mautic ignores the filter.
        """
        order = sort_by_id(path, id_column)
        while rows := self.get_rows(
            path, key, order, (Condition(id_column, "gt", after), *conditions)
        ):
            rows.sort(key=lambda row: int(row["id"]))
            if int(rows[0]["id"]) <= after:
                raise self.ignored_filter_error({"id": after}, rows[0])
            after = int(rows[-1]["id"])
            # From here on they may be another thread's, which changes them.
            yield rows

    def request_newest_id(self, path: str, key: str, id_column: str = "id") -> int:
        """Request the highest id of a list or table; 0 if it has no rows.

        Args:
            path: The path below the base URL.
            key: The key of the rows in the response.
            id_column: What orders of the endpoint call the id.
        """
        rows = self.get_rows(path, key, sort_by_id(path, id_column, "DESC"), most=1)
        return int(rows[0]["id"]) if rows else 0

    def extract_rows(self, payload: dict[str, Any], key: str) -> list[Record]:
        """Take the rows out of a payload; lists and objects by id mean the same.

        Args:
            payload: The decoded response.
            key: The key of the rows in it.

        Raises:
            MalformedResponseError: If it has no rows, not even an empty list.
        """
        rows = payload.get(key)
        # PHP writes an empty list and an empty map in the same way.
        if isinstance(rows, dict):
            rows = [*rows.values()]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            msg = (
                f"{self.stream_name}: Mautic's response has no {key!r} "
                f"({', '.join(sorted(payload)[:5])}). Nothing was loaded; is another version "
                "of its API at api_url?"
            )
            raise MalformedResponseError(msg)
        return rows

    def ignored_filter_error(self, after: Mapping[str, Any], row: Record) -> MalformedResponseError:
        """Make the error for rows that do not meet the conditions of the request.

        Args:
            after: The values of the key that rows were to follow.
            row: The first such row of the response.
        """
        requested, received = (
            ", ".join(f"{name} {values[name]}" for name in after) for values in (after, row)
        )
        msg = (
            f"{self.stream_name}: Mautic was asked for rows after {requested} but returned "
            f"{received}: it ignores the filter. Nothing was loaded; please report this with the "
            "version of your Mautic."
        )
        return MalformedResponseError(msg)

    # Contacts that are gone

    def request_merges(self, contact: int = 0) -> Merges:
        """Request all merges of contacts, once in a run.

        Args:
            contact: The id of a contact that was merged: if it is not among them, it was merged
                since, and they are requested again.

        Returns:
            The merges; none if the role may not see the audit log.
        """
        merges = self.instance.merges
        if merges is None or (contact and contact not in merges.winners):
            merges = self.instance.merges = self._read_merges(ABOUT_MERGES)
        return merges

    def request_recent_changes(self, since: datetime) -> Merges:
        """Request which contacts were merged or deleted; mostly once in a run.

        Args:
            since: The time of the first entries that are needed; earlier ones may come, too.
        """
        instance = self.instance
        if instance.recent_changes is None or since < instance.recent_since:
            # The streams of a run ask for times that are seconds or minutes apart.
            instance.recent_since = since - timedelta(hours=1)
            recent = Condition("date_added", "gte", mysql_datetime(instance.recent_since))
            instance.recent_changes = self._read_merges((*ABOUT_GONE, recent))
        return instance.recent_changes

    def _read_merges(self, conditions: Sequence[Condition]) -> Merges:
        winners: dict[int, int] = {}
        dates: dict[int, datetime] = {}
        gone: dict[int, datetime] = {}
        merges: dict[int, int] = {}
        try:
            for entries in self.iter_by_id(AUDIT_LOG, STATS_KEY, conditions):
                for entry in entries:
                    contact = int(entry["object_id"])
                    logged_at = datetime.fromisoformat(str(entry["date_added"]))
                    gone[contact] = logged_at.replace(tzinfo=UTC)
                    if (winner := merge_winner(entry)) is not None:
                        winners[contact], dates[contact] = winner, gone[contact]
                        merges[contact] = int(entry["id"])
        except RequestRejectedError as error:
            self.logger.warning(
                "%s. Which contacts were merged or deleted is not known: their rows stay as they "
                "are, with ids that no longer exist",
                error,
            )
            return Merges()
        return Merges(winners, dates, gone, merges)
