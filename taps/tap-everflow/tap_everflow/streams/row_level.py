"""Streams of single rows: conversions, events, clicks and adjustments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    Conditions,
    DateWindow,
    Loading,
    TapError,
    WindowedStream,
    columns_of,
    from_setting,
)
from tap_everflow.streams._base import EverflowStream, WindowedEverflowStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk.helpers.types import Context, Record

CONVERSIONS = "/networks/reporting/conversions"
CLICKS = "/networks/reporting/clicks/stream"
#: Rows are requested by time, in a time zone where no hour comes twice.
UTC_NAME = "UTC"
#: Everflow drops clicks beyond this, with neither a flag nor another page.
CLICK_CAP = 10_000
#: A row lost between two pages stays lost at the same page size, so others are tried.
_OTHER_PAGE_SIZES = (997, 503)

_TEXTS = (
    *("transaction_id", "status", "event", "order_id", "coupon_code", "currency_id", "payout_type"),
    *("revenue_type", "source_id", "sub1", "sub2", "sub3", "sub4", "sub5", "adv1", "adv2", "adv3"),
    *("adv4", "adv5", "url", "referer", "notes", "error_message", "country", "region", "city"),
    *("isp", "carrier", "platform", "os_version", "device_type", "device_model", "brand"),
    *("browser", "language", "app_id", "email", "session_user_ip", "conversion_user_ip"),
    *("http_user_agent", "idfa", "idfa_md5", "idfa_sha1", "google_ad_id", "google_ad_id_md5"),
    *("google_ad_id_sha1", "android_id", "android_id_md5", "android_id_sha1"),
)


class IncompleteDayError(TapError):
    """Everflow did not return all rows of a day, in whichever parts they were requested."""


class RowLevelStream(WindowedEverflowStream):
    """Single rows, read a day of the report zone at a time."""

    replication_key = "date"
    #: The columns of times, and the fields that have them in epoch seconds: the row's own first.
    times: ClassVar[Mapping[str, str]]

    def _body(self, begin: datetime, end: datetime, **flags: bool) -> dict[str, Any]:
        return {
            "from": f"{begin:%Y-%m-%d %H:%M:%S}",
            "to": f"{end:%Y-%m-%d %H:%M:%S}",
            "timezone_id": self.client.request_timezone_id(UTC_NAME),
            **flags,
            "query": {"filters": self.filters},
        }

    def _seconds(self, row: Record, *, otherwise: float) -> float:
        """The row's time; the other one where it cannot be read, so that the row stays."""
        try:
            return int(row.get(next(iter(self.times.values()))) or otherwise)
        except (OverflowError, TypeError, ValueError):
            return otherwise

    def _within(
        self, rows: Iterable[Record], begin: datetime, end: datetime, day: DateWindow
    ) -> list[Record]:
        """The rows between two times, which a response may exceed by a second, with ids and day."""
        first, after = begin.timestamp(), end.timestamp()
        flat_rows = [
            self._flatten(row, day)
            for row in rows
            if first <= self._seconds(row, otherwise=first) < after
        ]
        advertiser = self.config.get("advertiser_id")
        matching = [row for row in flat_rows if advertiser in (None, row["advertiser_id"])]
        if len(matching) < len(flat_rows):
            self.logger.warning(
                "%s: Everflow ignored the filter by advertiser %s; dropped %d of %d rows",
                day,
                advertiser,
                len(flat_rows) - len(matching),
                len(flat_rows),
            )
        return matching

    def _flatten(self, row: Record, day: DateWindow) -> Record:
        """Add columns with the ids that joins and filters need; the relationship stays as it is."""
        row["date"] = day.start.isoformat()
        related = row.get("relationship") or {}
        for name in ("offer", "advertiser", "affiliate"):
            row[f"{name}_id"] = (related.get(name) or {}).get(f"network_{name}_id")
        return row

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row |= {column: row.get(field) for column, field in self.times.items()}
        return super().post_process(row, context)


