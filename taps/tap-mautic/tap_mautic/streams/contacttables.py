"""More tables of statistics: what reached contacts, and what they chose.

https://devdocs.mautic.org/en/latest/rest_api/stats.html
"""

from __future__ import annotations

from tap_mautic.tables import PairStream, StatsStream, columns


class DynamicContentStats(StatsStream):
    """Dynamic content of websites that was shown, and to whom; rows change when it is again."""

    name = "dynamic_content_stats"
    moves = True
    selected_by_default = False
    dates = ("date_sent", "last_sent")
    replication_key = "date_sent"
    schema = columns(
        "id; dynamic_content_id lead_id date_sent source source_id tokens sent_count last_sent"
        " sent_details"
    )


class DynamicContentLeadData(StatsStream):
    """Which dynamic content a campaign chose for whom, whole each time: rows are rewritten."""

    name = "dynamic_content_lead_data"
    selected_by_default = False
    dates = ()
    schema = columns("id; lead_id dynamic_content_id date_added slot")


class FocusStats(StatsStream):
    """Focus items that were seen, clicked or submitted: a plugin that comes with Mautic."""

    name = "focus_stats"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns("id; focus_id type type_id date_added lead_id")


class IpAddresses(StatsStream):
    """What `ip_id` stands for, whole each time; addresses come with include_ip_addresses."""

    name = "ip_addresses"
    selected_by_default = False
    dates = ()
    schema = columns("id; ip_address ip_details")


class LeadCategories(StatsStream):
    """Which categories contacts subscribed to or left, whole each time."""

    name = "lead_categories"
    selected_by_default = False
    dates = ()
    schema = columns("id; category_id lead_id date_added manually_removed manually_added")


class LeadCompaniesChangeLog(StatsStream):
    """When contacts joined or left companies."""

    name = "lead_companies_change_log"
    selected_by_default = False
    dates = ("date_added",)
    replication_key = "date_added"
    schema = columns("id; lead_id type event_name action_name company_id date_added")


class LeadFrequencyrules(StatsStream):
    """How often contacts want to be written to, by channel, whole each time."""

    name = "lead_frequencyrules"
    selected_by_default = False
    dates = ()
    schema = columns(
        "id; lead_id date_added frequency_number frequency_time channel preferred_channel"
        " pause_from_date pause_to_date"
    )


class PointLeadActionLog(PairStream):
    """Which actions gave points to whom."""

    name = "point_lead_action_log"
    primary_keys = ("point_id", "lead_id")
    schema = columns("point_id lead_id; ip_id date_fired")


class PointLeadEventLog(PairStream):
    """Which triggers of points were fired for whom."""

    name = "point_lead_event_log"
    primary_keys = ("event_id", "lead_id")
    schema = columns("event_id lead_id; ip_id date_fired")


class StageLeadActionLog(PairStream):
    """Which actions moved whom to which stage."""

    name = "stage_lead_action_log"
    primary_keys = ("stage_id", "lead_id")
    schema = columns("stage_id lead_id; ip_id date_fired")
