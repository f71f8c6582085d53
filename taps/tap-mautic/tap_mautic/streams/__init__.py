"""The streams of a Mautic instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_mautic.streams.contact_stats import (
    DynamicContentLeadData,
    DynamicContentStats,
    FocusStats,
    IpAddresses,
    LeadCategories,
    LeadCompaniesChangeLog,
    LeadFrequencyrules,
    PointLeadActionLog,
    PointLeadEventLog,
    StageLeadActionLog,
)
from tap_mautic.streams.contacts import Companies, Contacts
from tap_mautic.streams.entities import (
    Assets,
    CampaignEvents,
    Campaigns,
    Categories,
    CompanyFields,
    ContactFields,
    Emails,
    Pages,
    Segments,
    Stages,
    Tags,
    Users,
)
from tap_mautic.streams.forms import FormResults, Forms
from tap_mautic.streams.gone_contacts import ContactDeletions, GoneContacts
from tap_mautic.streams.stats import (
    AssetDownloads,
    CampaignLeadEventLog,
    CampaignLeads,
    ChannelUrlTrackables,
    CompaniesLeads,
    EmailStatReplies,
    EmailStats,
    EmailStatsDevices,
    FormSubmissions,
    LeadDevices,
    LeadDonotcontact,
    LeadEventLog,
    LeadListsLeads,
    LeadPointsChangeLog,
    LeadStagesChangeLog,
    LeadUtmtags,
    PageHits,
    PageRedirects,
    PushNotificationStats,
    SmsMessageStats,
    VideoHits,
    WebhookLogs,
)

if TYPE_CHECKING:
    from tap_mautic.streams._base import MauticStream

#: Streams whose columns are the same in every instance.
FIXED_STREAM_TYPES: tuple[type[MauticStream], ...] = (
    Emails,
    EmailStats,
    Campaigns,
    CampaignEvents,
    Segments,
    Tags,
    Stages,
    Forms,
    FormSubmissions,
    FormResults,
    Pages,
    Assets,
    Categories,
    Users,
    ContactFields,
    CompanyFields,
    LeadListsLeads,
    LeadDonotcontact,
    ContactDeletions,
    GoneContacts,
    EmailStatsDevices,
    EmailStatReplies,
    PageHits,
    PageRedirects,
    ChannelUrlTrackables,
    AssetDownloads,
    CampaignLeads,
    CampaignLeadEventLog,
    CompaniesLeads,
    LeadDevices,
    LeadEventLog,
    LeadPointsChangeLog,
    LeadStagesChangeLog,
    LeadUtmtags,
    PushNotificationStats,
    SmsMessageStats,
    VideoHits,
    WebhookLogs,
    DynamicContentStats,
    DynamicContentLeadData,
    FocusStats,
    IpAddresses,
    LeadCategories,
    LeadCompaniesChangeLog,
    LeadFrequencyrules,
    PointLeadActionLog,
    PointLeadEventLog,
    StageLeadActionLog,
)
#: All streams: contacts and companies have a column for each field of the instance.
STREAM_TYPES: tuple[type[MauticStream], ...] = (Contacts, Companies, *FIXED_STREAM_TYPES)

__all__ = [
    "FIXED_STREAM_TYPES",
    "STREAM_TYPES",
    "Companies",
    "CompanyFields",
    "ContactFields",
    "Contacts",
]