class ConversionStream(RowLevelStream):
    """Conversions or events: https://developers.everflow.io/docs/network/reporting/raw_conversions.

    They have no date of change, so changes are found by reading past days again.
    """

    path = CONVERSIONS
    primary_keys = ("conversion_id",)
    # Not the day: it was another where the report zone was.
    window_column = "converted_at"
    lookback_days = from_setting("conversions_lookback_days")
    retention_days = 365
    # At the end of a year a day may be there in part.
    kept_days = 360
    times: ClassVar[Mapping[str, str]] = {
        "converted_at": "conversion_unix_timestamp",
        "clicked_at": "click_unix_timestamp",
    }
    #: Which of the two the stream requests.
    flags: ClassVar[Mapping[str, bool]]
    loading = Loading(
        "Incremental by `date`; the last {stream.lookback_days} days are read again "
        "(`conversions_lookback_days`); Everflow keeps {stream.retention_days} days",
        "`status`, `payout`, `revenue` and `sale_amount`; found by reading the day again",
        "They are removed with the days that are read again",
    )
    schema = th.PropertiesList(
        th.Property("conversion_id", th.StringType, required=True),
        th.Property("date", th.DateType, description="The day in the report zone"),
        *columns_of(th.DateTimeType, "converted_at", "clicked_at"),
        *columns_of(th.IntegerType, "offer_id", "advertiser_id", "affiliate_id"),
        *columns_of(th.NumberType, "payout", "revenue", "sale_amount"),
        *columns_of(th.BooleanType, "is_event", "is_scrub", "is_view_through"),
        *columns_of(th.StringType, *_TEXTS),
        *columns_of(th.IntegerType, "conversion_unix_timestamp", "click_unix_timestamp", "dma"),
        *columns_of(th.IntegerType, "error_code", "previous_network_offer_id"),
        th.Property("network_offer_payout_revenue_id", th.IntegerType),
        th.Property("relationship", th.ObjectType(additional_properties=True)),
    ).to_dict()

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterator[list[Record]]:
        """Read a day's pages until there are as many rows as Everflow says there are.

        Args:
            window: The one day to read.
            context: The stream's partition, which is not used.

        Yields:
            Pages of conversions, each conversion once.

        Raises:
            IncompleteDayError: If rows stay missing at every page size.
        """
        seen_ids: set[str | None] = set()
        duplicates: list[int] = []
        first = self.config["page_size"]
        total = None
        for page_size in (first, *(size for size in _OTHER_PAGE_SIZES if size != first)):
            received = 0
            for rows, total in self._pages(window, page_size):  # noqa: B007 - the last one counts
                received += len(rows)
                rows_by_id = {row.get("conversion_id"): row for row in rows}
                new = {key: row for key, row in rows_by_id.items() if key not in seen_ids}
                seen_ids.update(new)
                if page := self._within(new.values(), window.start_utc, window.end_utc, window):
                    yield page
            if total is None or len(seen_ids) >= total:
                return
            if received == total:
                duplicates.append(len(seen_ids))
                if duplicates[:-1] == [len(seen_ids)]:
                    self.logger.warning(
                        "%s: Everflow repeats %d of %d rows", window, total - len(seen_ids), total
                    )
                    self.keep_vanished(window)
                    return
            self.logger.warning(
                "%s: %d of %d rows in pages of %d: reading again in pages of another size",
                window,
                len(seen_ids),
                total,
                page_size,
            )
        msg = (
            f"{self.name}: {window}: Everflow counts {total} rows but returned {len(seen_ids)}, "
            "at every page size. The bookmark stays before this day; run again later."
        )
        raise IncompleteDayError(msg)

    def _pages(
        self, window: DateWindow, page_size: int
    ) -> Iterator[tuple[list[Record], int | None]]:
        """Request the pages of a day; yields the rows of each, and the day's count, if sent."""
        body = self._body(window.start_utc, window.end_utc, **self.flags)
        received = 0
        previous: list[Record] = []
        for page in range(1, 1 + 10**6):
            params = {"page": page, "page_size": page_size}
            payload = self.client.post(CONVERSIONS, body, params)
            rows = self.client.extract_rows(payload, "conversions")
            paging = payload.get("paging") or {}
            total = paging.get("total_count")
            if not rows or _ids(rows) == _ids(previous):
                yield [], total
                return
            received += len(rows)
            yield rows, total
            # The size may be clamped. Unless the response has it, only an empty page ends the day.
            size = paging.get("page_size")
            if size and len(rows) < size and (total is None or received >= total):
                return
            if total is not None and received == total:
                return
            previous = rows


class Conversions(ConversionStream):
    """Base conversions."""

    name = "conversions"
    flags: ClassVar[Mapping[str, bool]] = {"show_conversions": True, "show_events": False}


class Events(ConversionStream):
    """Events after the base conversion."""

    name = "events"
    flags: ClassVar[Mapping[str, bool]] = {"show_conversions": False, "show_events": True}


