"""How Mautic's API behaves: https://devdocs.mautic.org/en/latest/rest_api/api_intro.html."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.exceptions import RetriableAPIError
from singer_sdk.streams.rest import HTTPRequest
from typing_extensions import override

from signalroom_singer import (
    ExitCode,
    HTTPStream,
    MalformedResponseError,
    RateLimiter,
    RequestRejectedError,
    Sensitive,
    TapError,
    redact,
    spoiled_state,
    with_variables,
)
from tap_mautic.descriptions import DESCRIPTIONS
from tap_mautic.queries import Is, where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import requests
    from backoff.types import Details
    from singer_sdk.helpers.types import Context, Record

    from tap_mautic.auth import Credentials
    from tap_mautic.tap import TapMautic

#: Where a page was too much for the server: too slow, or out of memory.
_TOO_MUCH = frozenset({200, 500, 502, 504})
_SMALLEST_PAGE = 10
#: After so many pages, a size that was too much once is tried again.
_TRY_MORE_AFTER = 20
#: With these, streams after this one may be readable all the same.
_OWN = _TOO_MUCH | {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
_REFUSALS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
#: In the refusal of an API, or a way of signing in, that is turned off.
_OFF = re.compile(rb'"type"\s*:\s*"(api_disabled|access_denied)"')
_RESET, _REMAINING = "X-RateLimit-Reset", "X-RateLimit-Remaining"
#: In the state of a stream that is read whole: how many rows it had.
_ROWS = "rows"
#: Losing as many is no sign of anything, as long as some are left.
_FEW = 10
_LISTS = (
    *("assets", "campaigns", "categories", "companies", "contacts", "emails", "forms", "pages"),
    *("segments", "stages", "tags", "users"),
)
#: Lists whose rows are also asked for by their id.
_SINGLE = (
    *("assets", "campaigns", "companies", "contacts", "emails", "forms", "pages", "segments"),
)


class MauticStream(HTTPStream[int]):
    """A stream of Mautic's API, version 1: the second leaves out custom fields."""

    descriptions = DESCRIPTIONS
    allowed_requests = frozenset(
        {
            *(("GET", f"/api/{name}") for name in _LISTS),
            *(("GET", f"/api/{name}/{{}}") for name in _SINGLE),
            ("GET", "/api/fields/company"),
            ("GET", "/api/fields/contact"),
            ("GET", "/api/forms/{}/submissions"),
            ("GET", "/api/stats/{}"),
        }
    )
    own_failures = _OWN
    error_hints: ClassVar[Mapping[int, str]] = {
        HTTPStatus.UNAUTHORIZED: "Check {oauth_client_id} and {oauth_client_secret}. If they "
        "are right, the web server may drop the Authorization header: see Mautic's documentation "
        "of the API",
        HTTPStatus.FORBIDDEN: "Give the role of the credentials the permission to view this, or "
        "deselect the stream; or turn on the API (and Basic auth, where it is used): Mautic > "
        "Settings > Configuration > API Settings",
        HTTPStatus.NOT_FOUND: "Check {api_url}, with the path if Mautic is below one",
        HTTPStatus.TOO_MANY_REQUESTS: "Mautic's own limit of calls an hour is used up. Raise "
        "{max_rate_limit_wait} to wait for it, or the limit in Mautic",
        HTTPStatus.SERVICE_UNAVAILABLE: "Mautic may be in maintenance mode: try again later",
    }
    # Where somebody was, with what, and the texts and links that one contact was sent.
    personal_fields = frozenset(
        {
            *("tokens", "client_info", "open_details", "click_details", "ip_details"),
            "sent_details",
        }
    )
    #: Under which an answer has its rows.
    key: str
    #: What filters and orders call the id.
    id_column: ClassVar[str] = "id"
    #: How many times the setting page_size: rows are not of one size everywhere.
    page_factor: ClassVar[int] = 1
    #: Whether a role that may not view others' is shown fewer rows, or none, and no error.
    shows_own_only: ClassVar[bool] = False
    _tap: TapMautic
    #: Rows to ask for; found out by asking.
    _limit = 0
    _answers = 0
    #: A page that is too much can be asked for in parts: it is not tried again as it is.
    _may_shrink = False

    @property
    @override
    def left_out(self) -> frozenset[Sensitive]:
        # Contacts are what people load Mautic for; where they were is asked for by itself.
        shown = {Sensitive.PERSON}
        if self.config["include_ip_addresses"]:
            shown.add(Sensitive.DEVICE)
        return frozenset(Sensitive) - shown

    @property
    @override
    def url_base(self) -> str:
        return self._tap.api_url

    @property
    @override
    def authenticator(self) -> Credentials:
        return self._tap.credentials

    @override
    def pacer(self, request: requests.PreparedRequest) -> RateLimiter:
        return self._tap.account_pacer

    # Sending

    @override
    def _request(
        self, prepared_request: requests.PreparedRequest, context: Context | None
    ) -> requests.Response:
        # Anew with each try: the token may have ended while it waited.
        self._tap.credentials(prepared_request)
        used = str(prepared_request.headers["Authorization"])
        try:
            response = super()._request(prepared_request, context)
        except RequestRejectedError as error:
            # Revoked, or ended early by a clock that goes wrong. Once, then it is something else.
            is_signature = error.status == HTTPStatus.UNAUTHORIZED
            if not is_signature or not self._tap.credentials.renew(used):
                raise
            self._tap.credentials(prepared_request)
            response = super()._request(prepared_request, context)
        self._tap.heard(response)
        wait = self._until_reset(response) if response.headers.get(_REMAINING) == "0" else None
        # Beyond the longest wait the next one is refused, and says so, now rather than later.
        if wait is not None and wait <= float(self.config["max_rate_limit_wait"]):
            self._tap.account_pacer.pause(wait)
        return response

    @override
    def validate_response(self, response: requests.Response) -> None:
        if response.status_code == HTTPStatus.FORBIDDEN and _OFF.search(response.content):
            # Not this stream's permission: none can be read.
            message = self.response_error_message(response)
            raise TapError(message, exit_code=ExitCode.PERMISSION)
        super().validate_response(response)
        payload = self.payload(response)
        # Tables of statistics tell errors, and that they are none, with a 200.
        if "availableTables" in payload:
            msg = (
                f"{self._asked(response.request)}: this Mautic has no such table. Deselect the "
                "stream: its version, or a plugin that is missing, may be the reason."
            )
            raise RequestRejectedError(msg, HTTPStatus.FORBIDDEN)
        if not (errors := payload.get("errors")):
            return
        first = errors[0] if isinstance(errors, list) else errors
        first = first if isinstance(first, dict) else {"message": str(first)}
        said = redact(str(first.get("message") or "no text"))[:300].rstrip(". ")
        code = first.get("code")
        named = "an error" if code is None else f"error {code}"
        msg = f"{self._asked(response.request)} answered 200 with {named}: {said}"
        if code in _REFUSALS:
            msg = f"{msg}. {with_variables(self.error_hints[code])}"
            raise RequestRejectedError(msg, code)
        raise RetriableAPIError(msg, response)

    @override
    def vendor_error(self, payload: Any) -> str | None:
        if not isinstance(payload, dict):
            return f"{type(payload).__name__} where an object belongs"
        return None

    @override
    def retry_wait(self, error: RetriableAPIError, attempt: int) -> float | None:
        response = error.response
        status = None if response is None else response.status_code
        if response is not None and status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = self._until_reset(response)
            if wait is not None:
                may_wait = wait <= float(self.config["max_rate_limit_wait"])
                return wait if may_wait and attempt + 1 < self.config["max_tries"] else None
        # Once more as it is: it may have been a deadlock.
        if self._may_shrink and attempt and (status is None or status in _TOO_MUCH):
            return None
        return super().retry_wait(error, attempt)

    @staticmethod
    def _until_reset(response: requests.Response) -> float | None:
        """Seconds until the hour of the limit is over, by the server's clock."""
        try:
            reset = float(response.headers[_RESET])
        except (KeyError, ValueError):
            return None
        now = server_time(response)
        return max(1.0, reset - (now.timestamp() if now else time.time()))

    @override
    def _log_giving_up(self, details: Details) -> None:
        # It is not given up, but asked for in parts.
        if not self._may_shrink:
            super()._log_giving_up(details)

    # Asking

    def ask(
        self,
        path: str,
        key: str,
        params: Mapping[str, Any],
        conditions: Iterable[Is] = (),
        *,
        most: int = 5_000,
    ) -> list[Record]:
        """Ask for rows, for fewer where as many are too much for the server.

        Args:
            path: Below the base.
            key: Under which the answer has them.
            params: The query; ``limit`` is added.
            conditions: What rows must be like.
            most: How many are wanted at most.

        Returns:
            Rows; lists and objects by id are the same, and so are their empty forms.
        """
        page_size = self.ABORT_AT_RECORD_COUNT or int(self.config["page_size"]) * self.page_factor
        self._limit = self._limit or page_size
        while True:
            query = {**params, **where(conditions), "limit": min(self._limit, most)}
            request = HTTPRequest(url=self.url_base + path, params=query)
            try:
                payload = self.page(request, may_shrink=self._limit > _SMALLEST_PAGE)
            except RetriableAPIError as error:
                response = error.response
                if response is not None and response.status_code not in _TOO_MUCH:
                    raise
                if self._limit <= _SMALLEST_PAGE:
                    raise self._not_too_large(error) from None
                self._limit = max(_SMALLEST_PAGE, self._limit // 4)
                self._answers = 0
                self.logger.warning("%s; asking for %d at once", error, self._limit)
                continue
            self._answers += 1
            if self._answers % _TRY_MORE_AFTER == 0:
                self._limit = min(page_size, self._limit * 2)
            return self.rows_of(payload, key)

    def page(self, request: HTTPRequest, *, may_shrink: bool) -> dict[str, Any]:
        """Send a request.

        Args:
            request: What to ask.
            may_shrink: Whether its failure can be made up for: it is tried twice, and no more.
        """
        self._may_shrink = may_shrink
        try:
            payload: dict[str, Any] = self.fetch(request)
        finally:
            # What is asked for next may be a single row.
            self._may_shrink = False
        return payload

    @staticmethod
    def _not_too_large(error: RetriableAPIError) -> RetriableAPIError:
        """Say what to do about an error that smaller pages do not help against."""
        if error.response is None or error.response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR:
            return error
        msg = (
            f"{str(error).removesuffix('.')}. It is the same for the smallest page, so neither its "
            "size nor the load is the reason: an administrator finds it in Mautic (System info > "
            "Log, or var/logs on its server). Until then, deselect the stream"
        )
        return RetriableAPIError(msg, error.response)

    def rows_of(self, payload: dict[str, Any], key: str) -> list[Record]:
        """Take the rows out of an answer; lists and objects by id are the same.

        Args:
            payload: The answer.
            key: Under which it has them.

        Raises:
            MalformedResponseError: If it has none, not even an empty list.
        """
        rows = payload.get(key)
        # PHP writes an empty list and an empty map as either.
        found = [*rows.values()] if isinstance(rows, dict) else rows
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            msg = (
                f"{self.name}: Mautic's answer has no {key!r} ({', '.join(sorted(payload)[:5])}). "
                "Nothing of it was loaded; is another version of its API at api_url?"
            )
            raise MalformedResponseError(msg)
        return found

    def in_order(self, way: str = "ASC") -> dict[str, str]:
        """The part of a query that sorts by id.

        Args:
            way: ``ASC`` or ``DESC``.
        """
        return {"orderBy": self.id_column, "orderByDir": way}

    def by_id(
        self,
        path: str,
        key: str,
        conditions: Sequence[Is] = (),
        *,
        after: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[list[Record]]:
        """Read rows in order of their id: no row that stays is lost, however others change.

        An empty page alone is the end: Mautic cuts pages of e-mails short, and its totals count
        something else.

        Args:
            path: Below the base.
            key: Under which an answer has rows.
            conditions: What rows must be like.
            after: The id to begin after.
            params: The order, where it is another endpoint than the stream's.

        Yields:
            Pages, in order.

        Raises:
            TapError: If Mautic does not keep to what was asked.
        """
        query = params or self.in_order()
        column = self.id_column if params is None else "id"
        while rows := self.ask(path, key, query, (Is(column, "gt", after), *conditions)):
            rows.sort(key=lambda row: int(row["id"]))
            if int(rows[0]["id"]) <= after:
                raise self.unfiltered({"id": after}, rows[0])
            after = int(rows[-1]["id"])
            # From here on they may be another thread's, which changes them.
            yield rows

    def unfiltered(self, after: Mapping[str, Any], row: Record) -> TapError:
        """The error for an answer with rows that were not asked for.

        Args:
            after: The key that the rows asked for follow.
            row: That came.
        """
        asked, came = (", ".join(f"{name} {of[name]}" for name in after) for of in (after, row))
        msg = (
            f"{self.name}: Mautic was asked for what follows {asked} and answered with {came}: it "
            "does not filter. Nothing of it was loaded; please report this with the version of "
            "your Mautic."
        )
        return MalformedResponseError(msg)

    def check_shrunk(self, had: int, has: int, told: str = "") -> None:
        """Refuse a list of which most is gone: that is what a narrowed role looks like.

        Args:
            had: Its rows at the last run.
            has: Its rows now.
            told: How to say it, where it is not known how many there were.

        Raises:
            RequestRejectedError: If so, and the settings do not say that it is meant.
        """
        is_left = 2 * has >= had or (has and had - has <= _FEW)
        if is_left or not self.shows_own_only or self.name in self.config["accept_changes"]:
            return
        told = told or f"{has} rows, where it showed {had}"
        msg = (
            f"{self.name}: Mautic shows {told} before. Its table was left as it was. Mautic shows "
            "a role that may not view others' rows its own ones, without an error: check the role "
            "of the credentials. If the rows were deleted, name the stream in accept_changes for "
            "one run"
        )
        raise RequestRejectedError(msg, HTTPStatus.FORBIDDEN)

    # Records

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        part = f"{self.name} of {dict(context)}" if context else ""
        with self._tap.permission_errors.skip_forbidden(self, self.name), self._apart(part):
            count = 0
            for row in self.read(context):
                count += 1
                yield row
            if self.replaces and self.shows_own_only:
                state = self.get_context_state(context)
                before = state.get(_ROWS) or 0
                if not isinstance(before, int):
                    raise spoiled_state(before, stream=self.name, field=_ROWS)
                self.check_shrunk(before, count)
                state[_ROWS] = count

    @contextmanager
    def _apart(self, part: str) -> Iterator[None]:
        """Keep a part that fails from ending the stream; without one, the stream is the part."""
        if not part:
            yield
            return
        with self._tap.failures.isolate(self, part):
            yield

    @abstractmethod
    def read(self, context: Context | None) -> Iterable[Record]:
        """Read all records of a run.

        Args:
            context: The partition, if any.

        Yields:
            Records, as Mautic sent them.
        """

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        return super().post_process(self.cleaned(row), context)

    def cleaned(self, row: Record) -> Record:
        """Make columns of a record.

        Args:
            row: As Mautic sent it.
        """
        return {snake_case(name): value for name, value in row.items()}


@cache
def snake_case(name: str) -> str:
    """``dateAdded`` as columns are called: ``date_added``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def server_time(response: requests.Response) -> datetime | None:
    """When an answer was sent, by the server's clock, if it says so."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, OverflowError, ValueError):
        return None
