"""The tables of statistics, with their columns and values."""

from __future__ import annotations

#: The columns of each table.
TABLES: dict[str, str] = {
    "asset_downloads": "id asset_id ip_id lead_id email_id date_download code referer source"
    " source_id tracking_id utm_campaign utm_content utm_medium utm_source utm_term",
    "audit_log": "id user_id user_name bundle object object_id action details date_added"
    " ip_address",
    "campaign_lead_event_log": "id event_id lead_id campaign_id rotation ip_id date_triggered"
    " is_scheduled trigger_date system_triggered metadata channel channel_id"
    " non_action_path_taken",
    "campaign_leads": "campaign_id lead_id date_added date_last_exited manually_added"
    " manually_removed rotation",
    "channel_url_trackables": "redirect_id channel channel_id hits unique_hits",
    "companies_leads": "company_id lead_id date_added is_primary",
    "dynamic_content_lead_data": "id lead_id dynamic_content_id date_added slot",
    "dynamic_content_stats": "id dynamic_content_id lead_id date_sent source source_id tokens"
    " sent_count last_sent sent_details",
    "email_stat_replies": "id stat_id date_replied message_id",
    "email_stats": "id email_id lead_id list_id ip_id email_address date_sent is_read is_failed"
    " viewed_in_browser date_read tracking_hash retry_count source source_id open_count"
    " last_opened open_details copy_id",
    "email_stats_devices": "id stat_id device_id date_opened ip_id",
    "form_submissions": "id form_id lead_id page_id ip_id tracking_id date_submitted referer",
    "focus_stats": "id focus_id type type_id date_added lead_id",
    "ip_addresses": "id ip_address ip_details",
    "lead_categories": "id category_id lead_id date_added manually_removed manually_added",
    "lead_companies_change_log": "id lead_id type event_name action_name company_id date_added",
    "lead_devices": "id lead_id date_added device device_brand device_model device_os_name"
    " device_os_platform device_os_shortname device_os_version client_info tracking_id",
    "lead_donotcontact": "id lead_id date_added reason channel channel_id comments",
    "lead_event_log": "id lead_id user_id user_name bundle object action object_id date_added"
    " properties",
    "lead_frequencyrules": "id lead_id date_added frequency_number frequency_time channel"
    " preferred_channel pause_from_date pause_to_date",
    "lead_lists_leads": "leadlist_id lead_id date_added manually_added manually_removed",
    "lead_points_change_log": "id lead_id ip_id type event_name action_name delta date_added"
    " group_id",
    "lead_stages_change_log": "id lead_id stage_id event_name action_name date_added",
    "lead_utmtags": "id lead_id date_added query referer remote_host url user_agent utm_campaign"
    " utm_content utm_medium utm_source utm_term",
    "page_hits": "id date_hit date_left page_id redirect_id email_id lead_id ip_id device_id"
    " country region city isp organization code referer url url_title user_agent remote_host"
    " page_language browser_languages tracking_id source source_id query",
    "page_redirects": "id redirect_id url hits unique_hits is_published date_added created_by"
    " created_by_user date_modified modified_by modified_by_user",
    "point_lead_action_log": "point_id lead_id ip_id date_fired",
    "point_lead_event_log": "event_id lead_id ip_id date_fired",
    "push_notification_stats": "id notification_id lead_id list_id ip_id date_sent date_read"
    " is_clicked date_clicked click_count last_clicked click_details tracking_hash retry_count"
    " source source_id tokens",
    "sms_message_stats": "id sms_id lead_id list_id ip_id date_sent tracking_hash source source_id"
    " tokens details is_failed",
    "stage_lead_action_log": "stage_id lead_id ip_id date_fired",
    "video_hits": "id lead_id ip_id date_hit date_left country region city isp organization code"
    " referer url user_agent remote_host guid page_language browser_languages channel channel_id"
    " time_watched duration query",
    "webhook_logs": "id webhook_id status_code date_added note runtime",
}
_FIVE = 5
#: Tables without an id, and the columns of their primary keys.
PAIRS = {
    "campaign_leads": "campaign_id, lead_id",
    "channel_url_trackables": "redirect_id, channel_id",
    "companies_leads": "company_id, lead_id",
    "lead_lists_leads": "leadlist_id, lead_id",
    "point_lead_action_log": "point_id, lead_id",
    "point_lead_event_log": "event_id, lead_id",
    "stage_lead_action_log": "stage_id, lead_id",
}
#: Columns that version 5 added.
_SINCE_FIVE = {
    "asset_downloads": {"utm_campaign", "utm_content", "utm_medium", "utm_source", "utm_term"},
    "lead_points_change_log": {"group_id"},
}
_DATES = ("date_", "trigger_date", "last_opened", "last_clicked", "last_sent")
_FLAGS = ("is_", "manually_", "viewed_", "system_", "non_action", "preferred_")


