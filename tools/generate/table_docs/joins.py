"""The joins of tables, with their columns; tests compare them with the catalogs."""

from __future__ import annotations

from dataclasses import dataclass

End = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Join:
    """Two tables, and the columns that join their rows.

    Attributes:
        many_end: The table with any number of matching rows, as ``schema.table``, and its columns.
        one_end: The table with at most one matching row, and its columns.
        condition: When rows match, which depends on the vendors; empty if they always do.
        cast: The type to cast both columns to, if their types differ.
        drawn: Whether it is in the diagram.
    """

    many_end: End
    one_end: End
    condition: str = ""
    cast: str = ""
    drawn: bool = True

    @property
    def ends(self) -> tuple[End, End]:
        """Both tables with their columns."""
        return self.many_end, self.one_end

    @property
    def schemas(self) -> set[str]:
        """The schemas of both tables."""
        return {table.partition(".")[0] for table, _ in self.ends}


def _within(schema: str, lines: str, *, drawn: bool = True) -> tuple[Join, ...]:
    """Parse the joins within a source.

    Args:
        schema: The schema of all tables.
        lines: A line per join, ``tables columns > table columns``, with commas between tables.
        drawn: Whether they are in the diagram.
    """
    joins = []
    for line in lines.strip().splitlines():
        left, right = line.split(" > ")
        (tables, columns), (other, other_columns) = left.split(), right.split()
        joins += [
            Join(
                (f"{schema}.{table}", tuple(columns.split("+"))),
                (f"{schema}.{other}", tuple(other_columns.split("+"))),
                drawn=drawn,
            )
            for table in tables.split(",")
        ]
    return tuple(joins)


_EVERFLOW = _within(
    "everflow",
    """
daily_stats,daily_offer_stats affiliate_id > affiliates network_affiliate_id
daily_stats,daily_offer_stats advertiser_id > advertisers network_advertiser_id
conversions,events,clicks affiliate_id > affiliates network_affiliate_id
conversions,events,clicks advertiser_id > advertisers network_advertiser_id
daily_offer_stats,conversions,events,clicks offer_id > offers network_offer_id
adjustments,coupon_codes network_affiliate_id > affiliates network_affiliate_id
adjustments,coupon_codes,creatives,offer_urls network_offer_id > offers network_offer_id
offers network_advertiser_id > advertisers network_advertiser_id
conversions,events transaction_id > clicks transaction_id
advertisers reporting_timezone_id > timezones timezone_id
""",
)
_REDTRACK = _within(
    "redtrack",
    """
daily_spend,conversions,clicks,campaigns source_id > sources id
campaign_daily,conversions,clicks campaign_id > campaigns id
offer_daily,conversions,clicks offer_id > offers id
landing_daily,conversions,clicks landing_id > landings id
network_daily network_id > networks id
conversions clickid > clicks id
campaigns,landings domain_id > domains id
""",
)
_MAUTIC = _within(
    "mautic",
    """
email_stats,form_submissions,form_results,page_hits,asset_downloads,video_hits lead_id > contacts id
lead_lists_leads,campaign_leads,companies_leads,lead_categories lead_id > contacts id
campaign_lead_event_log,lead_event_log,lead_points_change_log lead_id > contacts id
lead_stages_change_log,lead_companies_change_log,lead_utmtags,lead_devices lead_id > contacts id
lead_donotcontact,lead_frequencyrules,sms_message_stats lead_id > contacts id
push_notification_stats,dynamic_content_stats,dynamic_content_lead_data lead_id > contacts id
focus_stats,point_lead_action_log,point_lead_event_log,stage_lead_action_log lead_id > contacts id
gone_contacts final_id > contacts id
email_stats,page_hits,asset_downloads email_id > emails id
email_stats,sms_message_stats,push_notification_stats list_id > segments id
email_stats_devices,email_stat_replies stat_id > email_stats id
lead_lists_leads leadlist_id > segments id
campaign_leads,campaign_lead_event_log,campaign_events campaign_id > campaigns id
campaign_lead_event_log event_id > campaign_events id
companies_leads,lead_companies_change_log company_id > companies id
lead_categories category_id > categories id
lead_stages_change_log,stage_lead_action_log,contacts stage_id > stages id
form_submissions,form_results form_id > forms id
form_results id > form_submissions id
form_submissions,page_hits page_id > pages id
page_hits,channel_url_trackables redirect_id > page_redirects id
page_hits,email_stats_devices device_id > lead_devices id
asset_downloads asset_id > assets id
contacts owner_id > users id
""",
) + _within(
    "mautic",
    """
email_stats,page_hits,form_submissions,asset_downloads,video_hits ip_id > ip_addresses id
campaign_lead_event_log,email_stats_devices,lead_points_change_log ip_id > ip_addresses id
push_notification_stats,sms_message_stats ip_id > ip_addresses id
point_lead_action_log,point_lead_event_log,stage_lead_action_log ip_id > ip_addresses id
lead_event_log user_id > users id
emails,campaigns,segments,forms,pages,assets created_by > users id
""",
    drawn=False,
)
_POSTHOG = _within(
    "posthog",
    """
events person_id > persons id
events session_id > sessions session_id
session_recordings id > sessions session_id
events event > event_definitions name
experiments feature_flag_key > feature_flags key
events group_0 > groups group_key
groups group_type_index > group_types group_type_index
annotations dashboard_item > insights id
events,persons,sessions,feature_flags project_id > project id
""",
) + _within(
    "posthog",
    """
experiments exposure_cohort > cohorts id
feature_flags usage_dashboard > dashboards id
""",
    drawn=False,
)
_FILES = _within(
    "s3_exports",
    """
orders_create,orders_update,prospects_create _file_name+_file_etag > files _file_name+_file_etag
orders_update orders_id > orders_create orders_id
""",
)
_SHEETS = _within(
    "google_sheets",
    "affiliates _spreadsheet_id+_sheet_id > gsheets_sheets spreadsheet_id+sheet_id",
)

_ORDERS, _CLICKS = "s3_exports.orders_create", "redtrack.clicks"
_ACROSS = (
    Join(("redtrack.daily_spend", ("date",)), ("everflow.daily_stats", ("date",)), "by day"),
    Join((_ORDERS, ("_file_date",)), ("everflow.daily_stats", ("date",)), "by day", "date"),
    Join(
        (_ORDERS, ("c1",)),
        (_CLICKS, ("id",)),
        "if the order page passes on RedTrack's click id as C1",
    ),
    Join(
        ("everflow.conversions", ("order_id",)),
        (_ORDERS, ("orders_id",)),
        "if the postback to Everflow has Sticky.io's order number",
    ),
    Join(
        ("everflow.conversions", ("sub1",)),
        (_CLICKS, ("id",)),
        "if tracking links pass on RedTrack's click id as sub1",
    ),
    Join(
        (_ORDERS, ("billing_email",)),
        ("mautic.contacts", ("email",)),
        "if the same person gave both the same address",
    ),
    Join(
        ("posthog.events", ("distinct_id",)),
        ("mautic.contacts", ("email",)),
        "if PostHog identifies persons by e-mail address",
    ),
    Join(
        ("google_sheets.affiliates", ("affiliate_id",)),
        ("everflow.affiliates", ("network_affiliate_id",)),
        "if a sheet maps affiliates, as this example does",
        "text",
    ),
)

JOINS = (*_EVERFLOW, *_SHEETS, *_MAUTIC, *_POSTHOG, *_REDTRACK, *_FILES, *_ACROSS)
#: The joins between sources.
ACROSS = _ACROSS
