"""Tables of statistics, as Mautic has them in its database.

https://devdocs.mautic.org/en/latest/rest_api/stats.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_mautic.queries import Is, moment
from tap_mautic.tables import PairStream, StatsStream, columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class EmailStats(StatsStream):
    """E-mails that were sent, to whom, and whether they were read.

    Rows change: when they are opened, which has a date, and when they bounce, which has none.
    """

    name = "email_stats"
    moves = True
    dates = ("date_sent", "date_read")
    replication_key = "date_sent"
    changes_for = 14
    schema = columns(
        "id; email_id lead_id list_id ip_id email_address date_sent is_read is_failed"
        " viewed_in_browser date_read tracking_hash retry_count source source_id open_count"
        " last_opened open_details copy_id"
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
    schema = columns("id; stat_id device_id date_opened ip_id")


class EmailStatReplies(PairStream):
    """Replies to e-mails; their id is no number, so they are read whole."""

    name = "email_stat_replies"
    primary_keys = ("stat_id", "id")
    schema = columns("stat_id id; date_replied message_id", texts="id")


class PageHits(StatsStream):
    """Visits of pages, and clicks in e-mails: those with a redirect_id and the source email."""

    name = "page_hits"
    moves = True
    selected_by_default = False
    dates = ("date_hit", "date_left")
    replication_key = "date_hit"
    schema = columns(
        "id; date_hit date_left page_id redirect_id email_id lead_id ip_id device_id country region"
        " city isp organization code referer url url_title user_agent remote_host page_language"
        " browser_languages tracking_id source source_id query"
    )


class FormSubmissions(StatsStream):
    """That a form was sent in; the answers: `form_results`."""

    name = "form_submissions"
    moves = True
    dates = ("date_submitted",)
    replication_key = "date_submitted"
    schema = columns("id; form_id lead_id page_id ip_id tracking_id date_submitted referer")


class AssetDownloads(StatsStream):
    """Downloads."""

    name = "asset_downloads"
    moves = True
    selected_by_default = False
    dates = ("date_download",)
    replication_key = "date_download"
    schema = columns(
        "id; asset_id lead_id email_id ip_id date_download code referer tracking_id source"
        " source_id utm_campaign utm_content utm_medium utm_source utm_term"
    )


class CampaignLeadEventLog(StatsStream):
    """What campaigns did with whom; planned events change once they are done."""

    name = "campaign_lead_event_log"
    moves = True
    selected_by_default = False
    dates = ("date_triggered", "trigger_date")
    replication_key = "date_triggered"
    changes_for = 7
    schema = columns(
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
    moves = True
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns(
        "id; lead_id user_id user_name bundle object action object_id date_added properties"
    )


class LeadPointsChangeLog(StatsStream):
    """Points that contacts got."""

    name = "lead_points_change_log"
    moves = True
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns("id; lead_id ip_id type event_name action_name delta date_added group_id")


class LeadStagesChangeLog(StatsStream):
    """Stages that contacts reached."""

    name = "lead_stages_change_log"
    moves = True
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns("id; lead_id stage_id event_name action_name date_added")


class LeadUtmtags(StatsStream):
    """The campaigns of other vendors by which contacts came."""

    name = "lead_utmtags"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns(
        "id; lead_id date_added utm_campaign utm_content utm_medium utm_source utm_term query"
        " referer remote_host url user_agent"
    )


class LeadDevices(StatsStream):
    """Devices of contacts."""

    name = "lead_devices"
    moves = True
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns(
        "id; lead_id date_added device device_brand device_model device_os_name"
        " device_os_platform device_os_shortname device_os_version device_fingerprint client_info"
        " tracking_id",
        texts="device",
        gone="device_fingerprint",
    )


class SmsMessageStats(StatsStream):
    """Text messages that were sent."""

    name = "sms_message_stats"
    selected_by_default = False
    dates = ("date_sent",)
    replication_key = "date_sent"
    changes_for = 7
    schema = columns(
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
    schema = columns(
        "id; notification_id lead_id list_id ip_id date_sent date_read is_clicked date_clicked"
        " click_count last_clicked click_details tracking_hash retry_count source source_id tokens"
    )


class VideoHits(StatsStream):
    """Videos that were watched."""

    name = "video_hits"
    moves = True
    selected_by_default = False
    dates = ("date_hit", "date_left")
    replication_key = "date_hit"
    schema = columns(
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
    schema = columns("id; webhook_id status_code date_added note runtime")


class LeadDonotcontact(StatsStream):
    """Who must not be written to, whole each time: who subscribes again is taken out."""

    name = "lead_donotcontact"
    dates = ()
    schema = columns("id; lead_id date_added reason channel channel_id comments")


class PageRedirects(StatsStream):
    """Links in e-mails and how often they were followed, whole each time."""

    name = "page_redirects"
    selected_by_default = False
    dates = ()
    schema = columns(
        "id; redirect_id url hits unique_hits is_published date_added created_by created_by_user"
        " date_modified modified_by modified_by_user",
        texts="redirect_id",
    )


class CampaignLeads(PairStream):
    """Who is in which campaign."""

    name = "campaign_leads"
    primary_keys = ("campaign_id", "lead_id")
    schema = columns(
        "campaign_id lead_id; date_added date_last_exited manually_added manually_removed rotation"
    )


class LeadListsLeads(PairStream):
    """Who is in which segment."""

    name = "lead_lists_leads"
    primary_keys = ("leadlist_id", "lead_id")
    schema = columns("leadlist_id lead_id; date_added manually_added manually_removed")


class CompaniesLeads(PairStream):
    """Who is of which company."""

    name = "companies_leads"
    primary_keys = ("company_id", "lead_id")
    schema = columns(
        "company_id lead_id; date_added is_primary manually_added manually_removed",
        gone="manually_added manually_removed",
    )


class ChannelUrlTrackables(PairStream):
    """How often which link of which e-mail was followed."""

    name = "channel_url_trackables"
    primary_keys = ("redirect_id", "channel_id", "channel")
    schema = columns("redirect_id channel_id channel; hits unique_hits")
