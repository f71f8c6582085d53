"""How Google Sheets behaves: two kinds of reads, quotas, errors.

https://developers.google.com/sheets/api/limits
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import requests
from google.auth.exceptions import RefreshError, TransportError

from signalroom_singer import (
    ExitCode,
    RateLimiter,
    ResponseTooLargeError,
    TapError,
    base_url,
    named,
    parse_retry_after,
    redact,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping, Sequence

    from signalroom_singer import AccountLimits

METADATA = (
    "spreadsheetId,properties(title,locale,timeZone),"
    "sheets(properties(sheetId,title,index,sheetType,hidden,"
    "gridProperties(rowCount,columnCount)),merges)"
)
#: Each of the ways to ask for cells: ValueRenderOption, DateTimeRenderOption.
#: https://developers.google.com/sheets/api/reference/rest/v4/ValueRenderOption
COMPUTED = ("UNFORMATTED_VALUE", "FORMATTED_STRING")
SERIALS = ("UNFORMATTED_VALUE", "SERIAL_NUMBER")
SHOWN = ("FORMATTED_VALUE", "FORMATTED_STRING")
FILE = "id,name,mimeType,modifiedTime,version,trashed"
_QUOTA, _FORBIDDEN = 429, 403
#: What is not shared with these credentials looks as if it were not there.
_DENIED = frozenset((401, _FORBIDDEN, 404))
_RETRIED = frozenset((408, _QUOTA, 500, 502, 503, 504))
# Drive says so with 403: https://developers.google.com/drive/api/guides/handle-errors
_DRIVE_QUOTA = frozenset(("userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded"))
# The quota is refilled each minute, and Google does not say when.
_REFILL = 61
# Of one answer's grid, and of one request's address.
_MOST_CELLS = 2_000_000
_LONGEST_QUERY = 4_000
_START = re.compile(r"([A-Z]*)([0-9]*)")


class RangeError(TapError):
    """Google knows no such tab or range (any more)."""


@dataclass(frozen=True)
class Block:
    """The cells of a range, and where it begins in its sheet, counted from 0."""

    top: int
    left: int
    values: list[list[Any]]


def quoted(title: str) -> str:
    """Name a tab in A1 notation: unquoted, CO2 is a cell and a named range goes first."""
    return "'" + title.replace("'", "''") + "'"


def corner(answered: str) -> tuple[int, int]:
    """Where a range begins that Google answered, such as ``'a!b'!B5:G45``: row and column."""
    found = _START.match(answered.rpartition("!")[2])
    letters, digits = found.groups() if found else ("", "")
    left = 0
    for letter in letters:
        left = left * 26 + ord(letter) - ord("A") + 1
    return max(0, int(digits or 1) - 1), max(0, left - 1)


class SheetsClient:
    """Reads spreadsheets. Nothing but GET is ever sent."""

    def __init__(
        self,
        session: requests.Session,
        config: Mapping[str, Any],
        logger: logging.Logger,
        share_with: str | None = None,
        account: AccountLimits | None = None,
    ) -> None:
        self._session = session
        self._sheets = base_url(config["sheets_api_url"], setting="sheets_api_url")
        self._drive = base_url(config["drive_api_url"], setting="drive_api_url")
        self._timeout = config["request_timeout"]
        self._tries = config["max_tries"]
        self._longest = config["max_retry_wait"]
        self._pacer = RateLimiter(
            per_minute=config["max_reads_per_minute"], account=account, group="reads"
        )
        self._logger = logger
        self._share_with = share_with

    def pause(self, seconds: float) -> None:
        """Wait before the next read."""
        self._pacer.pause(min(seconds, self._longest))

    def metadata(self, spreadsheet_id: str) -> dict[str, Any]:
        """Read what tabs there are, with one read.

        Args:
            spreadsheet_id: The spreadsheet.

        Returns:
            ``properties`` and ``sheets``, as Google has them.

        Raises:
            TapError: If Google does not answer with them.
        """
        return self._get(
            spreadsheet_id, self._address(spreadsheet_id), {"fields": METADATA}, "sheets"
        )

    def file(self, spreadsheet_id: str) -> dict[str, Any]:
        """Read what Drive knows of a spreadsheet: its version, and whether it is in the bin."""
        url = f"{self._drive}/drive/v3/files/{quote(spreadsheet_id, safe='')}"
        query = {"fields": FILE, "supportsAllDrives": "true"}
        return self._get(spreadsheet_id, url, query, "version")

    def values(
        self,
        spreadsheet_id: str,
        asked: Sequence[tuple[str, str | None, int]],
        render: tuple[str, str] = COMPUTED,
    ) -> Iterator[Block]:
        """Read the cells of some tabs, with one read for as many as fit.

        Args:
            spreadsheet_id: The spreadsheet.
            asked: Title and range of each (all of it, if none), and the cells of its grid.
            render: How: ``COMPUTED``, ``SERIALS`` or ``SHOWN``.

        Yields:
            The cells of each, in the order asked for.

        Raises:
            RangeError: If Google knows a tab or a range not.
            TapError: If Google does not answer with these tabs.
        """
        group: list[str] = []
        cells = 0
        for title, area, size in asked:
            one = f"{quoted(title)}!{area}" if area else quoted(title)
            length = sum(len(quote(name)) + 8 for name in (*group, one))
            if group and (cells + size > _MOST_CELLS or length > _LONGEST_QUERY):
                yield from self._batch(spreadsheet_id, group, render)
                group, cells = [], 0
            group.append(one)
            cells += size
        if group:
            yield from self._batch(spreadsheet_id, group, render)

    def _batch(
        self, spreadsheet_id: str, ranges: list[str], render: tuple[str, str]
    ) -> list[Block]:
        query = {
            "ranges": ranges,
            "majorDimension": "ROWS",
            "valueRenderOption": render[0],
            "dateTimeRenderOption": render[1],
        }
        url = f"{self._address(spreadsheet_id)}/values:batchGet"
        found = self._get(spreadsheet_id, url, query, "valueRanges")["valueRanges"]
        if len(found) != len(ranges):
            msg = f"Google sent {len(found)} of {len(ranges)} tabs of {spreadsheet_id}. Run again."
            raise TapError(msg)
        # An empty tab has no `values`.
        return [Block(*corner(answer["range"]), answer.get("values", [])) for answer in found]

    def _address(self, spreadsheet_id: str) -> str:
        return f"{self._sheets}/v4/spreadsheets/{quote(spreadsheet_id, safe='')}"

    def _get(
        self, spreadsheet_id: str, url: str, query: Mapping[str, Any], key: str
    ) -> dict[str, Any]:
        for tried in range(1, self._tries + 1):
            wait, problem, quota = min(2.0**tried, self._longest), "", False
            try:
                response = self._send(url, query)
                body = _json(response)
                if response.ok and isinstance(body, dict) and body.get(key) is not None:
                    return body
                if response.ok:
                    problem = f"an answer without {key}"
                elif _passes(response.status_code, body):
                    problem = f"HTTP {response.status_code}"
                    quota = response.status_code in {_QUOTA, _FORBIDDEN}
                    if quota:
                        told = parse_retry_after(response.headers.get("Retry-After"))
                        wait = _REFILL * tried + random.uniform(0, 5) if told is None else told  # nosec B311 # noqa: S311
                        wait = min(wait, self._longest)
                else:
                    raise self._refused(spreadsheet_id, response.status_code, body)
            except RefreshError as error:
                if not error.retryable:
                    said = redact(str(error.args[0] if error.args else error))
                    msg = (
                        f"Google gave no access token: {said}. Check that the key is not revoked, "
                        "that it may act for subject, and that this machine's clock is right."
                    )
                    raise TapError(msg, exit_code=ExitCode.PERMISSION) from None
                problem = "no access token yet"
            except (requests.RequestException, TransportError) as error:
                problem = _unanswered(error, urlsplit(url).netloc)
            if tried < self._tries:
                self._logger.warning(
                    "Spreadsheet %s: %s; trying again in %.0f s", spreadsheet_id, problem, wait
                )
                self._pacer.pause(wait)
        raise self._gave_up(spreadsheet_id, problem, quota=quota)

    def _gave_up(self, spreadsheet_id: str, problem: str, *, quota: bool) -> TapError:
        advice = "Run again later"
        if quota:
            advice += f", or lower {named('max_reads_per_minute')}: Google's quota is used up"
        after = f"{problem} after {self._tries} tries"
        return TapError(
            f"Spreadsheet {spreadsheet_id}: {after}. {advice}.", exit_code=ExitCode.UNAVAILABLE
        )

    def _send(self, url: str, query: Mapping[str, Any]) -> requests.Response:
        with self._pacer.slot():
            try:
                return self._session.get(url, params=query, timeout=self._timeout)
            except (TypeError, AttributeError, LookupError) as error:
                # google-auth relies on what a token endpoint answers.
                msg = "no token in what the token endpoint answered"
                raise TransportError(msg) from error  # type: ignore[no-untyped-call]

    def _refused(self, spreadsheet_id: str, status: int, body: Any) -> TapError:
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        said = str(error.get("message") or "no message")
        kind = TapError
        if "parse range" in said or "exceeds grid" in said:
            kind = RangeError
            advice = f"Check name and range of the tab in {named('spreadsheets')}."
        elif error.get("status") == "FAILED_PRECONDITION":
            advice = "It is an uploaded Office file: in Drive, save it as Google Sheets."
        elif "SERVICE_DISABLED" in str(error) or "has not been used" in said:
            advice = "Enable that API in the Google Cloud console, and wait some minutes."
        elif "API key" in said:
            advice = (
                f"Check {named('api_key')}: Google Cloud console > APIs & Services > Credentials."
            )
        elif "scopes" in said:
            advice = "Sign in again with the scope spreadsheets.readonly (and Drive's, if asked)."
        elif status in _DENIED:
            advice = (
                f"Share the spreadsheet with {self._share_with} as a viewer, and check its id."
                if self._share_with
                else f"With {named('api_key')} the spreadsheet must be public to anyone with the "
                "link."
            )
        else:
            advice = "Check the spreadsheet's id, and the credentials."
        denied = status in _DENIED or "API key" in said
        return kind(
            f"Spreadsheet {spreadsheet_id}: HTTP {status}: {redact(said)[:300]} {advice}",
            exit_code=ExitCode.PERMISSION if denied else ExitCode.CONFIGURATION,
        )


def _unanswered(error: Exception, host: str) -> str:
    if "CERTIFICATE" in str(error):
        msg = (
            f"The TLS certificate of {host} is not trusted. If a proxy of your own is in between, "
            "set the environment variable REQUESTS_CA_BUNDLE to its authority's file."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    if isinstance(error, ResponseTooLargeError):
        return str(error)
    if isinstance(error, requests.exceptions.InvalidHeader):
        msg = (
            "The credentials have a character that no header may have. Copy them again: "
            f"{named('api_key')}, or the sign-in."
        )
        raise TapError(msg, exit_code=ExitCode.CONFIGURATION) from None
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"cannot reach {host} ({type(error).__name__}; check the network and any proxy)"
    return f"no response from {host} ({type(error).__name__})"


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _passes(status: int, body: Any) -> bool:
    """Whether asking again can help."""
    if status in _RETRIED:
        return True
    if status != _FORBIDDEN:
        return False
    if not isinstance(body, dict):
        # A page that says sorry, to who asks too much.
        return True
    error = body.get("error")
    reasons = error.get("errors", ()) if isinstance(error, dict) else ()
    return any(item.get("reason") in _DRIVE_QUOTA for item in reasons)
