"""How Google Sheets behaves: two kinds of reads, quotas, errors.

https://developers.google.com/sheets/api/limits
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from google.auth.exceptions import RefreshError, TransportError

from signalroom_singer import Pacer, TapError, redact

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

API = "https://sheets.googleapis.com/v4/spreadsheets"
METADATA = (
    "spreadsheetId,properties(title,locale,timeZone),"
    "sheets(properties(sheetId,title,index,sheetType,hidden))"
)
_QUOTA = 429
_RETRIED = frozenset((408, _QUOTA, 500, 502, 503, 504))
# The quota is refilled each minute, and Google does not say when.
_REFILL = 61


def quoted(title: str) -> str:
    """Name a tab in A1 notation: unquoted, CO2 is a cell and a named range goes first."""
    return "'" + title.replace("'", "''") + "'"


class SheetsClient:
    """Reads spreadsheets. Nothing but GET is ever sent."""

    def __init__(
        self,
        session: requests.Session,
        config: Mapping[str, Any],
        logger: logging.Logger,
        share_with: str | None = None,
    ) -> None:
        self._session = session
        self._timeout = config["request_timeout"]
        self._tries = config["max_tries"]
        self._longest = config["max_retry_wait"]
        self._pacer = Pacer(per_minute=config["max_reads_per_minute"])
        self._logger = logger
        self._share_with = share_with

    def tabs(self, spreadsheet_id: str) -> list[dict[str, Any]]:
        """List a spreadsheet's tabs that hold cells, with one read."""
        answer = self._get(spreadsheet_id, "", {"fields": METADATA}, "sheets")
        properties = [sheet["properties"] for sheet in answer["sheets"]]
        # Charts and connected data sources are tabs without a grid.
        return [tab for tab in properties if tab.get("sheetType", "GRID") == "GRID"]

    def values(self, spreadsheet_id: str, titles: Sequence[str]) -> list[list[list[Any]]]:
        """Read all cells of some tabs, with one read.

        Args:
            spreadsheet_id: The spreadsheet.
            titles: The tabs.

        Returns:
            The rows of each tab, in the order asked for.

        Raises:
            TapError: If Google does not answer with these tabs.
        """
        query = {
            "ranges": [quoted(title) for title in titles],
            "majorDimension": "ROWS",
            "valueRenderOption": "UNFORMATTED_VALUE",
            "dateTimeRenderOption": "FORMATTED_STRING",
        }
        ranges = self._get(spreadsheet_id, "/values:batchGet", query, "valueRanges")["valueRanges"]
        if len(ranges) != len(titles):
            msg = f"Google sent {len(ranges)} of {len(titles)} tabs of {spreadsheet_id}. Run again."
            raise TapError(msg)
        # An empty tab has no `values`.
        return [answer.get("values", []) for answer in ranges]

    def _get(
        self, spreadsheet_id: str, path: str, query: Mapping[str, Any], key: str
    ) -> dict[str, Any]:
        url = f"{API}/{quote(spreadsheet_id, safe='')}{path}"
        for tried in range(1, self._tries + 1):
            wait, problem = min(2.0**tried, self._longest), ""
            try:
                with self._pacer.turn():
                    response = self._session.get(url, params=query, timeout=self._timeout)
                if response.ok:
                    body = response.json()
                    if isinstance(body, dict) and isinstance(body.get(key), list):
                        return body
                    problem = f"an answer without {key}"
                elif response.status_code in _RETRIED:
                    problem = f"HTTP {response.status_code}"
                    if response.status_code == _QUOTA:
                        wait = min(_REFILL * tried + random.uniform(0, 5), self._longest)  # noqa: S311
                else:
                    raise self._refused(spreadsheet_id, response)
            except RefreshError as error:
                msg = (
                    f"Google gave no access token: {redact(str(error.args[0]))}. Check that the "
                    "key is not revoked and that this machine's clock is right."
                )
                raise TapError(msg) from None
            except (requests.RequestException, TransportError, ValueError) as error:
                problem = type(error).__name__
            if tried < self._tries:
                self._logger.warning(
                    "Spreadsheet %s: %s; trying again in %.0f s", spreadsheet_id, problem, wait
                )
                self._pacer.pause(wait)
        msg = (
            f"Spreadsheet {spreadsheet_id}: {problem} after {self._tries} tries. Run again later, "
            "or raise max_tries; if it is HTTP 429, lower max_reads_per_minute."
        )
        raise TapError(msg)

    def _refused(self, spreadsheet_id: str, response: requests.Response) -> TapError:
        try:
            said = str(response.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            said = "no message"
        advice = "Check the spreadsheet's id in the setting spreadsheets."
        if response.status_code in {401, 403, 404} and self._share_with:
            advice = f"Share the spreadsheet with {self._share_with}, and check its id."
        elif response.status_code in {401, 403, 404}:
            advice = "With api_key the spreadsheet must be public to anyone with the link."
        return TapError(
            f"Spreadsheet {spreadsheet_id}: HTTP {response.status_code}: {redact(said)} {advice}"
        )
