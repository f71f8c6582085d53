"""Conversions and clicks one by one: ``GET /conversions``, ``GET /tracks``.

Logs have no time zone parameter: their days are those of the account's zone. How times are written
differs from record to record.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    Condition,
    Loading,
    between,
    columns_of,
    from_client,
    from_setting,
    or_null,
    to_utc,
)
from tap_redtrack.descriptions import NEVER_SENT
from tap_redtrack.paging import PagingError, StablePager
from tap_redtrack.streams._adaptive_windows import AdaptiveWindowStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from singer_sdk.helpers.types import Context, Record

    from signalroom_singer import DateWindow
    from tap_redtrack.client import Page

_DAY = timedelta(days=1)
#: The most rows that RedTrack returns in one response.
_LARGEST_PAGE = 10_000
_TEXTS = (
    *("clickid", "campaign_id", "campaign", "source_id", "source", "offer_id", "offer", "network"),
    *("landing_id", "landing", "prelanding_id", "prelanding", "program_id", "currency", "country"),
    *("region", "city", "os", "browser", "device", "device_brand", "device_fullname"),
    *("connection_type", "isp", "referer", "page", "page_url", "server", "deeplink"),
    *("rt_source", "rt_medium", "rt_campaign", "rt_campaign_id", "rt_adgroup", "rt_adgroup_id"),
    *("rt_ad", "rt_ad_id", "rt_placement", "rt_placement_id", "rt_placement_hashed"),
    *("rt_keyword", "rt_role_1", "rt_role_2"),
    *(f"sub{number}" for number in range(1, 21)),
)
_CONVERSION_TEXTS = (
    *("type", "event", "status", "attribution_type", "coupon", "order", "ref_id", "external_id"),
    *("deduplicate_token", *(f"p_sub{number}" for number in range(1, 21))),
)
_MONEY = (
    *("payout", "payout_default", "payout_network", "cost", "cost_default", "cost_source"),
    *("pub_revenue", "pub_revenue_default", "pub_revenue_source"),
)
#: Columns of clicks that are older than RedTrack's list of its fields.
_NEVER_SENT = {
    "clickid": "Always null: a click's `id` is its click id",
    **dict.fromkeys(("currency", "page_url"), NEVER_SENT),
}
_FLAGS = (
    *("uniq", "is_ok", "is_attribution", "is_baddevice", "is_blacklist", "is_datacenter"),
    *("is_lp_track", "is_prelp_track"),
)


def _times(*names: str) -> list[th.Property[Any]]:
    return [
        th.Property(
            "date", th.DateType, description="The day in the report zone, as reports have it"
        ),
        *columns_of(th.DateTimeType, *names, description="UTC"),
        *columns_of(
            th.StringType, *(f"{name}_raw" for name in names), description="As RedTrack wrote it"
        ),
    ]


class LogStream(AdaptiveWindowStream):
    """Records of days of the account's zone, keyed by their id."""

    primary_keys = ("id",)
    first_window_days = 7
    # The visitor's id.
    personal_fields = frozenset({"user_id"})
    # A device's full name is a model's.
    kept_fields = frozenset({"device_fullname", "deduplicate_token"})
    # Windows, yesterday and the bookmark are days of this zone.
    report_zone = from_client("account_zone")
    max_rows = from_setting("page_size")
    #: The columns of times; the first that has a value decides the record's day.
    times: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize as the base does.

        Args:
            args: As for the base.
            kwargs: As for the base.
        """
        super().__init__(*args, **kwargs)
        # By which of them RedTrack selects records is not documented: those that were within the
        # window in all records so far.
        self._selecting_times = [*self.times]

    @property
    @override
    def scope_columns(self) -> Sequence[str]:
        return ("date", *self.times)

    @override
    def scope_of(self, window: DateWindow) -> dict[str, Condition]:
        # What is within the window by all of them, RedTrack had to return.
        within = between(window.start_utc, window.end_utc)
        if self.client.report_zone != self.client.account_zone:
            return dict.fromkeys(self._selecting_times, within)
        # A record may lack some; its day is that of the first that it has.
        day = {"date": between(window.start, window.end + _DAY)}
        return day | dict.fromkeys(self._selecting_times, or_null(within))

    def _convert_times(self, window: DateWindow, rows: list[Record]) -> list[Record]:
        """Convert the times of a window's rows to UTC, and note by which they were selected."""
        first, after = window.start_utc, window.end_utc
        for row in rows:
            row["date"] = None
            for name in self.times:
                row[f"{name}_raw"] = row.get(name)
                row[name] = text = self._to_utc(row.get(name))
                moment = _parse_time(text)
                if moment is None:
                    continue
                row["date"] = row["date"] or _day_in(self.client.report_zone, moment)
                # One without a zone could not be converted: it is null in the table.
                is_outside = moment.tzinfo and not first <= moment < after
                if is_outside and name in self._selecting_times:
                    self._selecting_times.remove(name)
        if not self._selecting_times:
            self.keep_vanished(window)
        return rows

    @override
    def request_window(self, window: DateWindow) -> Page:
        return self._request_rows(window, 1, self.max_rows)

    def _request_rows(self, window: DateWindow, number: int, size: int) -> Page:
        query = {
            "date_from": window.start.isoformat(),
            "date_to": window.end.isoformat(),
            "page": number,
            "per": size,
        }
        return self.request_page(window, query)

    @override
    def rows_per_day(self, window: DateWindow, page: Page) -> float:
        return max(len(page.rows), page.total or 0) / window.days

    @override
    def parse_window(self, window: DateWindow, rows: list[Record]) -> Iterator[list[Record]]:
        # Rows with the same id are one record: the last of them.
        yield list({_record_id(row): row for row in self._convert_times(window, rows)}.values())

    @override
    def read_in_pages(self, window: DateWindow, first_page: Page) -> Iterator[list[Record]]:
        unused = [first_page]

        def request_page(number: int) -> Page:
            return unused.pop() if unused else self._request_rows(window, number, self.max_rows)

        pager = StablePager(
            request_page,
            _record_id,
            size=self.max_rows,
            label=f"{self.name}: {window}",
            logger=self.logger,
        )
        seen_ids: set[str] = set()
        try:
            for rows in pager:
                seen_ids.update(map(_record_id, rows))
                yield self._convert_times(window, rows)
        except PagingError:
            # Where all rows fit into one response, pages do not matter.
            page = self._request_rows(window, 1, _LARGEST_PAGE)
            if len(page.rows) >= _LARGEST_PAGE or len(page.rows) < self._most_rows:
                raise
            rows = self._convert_times(window, page.rows)
            yield [row for row in rows if _record_id(row) not in seen_ids]

    def _to_utc(self, value: Any) -> Any:
        """Convert a time to UTC; one that cannot be read stays as it is, to be counted."""
        try:
            naive = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            naive = None
        is_local = naive and naive.tzinfo is None and naive.year > 1
        try:
            return to_utc(
                naive.replace(tzinfo=self.client.account_zone) if naive and is_local else value
            )
        except ValueError:
            return value


