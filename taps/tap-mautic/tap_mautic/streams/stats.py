"""Tables of statistics, as Mautic has them in its database.

https://devdocs.mautic.org/en/latest/rest_api/stats.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from tap_mautic.queries import Condition, mysql_datetime
from tap_mautic.streams._stats_base import PairStream, StatsStream, stats_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class EmailStats(StatsStream):
    """E-mails that were sent, to whom, and whether they were read.

    Rows change: when they are opened, which has a date, and when they bounce, which has none.
    """

    name = "email_stats"
    selected_by_default = True
    moves = True
    dates = ("date_sent", "date_read")
    changes_for = 14
    schema = stats_schema(
        "id; email_id lead_id list_id ip_id email_address date_sent is_read is_failed"
        " viewed_in_browser date_read tracking_hash retry_count source source_id open_count"
        " last_opened open_details copy_id"
    )

    @override
    def plan_steps(self, since: datetime | None) -> Sequence[Sequence[Condition]]:
        steps = super().plan_steps(since)
        if since is None or not self.config["email_stats_last_opened"]:
            return steps
        # Mautic has no index for it: this scans the entire table.
        return [*steps, (Condition("last_opened", "gte", mysql_datetime(since)),)]


class EmailStatsDevices(StatsStream):
    """Each time an e-mail was opened, and on what."""

    name = "email_stats_devices"
    dates = ("date_opened",)
    schema = stats_schema("id; stat_id device_id date_opened ip_id")


class EmailStatReplies(PairStream):
    """Replies to e-mails; their id is not a number, so they are read in full."""

    name = "email_stat_replies"
    primary_keys = ("stat_id", "id")
    schema = stats_schema("stat_id id; date_replied message_id", texts="id")


class PageHits(StatsStream):
    """Page visits, and clicks in e-mails: with a redirect_id and the source `email`."""

    name = "page_hits"
    moves = True
    dates = ("date_hit", "date_left")
    schema = stats_schema(
        "id; date_hit date_left page_id redirect_id email_id lead_id ip_id device_id country region"
        " city isp organization code referer url url_title user_agent remote_host page_language"
        " browser_languages tracking_id source source_id query"
    )


class FormSubmissions(StatsStream):
    """Submissions of forms; the answers are in `form_results`."""

    name = "form_submissions"
    selected_by_default = True
    moves = True
    dates = ("date_submitted",)
    schema = stats_schema("id; form_id lead_id page_id ip_id tracking_id date_submitted referer")


class AssetDownloads(StatsStream):
    """Downloads of assets."""

    name = "asset_downloads"
    moves = True
    dates = ("date_download",)
    schema = stats_schema(
        "id; asset_id lead_id email_id ip_id date_download code referer tracking_id source"
        " source_id utm_campaign utm_content utm_medium utm_source utm_term"
    )


class CampaignLeadEventLog(StatsStream):
    """What campaigns did with whom; planned events change once they are carried out."""

    name = "campaign_lead_event_log"
    moves = True
    goes_with_contact = True
    dates = ("date_triggered", "trigger_date")
    # Empty until a planned event is carried out, and open to edits by Mautic's API.
    first_date_is_fixed = False
    changes_for = 7
    schema = stats_schema(
        "id; event_id lead_id campaign_id rotation ip_id date_triggered is_scheduled trigger_date"
        " system_triggered metadata channel channel_id non_action_path_taken"
    )

    @property
    @override
    def start(self) -> None:
        # Planned events have no date yet: start_date would leave them out.
        return None


class LeadEventLog(StatsStream):
    """What happened to contacts, such as imports."""

    name = "lead_event_log"
    moves = True
    goes_with_contact = True
    schema = stats_schema(
        "id; lead_id user_id user_name bundle object action object_id date_added properties"
    )


class LeadPointsChangeLog(StatsStream):
    """Points that contacts got."""

    name = "lead_points_change_log"
    moves = True
    goes_with_contact = True
    schema = stats_schema("id; lead_id ip_id type event_name action_name delta date_added group_id")


class LeadStagesChangeLog(StatsStream):
    """Stages that contacts reached."""

    name = "lead_stages_change_log"
    moves = True
    goes_with_contact = True
    schema = stats_schema("id; lead_id stage_id event_name action_name date_added")


class LeadUtmtags(StatsStream):
    """UTM tags of the links through which contacts came."""

    name = "lead_utmtags"
    goes_with_contact = True
    schema = stats_schema(
        "id; lead_id date_added utm_campaign utm_content utm_medium utm_source utm_term query"
        " referer remote_host url user_agent"
    )


class LeadDevices(StatsStream):
    """Devices of contacts."""

    name = "lead_devices"
    moves = True
    goes_with_contact = True
    schema = stats_schema(
        "id; lead_id date_added device device_brand device_model device_os_name"
        " device_os_platform device_os_shortname device_os_version device_fingerprint client_info"
        " tracking_id",
        texts="device",
        dropped="device_fingerprint",
    )


class SmsMessageStats(StatsStream):
    """Text messages that were sent."""

    name = "sms_message_stats"
    dates = ("date_sent",)
    changes_for = 7
    schema = stats_schema(
        "id; sms_id lead_id list_id ip_id date_sent is_failed tracking_hash source source_id"
        " tokens details"
    )


class PushNotificationStats(StatsStream):
    """Notifications that were sent to browsers and phones."""

    name = "push_notification_stats"
    dates = ("date_sent", "date_read", "date_clicked")
    changes_for = 7
    schema = stats_schema(
        "id; notification_id lead_id list_id ip_id date_sent date_read is_clicked date_clicked"
        " click_count last_clicked click_details tracking_hash retry_count source source_id tokens"
    )


class VideoHits(StatsStream):
    """Videos that were watched."""

    name = "video_hits"
    moves = True
    dates = ("date_hit", "date_left")
    schema = stats_schema(
        "id; lead_id ip_id date_hit date_left country region city isp organization code referer"
        " url user_agent remote_host guid page_language browser_languages channel channel_id"
        " time_watched duration query"
    )


class WebhookLogs(StatsStream):
    """Calls of webhooks."""

    name = "webhook_logs"
    # Mautic only keeps the last calls, 1,000 of each webhook (`webhook_log_max`).
    keeps_vanished = True
    schema = stats_schema("id; webhook_id status_code date_added note runtime")


class LeadDonotcontact(StatsStream):
    """Who must not be contacted, in full each time: who subscribes again is removed."""

    name = "lead_donotcontact"
    selected_by_default = True
    dates = ()
    schema = stats_schema("id; lead_id date_added reason channel channel_id comments")


class PageRedirects(StatsStream):
    """Links in e-mails and how often they were followed, in full each time."""

    name = "page_redirects"
    dates = ()
    schema = stats_schema(
        "id; redirect_id url hits unique_hits is_published date_added created_by created_by_user"
        " date_modified modified_by modified_by_user",
        texts="redirect_id",
    )


class CampaignLeads(PairStream):
    """Who is in which campaign."""

    name = "campaign_leads"
    primary_keys = ("campaign_id", "lead_id")
    schema = stats_schema(
        "campaign_id lead_id; date_added date_last_exited manually_added manually_removed rotation"
    )


class LeadListsLeads(PairStream):
    """Who is in which segment."""

    name = "lead_lists_leads"
    primary_keys = ("leadlist_id", "lead_id")
    schema = stats_schema("leadlist_id lead_id; date_added manually_added manually_removed")


class CompaniesLeads(PairStream):
    """Who belongs to which company."""

    name = "companies_leads"
    primary_keys = ("company_id", "lead_id")
    schema = stats_schema(
        "company_id lead_id; date_added is_primary manually_added manually_removed",
        dropped="manually_added manually_removed",
    )


class ChannelUrlTrackables(PairStream):
    """How often which link of which e-mail was followed."""

    name = "channel_url_trackables"
    primary_keys = ("redirect_id", "channel_id", "channel")
    schema = stats_schema("redirect_id channel_id channel; hits unique_hits")
