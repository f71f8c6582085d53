"""Tables of statistics, as Mautic has them in its database.

https://devdocs.mautic.org/en/latest/rest_api/stats.html; all values come as text, in UTC.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_mautic.client import MauticStream
from tap_mautic.queries import Is, moment, order
from tap_mautic.sweeps import SweptStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from singer_sdk.helpers.types import Context, Record


_PATH = "/api/stats/{}"
_KEY = "stats"
#: These rows are small: so many times as many as of contacts.
_FACTOR = 5
#: Columns of these tables that say where somebody was, and with what.
_PERSONAL = frozenset(
    {
        *("ip_address", "remote_host", "user_agent", "device_fingerprint", "tokens"),
        *("client_info", "open_details", "click_details"),
    }
)
_TEXT_IDS = frozenset({"tracking_id", "message_id"})
_FLAGS = re.compile(
    r"is_\w+|manually_\w+|viewed_in_browser|system_triggered|non_action_path_taken|preferred_\w+"
)
_MOMENTS = re.compile(r"date_\w+|\w+_date|last_(opened|clicked|exited|sent)")
_WHOLES = re.compile(
    r"id|\w+_id|\w*_count|\w*hits|\w+_by|delta|rotation|reason|code|status_code|duration|"
    r"time_watched|object_id"
)


def _type(column: str) -> Any:
    if column in _TEXT_IDS:
        return th.StringType
    if _FLAGS.fullmatch(column):
        return th.BooleanType
    if _MOMENTS.fullmatch(column):
        return th.DateTimeType
    if _WHOLES.fullmatch(column):
        return th.IntegerType
    return th.NumberType if column == "runtime" else th.StringType


def _columns(names: str, *, texts: str = "") -> dict[str, Any]:
    """A schema of columns by their names: the first ones are the key."""
    key, _, rest = names.partition(";")
    return th.PropertiesList(
        *(
            th.Property(
                name,
                th.StringType if name in texts.split() else _type(name),
                required=name in key.split(),
            )
            for name in f"{key} {rest}".split()
        )
    ).to_dict()


class StatsStream(SweptStream):
    """A table that grows, and whose rows may change for a while."""

    primary_keys = ("id",)
    key = _KEY
    page_factor = _FACTOR
    #: Columns by which new and changed rows are found: each is looked through by itself.
    dates: ClassVar[tuple[str, ...]]
    #: Days in which rows change without a date.
    changes_for: ClassVar[int] = 1
    #: What rows must be like.
    conditions: ClassVar[tuple[Is, ...]] = ()
    table: ClassVar[str] = ""

    @property
    def path(self) -> str:  # type: ignore[override]
        """Below the base."""
        return _PATH.format(self.table or self.name)

    @property
    @override
    def lookback(self) -> timedelta:
        return max(timedelta(days=self.changes_for), super().lookback)

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        first = since or self._tap.start
        dates = self.dates if since else self.dates[:1]
        if first is None:
            return [()]
        return [(Is(name, "gte", moment(first)),) for name in dates]

    @override
    def in_order(self, way: str = "ASC") -> dict[str, str]:
        return order(["id"], way)

    @override
    def read_step(self, conditions: Sequence[Is], after: int) -> Iterator[list[Record]]:
        yield from super().read_step((*conditions, *self.conditions), after)

    @override
    def cleaned(self, row: Record) -> Record:
        return _without_personal(row) if not self.config["include_ip_addresses"] else row


class PairStream(MauticStream):
    """A table without an id, whole each time: rows that end there are gone."""

    key = _KEY
    page_factor = _FACTOR
    # Whole tables, which may have a row for each contact and each segment.
    selected_by_default = False

    @property
    def path(self) -> str:  # type: ignore[override]
        """Below the base."""
        return _PATH.format(self.name)

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        for rows in self._in_order():
            yield from rows

    def _in_order(self) -> Iterator[list[Record]]:
        """Read rows in order of their key, whatever comes and goes.

        After a page: what shares all but the last column of the key with its last row, then all
        but the last two, and so on. Each is a plain condition: how Mautic nests them is not sure.
        """
        names = self.record_keys
        rows = self._ask(())
        while rows:
            last = [str(rows[-1][name]) for name in names]
            yield rows
            for depth in reversed(range(len(names))):
                same = (
                    Is(name, "eq", value) for name, value in zip(names[:depth], last, strict=False)
                )
                if rows := self._ask((*same, Is(names[depth], "gt", last[depth]))):
                    break

    def _ask(self, conditions: Sequence[Is]) -> list[Record]:
        return self.ask(self.path, self.key, order(self.record_keys), conditions)


def _without_personal(row: Record) -> Record:
    return {name: value for name, value in row.items() if name not in _PERSONAL}


class EmailStats(StatsStream):
    """E-mails that were sent, to whom, and whether they were read.

    Rows change: when they are opened, which has a date, and when they bounce, which has none.
    """

    name = "email_stats"
    dates = ("date_sent", "date_read")
    replication_key = "date_sent"
    changes_for = 14
    schema = _columns(
        "id; email_id lead_id list_id ip_id email_address date_sent is_read is_failed"
        " viewed_in_browser date_read tracking_hash retry_count source source_id open_count"
        " last_opened open_details"
    )

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        found = super().steps(since)
        if since is None or not self.config["email_stats_last_opened"]:
            return found
        # Mautic has no index for it: it looks through the whole table.
        return [*found, (Is("last_opened", "gte", moment(since)),)]


class EmailStatsDevices(StatsStream):
    """Each time an e-mail was opened, and on what."""

    name = "email_stats_devices"
    selected_by_default = False
    dates = ("date_opened",)
    replication_key = "date_opened"
    schema = _columns("id; stat_id device_id date_opened ip_id")


class EmailStatReplies(PairStream):
    """Replies to e-mails; their id is no number, so they are read whole."""

    name = "email_stat_replies"
    primary_keys = ("stat_id", "id")
    schema = _columns("stat_id id; date_replied message_id", texts="id")


class PageHits(StatsStream):
    """Visits of pages, and clicks in e-mails: those with a redirect_id and the source email."""

    name = "page_hits"
    selected_by_default = False
    dates = ("date_hit", "date_left")
    replication_key = "date_hit"
    schema = _columns(
        "id; date_hit date_left page_id redirect_id email_id lead_id ip_id device_id country region"
        " city isp organization code referer url url_title user_agent remote_host page_language"
        " browser_languages tracking_id source source_id query"
    )


class FormSubmissions(StatsStream):
    """That a form was sent in; the answers: `form_results`."""

    name = "form_submissions"
    dates = ("date_submitted",)
    replication_key = "date_submitted"
    schema = _columns("id; form_id lead_id page_id ip_id tracking_id date_submitted referer")


class AssetDownloads(StatsStream):
    """Downloads."""

    name = "asset_downloads"
    selected_by_default = False
    dates = ("date_download",)
    replication_key = "date_download"
    schema = _columns(
        "id; asset_id lead_id email_id ip_id date_download code referer tracking_id source"
        " source_id"
    )


class CampaignLeadEventLog(StatsStream):
    """What campaigns did with whom; planned events change once they are done."""

    name = "campaign_lead_event_log"
    selected_by_default = False
    dates = ("date_triggered", "trigger_date")
    replication_key = "date_triggered"
    changes_for = 7
    schema = _columns(
        "id; event_id lead_id campaign_id rotation ip_id date_triggered is_scheduled trigger_date"
        " system_triggered metadata channel channel_id non_action_path_taken"
    )

    @override
    def steps(self, since: datetime | None) -> Sequence[Sequence[Is]]:
        # Planned ones have no date of having been done: by start_date they would be left out.
        return super().steps(since) if since else [()]


class LeadEventLog(StatsStream):
    """What happened to contacts, such as imports."""

    name = "lead_event_log"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns(
        "id; lead_id user_id user_name bundle object action object_id date_added properties"
    )


class LeadPointsChangeLog(StatsStream):
    """Points that contacts got."""

    name = "lead_points_change_log"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns("id; lead_id ip_id type event_name action_name delta date_added")


class LeadStagesChangeLog(StatsStream):
    """Stages that contacts reached."""

    name = "lead_stages_change_log"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns("id; lead_id stage_id event_name action_name date_added")


class LeadUtmtags(StatsStream):
    """The campaigns of other vendors by which contacts came."""

    name = "lead_utmtags"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns(
        "id; lead_id date_added utm_campaign utm_content utm_medium utm_source utm_term query"
        " referer remote_host url user_agent"
    )


class LeadDevices(StatsStream):
    """Devices of contacts."""

    name = "lead_devices"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns(
        "id; lead_id date_added device device_brand device_model device_os_name"
        " device_os_platform device_os_shortname device_os_version device_fingerprint client_info"
        " tracking_id",
        texts="device",
    )


class SmsMessageStats(StatsStream):
    """Text messages that were sent."""

    name = "sms_message_stats"
    selected_by_default = False
    dates = ("date_sent",)
    replication_key = "date_sent"
    changes_for = 7
    schema = _columns(
        "id; sms_id lead_id list_id ip_id date_sent is_failed tracking_hash source source_id"
        " tokens details"
    )


class PushNotificationStats(StatsStream):
    """Notifications that were sent to browsers and phones."""

    name = "push_notification_stats"
    selected_by_default = False
    dates = ("date_sent", "date_read", "date_clicked")
    replication_key = "date_sent"
    changes_for = 7
    schema = _columns(
        "id; notification_id lead_id list_id ip_id date_sent date_read is_clicked date_clicked"
        " click_count last_clicked click_details tracking_hash retry_count source source_id tokens"
    )


class VideoHits(StatsStream):
    """Videos that were watched."""

    name = "video_hits"
    selected_by_default = False
    dates = ("date_hit", "date_left")
    replication_key = "date_hit"
    schema = _columns(
        "id; lead_id ip_id date_hit date_left country region city isp organization code referer"
        " url user_agent remote_host guid page_language browser_languages channel channel_id"
        " time_watched duration query"
    )


class WebhookLogs(StatsStream):
    """Calls of webhooks."""

    name = "webhook_logs"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = _columns("id; webhook_id status_code date_added note runtime")


class ContactDeletions(StatsStream):
    """Contacts that were deleted, or merged into others, as far as the audit log tells.

    Mautic's own clean-up deletes contacts without a word, and old entries of the log too.
    """

    name = "contact_deletions"
    table = "audit_log"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    conditions = (
        Is("bundle", "eq", "lead"),
        Is("object", "eq", "lead"),
        Is("action", "in", "delete,merge"),
    )
    schema = _columns("id; contact_id action merged_into_id date_added user_id user_name")

    @override
    def cleaned(self, row: Record) -> Record:
        # PHP's own way of writing an array.
        into = re.search(r'"merged_into";(?:i:|s:\d+:")(\d+)', str(row.get("details")))
        kept = ("id", "action", "date_added", "user_id", "user_name")
        return {
            "contact_id": row["object_id"],
            "merged_into_id": into and into[1],
            **{name: row.get(name) for name in kept},
        }


class LeadDonotcontact(StatsStream):
    """Who must not be written to, whole each time: who subscribes again is taken out."""

    name = "lead_donotcontact"
    dates = ()
    schema = _columns("id; lead_id date_added reason channel channel_id comments")


class PageRedirects(StatsStream):
    """Links in e-mails and how often they were followed, whole each time."""

    name = "page_redirects"
    selected_by_default = False
    dates = ()
    schema = _columns(
        "id; redirect_id url hits unique_hits is_published date_added created_by created_by_user"
        " date_modified modified_by modified_by_user",
        texts="redirect_id",
    )


class CampaignLeads(PairStream):
    """Who is in which campaign."""

    name = "campaign_leads"
    primary_keys = ("campaign_id", "lead_id")
    schema = _columns(
        "campaign_id lead_id; date_added date_last_exited manually_added manually_removed rotation"
    )


class LeadListsLeads(PairStream):
    """Who is in which segment."""

    name = "lead_lists_leads"
    primary_keys = ("leadlist_id", "lead_id")
    schema = _columns("leadlist_id lead_id; date_added manually_added manually_removed")


class CompaniesLeads(PairStream):
    """Who is of which company."""

    name = "companies_leads"
    primary_keys = ("company_id", "lead_id")
    schema = _columns("company_id lead_id; date_added is_primary manually_added manually_removed")


class ChannelUrlTrackables(PairStream):
    """How often which link of which e-mail was followed."""

    name = "channel_url_trackables"
    primary_keys = ("redirect_id", "channel_id", "channel")
    schema = _columns("redirect_id channel_id channel; hits unique_hits")