class Conversions(LogStream):
    """Conversions of all types; changes are only found by reading their days again."""

    name = "conversions"
    path = "/conversions"
    replication_key = "created_at"
    times = ("created_at", "conv_time", "track_time")
    lookback_days = from_setting("conversions_lookback_days")
    loading = Loading(
        "Incremental by day; the last {stream.lookback_days} days are read again "
        "(`conversions_lookback_days`)",
        "`status`, `payout` and whatever else is edited; found by reading the day again",
        "They are removed with the days that are read again",
    )
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        *_times(*times),
        *columns_of(th.StringType, *_CONVERSION_TEXTS, *_TEXTS, "postback_ip"),
        *columns_of(th.StringType, "ip", "user_agent", "fingerprint"),
        *columns_of(th.NumberType, *_MONEY),
        *columns_of(th.IntegerType, "default_type", "duplicate_status", "is_transaction"),
        th.Property(
            "types",
            th.ArrayType(th.IntegerType),
            description="The numbers of its conversion types: those of RedTrack's type1..type40",
        ),
    ).to_dict()

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        flags = {name for name in row if name[:4] == "type" and name[4:].isdigit()}
        row["types"] = sorted(int(name[4:]) for name in flags if _is_set(row[name]))
        for name in flags:
            del row[name]
        return super().post_process(row, context)


class Clicks(LogStream):
    """Clicks."""

    name = "clicks"
    path = "/tracks"
    selected_by_default = False
    replication_key = "track_time"
    times = ("track_time",)
    first_window_days = 1
    loading = Loading(
        "Incremental by day; the last day is read again",
        "`cost` changes later, which only reports show: clicks are not read again for it",
    )
    # The account's yesterday may not be over when that of the report zone is.
    lookback_days = 1
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        *_times(*times),
        *columns_of(th.StringType, "type", "ref_id", "external_id"),
        *(
            th.Property(name, th.StringType, description=_NEVER_SENT.get(name))
            for name in (*_TEXTS, "ip", "user_agent", "fingerprint", "user_id")
        ),
        *columns_of(th.NumberType, "cost", "cost_default", "cost_source"),
        *columns_of(th.IntegerType, *_FLAGS),
    ).to_dict()


def _record_id(row: Record) -> str:
    return str(row.get("id") or "")


def _is_set(value: Any) -> bool:
    return value not in (None, "", 0, "0", False)


def _parse_time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None


def _day_in(zone: ZoneInfo, moment: datetime) -> str | None:
    """The day of a moment in a zone; None where its year would be after 9999."""
    try:
        return moment.astimezone(zone).date().isoformat()
    except OverflowError:
        return None