class Clicks(RowLevelStream):
    """Clicks: https://developers.everflow.io/docs/network/reporting/raw_clicks.

    There are no pages: a window with too many clicks is halved until no response is cut.
    """

    name = "clicks"
    path = CLICKS
    selected_by_default = False
    primary_keys = ("transaction_id",)
    window_column = "clicked_at"
    lookback_days = 1
    # About three months are kept; older windows are empty, not rejected.
    retention_days = 90
    kept_days = 60
    loading = Loading(
        "Incremental by `date`; the last day is read again; Everflow keeps about "
        "{stream.retention_days} days",
        "`has_conversion`, for conversions on the next day",
        "They are removed with the days that are read again",
    )
    times: ClassVar[Mapping[str, str]] = {"clicked_at": "unix_timestamp"}
    schema = th.PropertiesList(
        th.Property("transaction_id", th.StringType, required=True),
        th.Property("date", th.DateType, description="The day in the report zone"),
        th.Property("clicked_at", th.DateTimeType),
        *columns_of(th.IntegerType, "offer_id", "advertiser_id", "affiliate_id", "is_unique"),
        th.Property("has_conversion", th.BooleanType),
        *columns_of(th.NumberType, "payout", "revenue"),
        *columns_of(th.StringType, "currency_id", "payout_type", "revenue_type", "source_id"),
        *columns_of(th.StringType, *(f"sub{number}" for number in range(1, 6))),
        *columns_of(th.StringType, "tracking_url", "referer"),
        th.Property("error_code", th.IntegerType),
        *columns_of(th.StringType, "error_message", "user_ip"),
        th.Property("unix_timestamp", th.IntegerType),
        th.Property("relationship", th.ObjectType(additional_properties=True)),
    ).to_dict()

    @property
    @override
    def concurrency(self) -> int:  # type: ignore[override]
        # A response may hold 10,000 clicks: three at once keep memory within bounds.
        return min(3, int(self.config["max_concurrency"]))

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterator[list[Record]]:
        yield from self._read(window.start_utc, window.end_utc, window)

    def _read(self, begin: datetime, end: datetime, day: DateWindow) -> Iterator[list[Record]]:
        payload = self.client.post(CLICKS, self._body(begin, end))
        rows = self.client.extract_rows(payload, "clicks")
        if len(rows) < CLICK_CAP:
            yield self._within(rows, begin, end, day)
            return
        seconds = int((end - begin).total_seconds())
        if seconds <= 1:
            msg = (
                f"{self.name}: Everflow has {CLICK_CAP} clicks or more in the second {begin} (UTC) "
                "and returns no more than that: filter by advertiser_id, or deselect clicks."
            )
            raise IncompleteDayError(msg)
        middle = begin + timedelta(seconds=seconds // 2)
        yield from self._read(begin, middle, day)
        yield from self._read(middle, end, day)


class Adjustments(WindowedStream, EverflowStream):
    """Corrections by hand: https://developers.everflow.io/api-reference/get-networksreportingadjustments.

    Deleted ones stay, with ``deleted`` true.
    """

    name = "adjustments"
    path = "/networks/reportingadjustments"
    primary_keys = ("network_reporting_adjustment_id",)
    replication_key = "date_adjustment"
    window_column = "date_adjustment"
    window_days = 31
    lookback_days = 90
    loading = Loading(
        "Incremental by `date_adjustment`; the last {stream.lookback_days} days are read again",
        "Adjustments of past days are added, changed and taken back",
        "They stay, with `deleted` set",
    )
    schema = th.PropertiesList(
        th.Property("network_reporting_adjustment_id", th.IntegerType, required=True),
        th.Property("date_adjustment", th.DateType),
        *columns_of(
            th.IntegerType, "network_affiliate_id", "network_offer_id", "network_employee_id"
        ),
        *columns_of(th.IntegerType, "network_id", "total_clicks", "unique_clicks", "conversions"),
        th.Property("impressions", th.IntegerType),
        *columns_of(th.NumberType, "payout", "revenue", "gross_sales", "media_buying_cost"),
        th.Property("notes", th.StringType),
        th.Property("deleted", th.BooleanType),
        *columns_of(th.DateTimeType, "time_created", "time_saved"),
        th.Property("relationship", th.ObjectType(additional_properties=True)),
    ).to_dict()

    @override
    def read_window(self, window: DateWindow, context: Context | None) -> Iterator[list[Record]]:
        query = {
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "timezone_id": self.client.request_timezone_id(self.report_zone.key),
        }
        rows = self.client.extract_rows(self.client.get(self.path, query), "adjustments")
        first, last = window.start.isoformat(), window.end.isoformat()
        if not all(first <= str(row.get("date_adjustment"))[:10] <= last for row in rows):
            # By which of its days Everflow selects an adjustment is not documented.
            self.keep_vanished(window)
        yield rows

    @property
    @override
    def filters_in_force(self) -> Conditions:
        # Adjustments are not requested by advertiser.
        return {}


def _ids(rows: list[Record]) -> list[str | None]:
    return [row.get("conversion_id") for row in rows]
