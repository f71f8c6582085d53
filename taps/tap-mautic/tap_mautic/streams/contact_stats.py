"""More tables of statistics: what reached contacts, and what they have chosen.

https://devdocs.mautic.org/en/latest/rest_api/stats.html
"""

from __future__ import annotations

from tap_mautic.streams._stats_base import PairStream, StatsStream, stats_schema


class DynamicContentStats(StatsStream):
    """Which dynamic content of websites was shown to whom; rows change when it is shown again."""

    name = "dynamic_content_stats"
    moves = True
    dates = ("date_sent", "last_sent")
    schema = stats_schema(
        "id; dynamic_content_id lead_id date_sent source source_id tokens sent_count last_sent"
        " sent_details"
    )


class DynamicContentLeadData(StatsStream):
    """Which dynamic content a campaign chose for whom, in full each time: rows are rewritten."""

    name = "dynamic_content_lead_data"
    dates = ()
    schema = stats_schema("id; lead_id dynamic_content_id date_added slot")


class FocusStats(StatsStream):
    """Focus items that were seen, clicked or submitted (a plugin that comes with Mautic)."""

    name = "focus_stats"
    schema = stats_schema("id; focus_id type type_id date_added lead_id")


class IpAddresses(StatsStream):
    """IP addresses by `ip_id`, in full each time; the address itself: include_ip_addresses."""

    name = "ip_addresses"
    dates = ()
    schema = stats_schema("id; ip_address ip_details")


class LeadCategories(StatsStream):
    """Which categories contacts subscribed to or left, in full each time."""

    name = "lead_categories"
    dates = ()
    schema = stats_schema("id; category_id lead_id date_added manually_removed manually_added")


class LeadCompaniesChangeLog(StatsStream):
    """When contacts joined or left companies."""

    name = "lead_companies_change_log"
    goes_with_contact = True
    schema = stats_schema("id; lead_id type event_name action_name company_id date_added")


class LeadFrequencyrules(StatsStream):
    """How often contacts want to be contacted, by channel, in full each time."""

    name = "lead_frequencyrules"
    dates = ()
    schema = stats_schema(
        "id; lead_id date_added frequency_number frequency_time channel preferred_channel"
        " pause_from_date pause_to_date"
    )


class PointLeadActionLog(PairStream):
    """Which actions gave points to whom."""

    name = "point_lead_action_log"
    primary_keys = ("point_id", "lead_id")
    schema = stats_schema("point_id lead_id; ip_id date_fired")


class PointLeadEventLog(PairStream):
    """Which triggers of points were fired for whom."""

    name = "point_lead_event_log"
    primary_keys = ("event_id", "lead_id")
    schema = stats_schema("event_id lead_id; ip_id date_fired")


class StageLeadActionLog(PairStream):
    """Which action moved which contact to which stage."""

    name = "stage_lead_action_log"
    primary_keys = ("stage_id", "lead_id")
    schema = stats_schema("stage_id lead_id; ip_id date_fired")
