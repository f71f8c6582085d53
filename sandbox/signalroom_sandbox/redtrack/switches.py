"""Behaviours that a test can turn on: each was observed at RedTrack, or may occur."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Switches:
    """The behaviours; the defaults are as documented."""

    #: The zone of the account, and of its logs.
    account_zone: str = "America/New_York"
    #: The maximum rows of a report, whatever ``per`` is.
    clamp: int = 1000
    #: The maximum rows of a list of entities.
    list_clamp: int = 1000
    #: "array", "items" (``{items, total}``), or "null" (``{"items": null, "total": 0}``).
    report_shape: str = "array"
    #: The same for conversions and clicks.
    log_shape: str = "items"
    #: The same for entities.
    list_shape: str = "array"
    #: "right", "absent", "high", "low", or "growing" with each request.
    total: str = "right"
    #: Every page is the first one, of "reports", "logs" or "lists".
    page_ignored: str = ""
    #: Rows come in another order with each request, unless ``sortby`` names one.
    shuffled: bool = False
    #: How ``sortby`` sorts without ``direction``: "asc" or "desc".
    order: str = "asc"
    #: Parameters must be of the type that the Swagger declares: ``direction`` is an integer there.
    typed_parameters: bool = False
    #: ``sortby`` is an error.
    sortby_refused: bool = False
    #: Several dimensions in ``group``: "ok", "refused", or "first" (the others are ignored).
    many_groups: str = "ok"
    #: Metrics are "numbers", or "texts".
    metrics: str = "numbers"
    #: Reports have new, unknown metrics.
    new_metrics: bool = False
    #: Every n-th conversion has an unreadable time; 0: none.
    unreadable_times: int = 0
    unreadable_time: str = "yesterday, about noon"
    #: The length of a text in the first campaign.
    campaign_bytes: int = 0