def tables_of(version: int) -> dict[str, list[str]]:
    """The tables of a version, with their columns.

    Args:
        version: Version of this Mautic.
    """
    later = _SINCE_FIVE if version < _FIVE else {}
    return {
        table: [name for name in names.split() if name not in later.get(table, ())]
        for table, names in TABLES.items()
    }


def is_whole(column: str) -> bool:
    """Whether a column is a number in the database, and so in comparisons.

    Args:
        column: Name of the column.
    """
    return column.startswith(_FLAGS) or (column.endswith("_id") and column not in _TEXT_IDS)


_TEXT_IDS = frozenset({"copy_id", "message_id", "tracking_id"})
#: Null in all rows of this instance.
_NULL = frozenset(
    {
        *("comments", "properties", "query", "note", "url_title", "sent_details"),
        *("pause_from_date", "pause_to_date", "utm_content", "utm_term"),
    }
)


def value_of(table: str, column: str) -> str:  # noqa: PLR0911 - a table of cases
    """A column's value, as SQL over ``n``, the number of a row, and ``contacts``, how many.

    Args:
        table: Name of its table.
        column: Name of the column.
    """
    special = {
        ("audit_log", "bundle"): "'lead'",
        ("audit_log", "object"): "'lead'",
        ("audit_log", "object_id"): "n",
        ("audit_log", "action"): "'create'",
        ("audit_log", "details"): "'a:1:{s:9:\"firstname\";a:0:{}}'",
        ("email_stats", "email_address"): "'lead' || (1 + (n - 1) % :contacts) || '@example.com'",
        ("email_stats", "date_read"): "iif(n % 3 = 0, {sent}, null)",
        ("email_stats", "is_read"): "iif(n % 3 = 0, 1, 0)",
        ("email_stats", "is_failed"): "0",
        ("email_stats", "last_opened"): "iif(n % 3 = 0, {sent}, null)",
        ("email_stats", "open_count"): "iif(n % 3 = 0, 1, 0)",
        ("email_stats", "open_details"): "iif(n % 3 = 0, 'a:0:{}', null)",
        # Ids of existing entities.
        ("form_submissions", "form_id"): "1 + n % 5",
        ("asset_downloads", "asset_id"): "1 + n % 4",
        ("email_stat_replies", "id"): "printf('019000aa-0000-7000-8000-%012d', n)",
        ("email_stat_replies", "stat_id"): "1 + (n * 7) % 97",
        ("lead_devices", "device"): "'smartphone'",
        ("ip_addresses", "ip_address"): "'198.51.100.' || (n % 250)",
        ("ip_addresses", "ip_details"): '\'a:1:{s:4:"city";s:11:"Sample City";}\'',
        ("lead_frequencyrules", "frequency_number"): "1 + n % 3",
        ("email_stats", "copy_id"): "iif(n % 4 = 0, printf('%032x', n), null)",
        ("page_redirects", "redirect_id"): "printf('%025d', n * 977)",
        ("page_hits", "date_left"): "iif(n % 2 = 0, {sent}, null)",
        ("campaign_lead_event_log", "date_triggered"): "iif(n % 5 = 0, null, {sent})",
        ("channel_url_trackables", "channel_id"): "1 + n % 7",
        ("channel_url_trackables", "redirect_id"): "1 + n / 7",
    }
    sent = "datetime(:now, '-' || (n * 13 % 60) || ' days', '-' || (n * 37 % 86400) || ' seconds')"
    if (table, column) in special:
        return special[table, column].replace("{sent}", sent)
    if column in {"id", "lead_id"} or (table in PAIRS and column.endswith("_id")):
        first = PAIRS.get(table, "").split(", ")[0]
        return "1 + n % 5" if column == first else "n" if column == "id" else _LEAD[table in PAIRS]
    if column.startswith(_DATES):
        return sent
    if column.startswith(_FLAGS):
        return "n % 2"
    if column.endswith(("_id", "_count", "hits", "delta", "rotation", "reason", "code")):
        return "1 + n % 9"
    if column in {"duration", "time_watched", "created_by", "modified_by"}:
        return "n % 60"
    if column == "runtime":
        return "n / 8.0"
    if column in _NULL:
        return "null"
    return f"'{column} ' || (n % 11)"


#: The contact of a row: in tables of pairs (True), and in others.
_LEAD = {False: "1 + (n - 1) % :contacts", True: "1 + n / 5"}
