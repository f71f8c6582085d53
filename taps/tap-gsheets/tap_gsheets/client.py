"""Google's APIs: the cells of spreadsheets from Sheets, their versions from Drive."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import (
    ApiClient,
    ExitCode,
    RateLimiter,
    RequestRejectedError,
    TapError,
    setting_label,
    validate_base_url,
)
from tap_gsheets.errors import QUOTA_STATUSES, GoogleErrorMapper, QuotaRetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import requests

    from signalroom_singer import ClientContext

ALLOWED_REQUESTS = frozenset(
    {
        ("GET", "/v4/spreadsheets/{}"),
        ("GET", "/v4/spreadsheets/{}/values:batchGet"),
        ("GET", "/drive/v3/files/{}"),
    }
)
#: How to render cells: ValueRenderOption, DateTimeRenderOption.
#: https://developers.google.com/sheets/api/reference/rest/v4/ValueRenderOption
COMPUTED = ("UNFORMATTED_VALUE", "FORMATTED_STRING")
SERIALS = ("UNFORMATTED_VALUE", "SERIAL_NUMBER")
DISPLAYED = ("FORMATTED_VALUE", "FORMATTED_STRING")
_METADATA_FIELDS = (
    "spreadsheetId,properties(title,locale,timeZone),"
    "sheets(properties(sheetId,title,index,sheetType,hidden,"
    "gridProperties(rowCount,columnCount)),merges)"
)
_FILE_FIELDS = "id,name,mimeType,modifiedTime,version,trashed"
#: The most cells of a response's grid, and characters of a request's address.
_MAX_CELLS = 2_000_000
_MAX_QUERY = 4_000
_FIRST_CELL = re.compile(r"([A-Z]*)([0-9]*)")


@dataclass(frozen=True)
class Block:
    """The cells of a range.

    Attributes:
        top: The number of its first row in the sheet, counted from 0.
        left: The number of its first column in the sheet, counted from 0.
        values: Its rows of cells; empty cells at the end of a row are absent.
    """

    top: int
    left: int
    values: list[list[Any]]


class SheetsClient:
    """Reads spreadsheets; Sheets and Drive share one quota of reads.

    Args:
        context: The tap's settings, connections, logger and limits.
        auth: Signs each request.
        share_with: Whom spreadsheets have to be shared with; None with an API key.
    """

    def __init__(
        self,
        context: ClientContext,
        *,
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        share_with: str | None = None,
    ) -> None:
        config = context.config
        self._logger = context.logger
        self._max_wait = config["max_retry_wait"]
        self._rate_limit = RateLimiter(
            per_minute=config["max_reads_per_minute"], account=context.account, group="reads"
        )
        self._sheets, self._drive = (
            ApiClient(
                context,
                base_url=validate_base_url(config[setting], setting=setting),
                allowed_requests=ALLOWED_REQUESTS,
                auth=auth,
                rate_limit=self._rate_limit,
                retry=QuotaRetryPolicy.from_config(config),
                errors=GoogleErrorMapper(share_with=share_with, address_setting=setting),
                decode=decode_with_floats,
            )
            for setting in ("sheets_api_url", "drive_api_url")
        )

    def pause(self, seconds: float) -> None:
        """Wait before the next read.

        Args:
            seconds: The time from now; never more than the setting max_retry_wait.
        """
        self._rate_limit.pause(min(seconds, self._max_wait))

    def get_metadata(self, spreadsheet_id: str) -> dict[str, Any]:
        """Read which tabs a spreadsheet has, with one request.

        Args:
            spreadsheet_id: Id of the spreadsheet.

        Returns:
            ``properties`` and ``sheets``, as Google sends them.

        Raises:
            TapError: If Google does not respond with them.
        """
        query = {"fields": _METADATA_FIELDS}
        return self._get(self._sheets, spreadsheet_id, _path(spreadsheet_id), query)

    def get_file(self, spreadsheet_id: str) -> dict[str, Any]:
        """Read what Drive knows of a spreadsheet: its version, and whether it is in the trash.

        Args:
            spreadsheet_id: Id of the spreadsheet.

        Raises:
            TapError: If Drive does not respond with it.
        """
        path = f"/drive/v3/files/{quote(spreadsheet_id, safe='')}"
        query = {"fields": _FILE_FIELDS, "supportsAllDrives": "true"}
        return self._get(self._drive, spreadsheet_id, path, query)

    def iter_values(
        self,
        spreadsheet_id: str,
        ranges: Sequence[tuple[str, str | None, int]],
        render: tuple[str, str] = COMPUTED,
    ) -> Iterator[Block]:
        """Read the cells of tabs, with one request for as many tabs as fit.

        Args:
            spreadsheet_id: Id of the spreadsheet.
            ranges: For each tab its title, the range (None for the entire tab), and the number of
                cells of its grid.
            render: How to render cells: ``COMPUTED``, ``SERIALS`` or ``DISPLAYED``.

        Yields:
            The cells of each tab, in the order of ``ranges``.

        Raises:
            RangeError: If Google does not know a tab or a range.
            TapError: If Google does not respond with these tabs.
        """
        group: list[str] = []
        cells = 0
        for title, area, size in ranges:
            name = f"{quote_title(title)}!{area}" if area else quote_title(title)
            length = sum(len(quote(part)) + 8 for part in (*group, name))
            if group and (cells + size > _MAX_CELLS or length > _MAX_QUERY):
                yield from self._get_blocks(spreadsheet_id, group, render)
                group, cells = [], 0
            group.append(name)
            cells += size
        if group:
            yield from self._get_blocks(spreadsheet_id, group, render)

    def _get_blocks(
        self, spreadsheet_id: str, names: list[str], render: tuple[str, str]
    ) -> list[Block]:
        path = f"{_path(spreadsheet_id)}/values:batchGet"
        query = {
            "ranges": names,
            "majorDimension": "ROWS",
            "valueRenderOption": render[0],
            "dateTimeRenderOption": render[1],
        }
        ranges = self._get(self._sheets, spreadsheet_id, path, query)["valueRanges"]
        if len(ranges) != len(names):
            msg = f"Google sent {len(ranges)} of {len(names)} tabs of {spreadsheet_id}. Run again."
            raise TapError(msg)
        # An empty tab has no `values`.
        return [Block(*range_corner(area["range"]), area.get("values", [])) for area in ranges]

    def _get(
        self, client: ApiClient, spreadsheet_id: str, path: str, query: Mapping[str, Any]
    ) -> dict[str, Any]:
        place = f"Spreadsheet {spreadsheet_id}"
        view = client.for_stream(place, self._logger)
        try:
            payload: dict[str, Any] = view.get(path, query)
        except RequestRejectedError as error:
            raise TapError(str(error), exit_code=error.exit_code) from None
        except RetriableAPIError as error:
            advice = "Run again later"
            if error.response is not None and error.response.status_code in QUOTA_STATUSES:
                advice += (
                    f", or lower {setting_label('max_reads_per_minute')}: Google's quota is used up"
                )
            # An error of the token endpoint does not name the spreadsheet.
            problem = str(error).removeprefix(f"{place}: ")
            msg = f"{place}: {problem} after {client.retry.max_tries} tries. {advice}."
            raise TapError(msg, exit_code=ExitCode.UNAVAILABLE) from None
        return payload


def decode_with_floats(body: bytes) -> Any:
    """Decode JSON in which fractions are floats: in a spreadsheet they are too.

    Args:
        body: The bytes of a response.

    Raises:
        ValueError: If the body is not JSON.
    """
    try:
        return json.loads(body)
    except RecursionError:
        msg = "nested too deeply"
        raise ValueError(msg) from None


def quote_title(title: str) -> str:
    """Quote a tab's title for A1 notation; unquoted, CO2 would be a cell or a named range."""
    return "'" + title.replace("'", "''") + "'"


def range_corner(name: str) -> tuple[int, int]:
    """Find the first row and column of a range, counted from 0.

    Args:
        name: The range in A1 notation, such as ``'a!b'!B5:G45``.
    """
    match = _FIRST_CELL.match(name.rpartition("!")[2])
    letters, digits = match.groups() if match else ("", "")
    left = 0
    for letter in letters:
        left = left * 26 + ord(letter) - ord("A") + 1
    return max(0, int(digits or 1) - 1), max(0, left - 1)


def _path(spreadsheet_id: str) -> str:
    return f"/v4/spreadsheets/{quote(spreadsheet_id, safe='')}"
