"""The six sources of the matrix: what is read of each, and how a vendor changes its mind."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from signalroom_sandbox.gsheets import service_account
from signalroom_sandbox.posthog import PERSONAL_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

ZONE = "America/New_York"
YESTERDAY = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
START = YESTERDAY - timedelta(days=19)
BOOK = "synthetic-offers"
# Few rows, but many pages, windows and files: what strikes has as many places for it.


@dataclass(frozen=True, eq=False)
class Source:
    """A tap, and the vendor that it reads.

    Attributes:
        tap: Its name.
        vendor: The first part of the sandbox's paths.
        schema: Where its tables are.
        streams: What is read.
        settings: Of the tap, by variable.
        prepare: Makes the vendor have what is read.
        restate: Changes what was read before, and adds to it.
        expire: Lets what the tap signed in with be worth nothing; gives what makes it valid.
        own_settings: Those that only a running sandbox knows.
        by_day: Tables with a row for each day and whatever else.
        neighbours: Settings of other pipelines that load into the same tables, for each.
        dated: Whether the vendor's rows are dated from when it was made, as it is for each case.
    """

    tap: str
    vendor: str
    schema: str
    streams: tuple[str, ...]
    prepare: Callable
    restate: Callable
    expire: Callable
    settings: dict[str, str] = field(default_factory=dict)
    own_settings: Callable = lambda _: {}
    dated: bool = False
    by_day: frozenset[str] = frozenset()
    neighbours: tuple[dict[str, str], ...] = ()

    def variables(self, sandbox, neighbour=None):
        """The tap's settings: those of every case, and its own, or a neighbour's."""
        quick = {"MAX_TRIES": "3", "MAX_RETRY_WAIT": "0", "REQUEST_TIMEOUT": "2"}
        given = quick | self.settings | self.own_settings(sandbox) | (neighbour or {})
        prefix = self.tap.upper().replace("-", "_")
        return {f"{prefix}_{name}": value for name, value in given.items()}


def day(chance, back=6):
    """A day that every lookback reaches."""
    return YESTERDAY - timedelta(days=chance.randrange(back))


def unknown_key(control, vendor):
    """The key is revoked, until somebody makes it valid again."""
    control.fault("http_401", vendor=vendor, times=10**6)
    return control.clear_faults


# Everflow


def prepare_everflow(control):
    control.everflow.limits(per_second=10_000, burst=10_000)


def restate_everflow(control, chance):
    control.everflow.restate(day(chance), ZONE, percent=chance.randrange(50, 150))
    control.everflow.restate(day(chance), ZONE, add_conversions=chance.randrange(1, 30))
    control.everflow.restate(day(chance), ZONE, reject=chance.randrange(1, 5))
    # Rows that are gone, and others that come back.
    control.everflow.restate(day(chance), ZONE, delete_affiliate=chance.randrange(1, 8))
    control.everflow.restate(day(chance), ZONE, add_conversions=chance.randrange(1, 30))


# Google Sheets


def cells(rows, cost=1):
    return [["Offer ID", "Name", "Cost"], *([n, f"offer {n}", n * cost] for n in range(rows))]


def prepare_gsheets(control):
    control.gsheets.access(per_user=10**6)
    tabs = [
        {"gid": number, "title": f"Tab {number}", "cells": cells(400 + number)}
        for number in range(8)
    ]
    control.gsheets.spreadsheet(id=BOOK, tabs=tabs)


def restate_gsheets(control, chance):
    for _ in range(3):
        changed = cells(chance.randrange(300, 600), cost=chance.randrange(2, 9))
        control.gsheets.edit(id=BOOK, gid=chance.randrange(8), cells=changed)


def expire_gsheets(control):
    control.gsheets.expire()
    return lambda: None


# Mautic


#: Tables of statistics: the date of their rows, and how many days are read again. Mautic deletes
#: rows of the two logs with their contact.
MAUTIC_STATS = {
    "email_stats": ("date_sent", 14),
    "form_submissions": ("date_submitted", 1),
    "lead_event_log": ("date_added", 1),
    "lead_points_change_log": ("date_added", 1),
}
#: The contacts that the sandbox begins with: old rows of all tables are theirs.
MAUTIC_CONTACTS = 300


def prepare_mautic(control):
    mautic = control.mautic
    mautic.make_contacts(count=600)
    # Old rows that Mautic deletes with their contact.
    for table in ("lead_event_log", "lead_points_change_log"):
        rows = [
            {"lead_id": MAUTIC_CONTACTS + number, "date_added": "2026-01-31 12:00:00"}
            for number in range(1, 601, 5)
        ]
        mautic.insert(table=table, rows=rows)


def restate_mautic(control, chance):
    mautic = control.mautic
    contacts = mautic.rows(table="leads")
    known = sorted(row["id"] for row in contacts)
    mautic.edit(numbers=chance.sample(known[:300], 8), firstname=f"Edited {chance.random()}")
    mautic.add(count=chance.randrange(1, 20))
    opened = {"is_read": 1, "open_count": 1, "date_read": mautic.now()}
    mautic.set(table="email_stats", where={"id": 1 + chance.randrange(900)}, **opened)
    mautic.change(resource="emails", identifier=1, subject=f"Changed {chance.random()}")
    # Of contacts whose old statistics Mautic keeps none is deleted: it empties their `lead_id`.
    others = [row for row in contacts if row["id"] > MAUTIC_CONTACTS]
    loser, winner, *gone = chance.sample(others, 5)
    restate_stats(mautic, chance, winner["id"], gone[0]["id"])
    mautic.merge(loser=loser["id"], winner=winner["id"])
    mautic.delete(numbers=[row["id"] for row in gone])
    # One comes back, from a backup.
    mautic.insert(table="leads", rows=gone[1:2])


def restate_stats(mautic, chance, *contacts):
    """Delete rows of statistics that are read again, bring one of them back, and add others."""
    for table, (date, days) in MAUTIC_STATS.items():
        since = datetime.now(UTC) - timedelta(days=days) + timedelta(hours=4)
        recent = [row for row in mautic.rows(table=table) if row[date] > f"{since:%F %T}"]
        removed = chance.sample(recent, min(len(recent), 3))
        for row in removed:
            mautic.remove(table=table, where={"id": row["id"]})
        rows = [{"lead_id": contact, date: mautic.now()} for contact in contacts]
        mautic.insert(table=table, rows=[*removed[:1], *rows])


def expire_mautic(control):
    control.mautic.revoke()
    return lambda: None


# PostHog


def midnight(days):
    """The beginning of a day in UTC, some days ago."""
    return datetime.combine(datetime.now(UTC), time.min) - timedelta(days=days)


def repeated_events():
    """Events that are deleted and sent again: more of one moment than a page has."""
    at = midnight(2) + timedelta(hours=12)
    return [
        {
            "uuid": f"00000000-0000-4000-9000-{number:012}",
            "timestamp": (at + timedelta(hours=number // 80)).isoformat(),
            "created_at": (at + timedelta(hours=2)).isoformat(),
        }
        for number in range(120)
    ]


def prepare_posthog(control):
    # A case has several runs in a minute, and none that waits.
    plenty = ("per_minute", "per_hour", "queries_per_minute", "queries_per_hour")
    control.posthog.limits(**dict.fromkeys(plenty, 10**6))
    # None of the last minutes: what is read would be another by the next run.
    control.posthog.clear_events()
    first = midnight(20)
    control.posthog.make_events(begin=first.date().isoformat(), days=19, count=1300, tied=60)
    # Of each uuid several, on two days, and copies: a page of 50 ends between them, too.
    control.posthog.events(
        events=[
            {
                "uuid": f"00000000-0000-4000-8000-{number:012}",
                "timestamp": (first + timedelta(days=number % 9 + day)).isoformat(),
                "created_at": first.isoformat(),
                "event": name,
            }
            for number in range(30)
            for day in (0, 1)
            for name in ("checkout started", "order placed", "order placed")
        ]
    )
    control.posthog.events(events=repeated_events())


def restate_posthog(control, chance):
    # Late: of the last hours, which a lookback of a day reaches.
    happened = datetime.now(UTC) - timedelta(minutes=chance.randrange(30, 20 * 60))
    late = [
        {"timestamp": (happened + timedelta(seconds=n)).isoformat(), "event": f"late {n}"}
        for n in range(chance.randrange(1, 40))
    ]
    control.posthog.events(events=late)
    # Some of the lookback are gone, and others come back, or are sent once more. Not many: a run
    # may find four such changes at once, and ends if more than half are gone.
    known = control.posthog.uuids(start=midnight(3).isoformat(), end=midnight(1).isoformat())
    control.posthog.delete_events(uuids=chance.sample(known, 20))
    control.posthog.events(events=chance.sample(repeated_events(), 10))
    (flag, other, *_) = control.posthog.listed(resource="feature_flags")
    control.posthog.change(
        resource="feature_flags", identifier=flag["id"], name=f"Changed {chance.random()}"
    )
    control.posthog.delete(resource="feature_flags", identifier=other["id"])


def expire_posthog(control):
    control.posthog.revoke(key=PERSONAL_KEY)
    return lambda: control.posthog.key(key=PERSONAL_KEY)


# RedTrack


def prepare_redtrack(control):
    control.redtrack.limits(per_window=100_000)
    control.redtrack.switches(clamp=50)


def restate_redtrack(control, chance):
    changed = {"cost_percent": chance.randrange(50, 150), "payout_percent": chance.randrange(200)}
    control.redtrack.restate(day=str(day(chance)), timezone=ZONE, **changed)
    control.redtrack.decline(day=str(day(chance)), timezone=ZONE, count=chance.randrange(1, 5))
    control.redtrack.vanish(day=str(day(chance)), timezone=ZONE, source=chance.randrange(4))


# Sticky.io


def prepare_s3(control):
    control.s3.clear()
    for number in range(20):
        control.s3.export("orders-create", START + timedelta(days=number), 130)
    control.s3.export("orders-update", YESTERDAY, 65)


def restate_s3(control, chance):
    # Overwritten with more rows or with fewer, and one that comes late.
    seed = chance.randrange(10**6)
    for _ in range(2):
        overwritten = chance.choice(control.s3.objects("orders-create/"))["key"]
        when = START + timedelta(days=chance.randrange(20))
        # Never less than half of what there was: the loader stops for that.
        rows = chance.randrange(100, 180)
        control.s3.export("orders-create", when, rows, key=overwritten, seed=seed)
    control.s3.export("orders-update", day(chance), 80)


def expire_s3(control):
    control.fault("expired_token", vendor="s3", times=10**6)
    return control.clear_faults


def restate_and_delete_s3(control, chance):
    """Files are overwritten, deleted, and delivered again: under their name, or another."""
    restate_s3(control, chance)
    keys = [item["key"] for item in control.s3.objects("orders-create/")]
    deleted, moved, again = chance.sample(keys, 3)
    stored_at = datetime.now(UTC).isoformat()
    control.s3.redeliver(moved, moved.replace("report_", "again_"), stored_at)
    control.s3.redeliver(again, again, stored_at)
    for key in (deleted, moved):
        control.s3.delete(key)


STICKY = {
    "tap": "tap-sticky-s3",
    "vendor": "s3",
    "schema": "s3_exports",
    "streams": ("orders_create", "orders_update"),
    "prepare": prepare_s3,
    "restate": restate_s3,
    "expire": expire_s3,
}
BATCHES = {"BATCH_CONFIG": json.dumps({"encoding": {"format": "arrow"}, "storage": {}})}

EVERFLOW = {
    "tap": "tap-everflow",
    "vendor": "everflow",
    "schema": "everflow",
    "streams": ("daily_stats", "conversions", "offers", "affiliates"),
    "by_day": frozenset({"daily_stats", "conversions"}),
    "prepare": prepare_everflow,
    "restate": restate_everflow,
    "expire": lambda control: unknown_key(control, "everflow"),
}
#: Two clients, and two filters of one, in the same tables.
SHARED = "everflow, shared tables"

SOURCES = {
    "everflow": Source(**EVERFLOW, settings={"START_DATE": str(START)}),
    SHARED: Source(
        **EVERFLOW,
        settings={"START_DATE": str(START), "CLIENT_ID": "acme", "ADVERTISER_ID": "1"},
        neighbours=(
            {"CLIENT_ID": "acme", "ADVERTISER_ID": "2"},
            {"CLIENT_ID": "birch", "ADVERTISER_ID": "1"},
        ),
    ),
    "gsheets": Source(
        tap="tap-gsheets",
        vendor="gsheets",
        schema="google_sheets",
        streams=(*(f"tab_{number}" for number in range(8)), "gsheets_sheets"),
        settings={
            "SPREADSHEETS": json.dumps([{"spreadsheet": BOOK}]),
            "MAX_SHRINK_PERCENT": "90",
        },
        prepare=prepare_gsheets,
        restate=restate_gsheets,
        expire=expire_gsheets,
        own_settings=lambda sandbox: {"CREDENTIALS_JSON": service_account(sandbox.gsheets_url)},
    ),
    "mautic": Source(
        tap="tap-mautic",
        vendor="mautic",
        schema="mautic",
        streams=(
            *("contacts", "contact_deletions", "email_stats", "emails", "gone_contacts"),
            *("form_submissions", "lead_event_log", "lead_lists_leads", "lead_points_change_log"),
        ),
        settings={"PAGE_SIZE": "30"},
        dated=True,
        prepare=prepare_mautic,
        restate=restate_mautic,
        expire=expire_mautic,
    ),
    "posthog": Source(
        tap="tap-posthog",
        vendor="posthog",
        schema="posthog",
        streams=("events", "feature_flags", "cohorts"),
        settings={
            "START_DATE": str(START),
            "PAGE_SIZE": "50",
            "EVENTS_KEY": "identity",
            "LOOKBACK_HOURS": "96",
            "REMOVE_DELETED_EVENTS": "true",
        },
        prepare=prepare_posthog,
        restate=restate_posthog,
        expire=expire_posthog,
    ),
    "redtrack": Source(
        tap="tap-redtrack",
        vendor="redtrack",
        schema="redtrack",
        streams=("daily_spend", "conversions", "campaigns"),
        settings={"START_DATE": str(START), "REQUESTS_PER_MINUTE": "60000"},
        by_day=frozenset({"daily_spend", "conversions"}),
        prepare=prepare_redtrack,
        restate=restate_redtrack,
        expire=lambda control: unknown_key(control, "redtrack"),
    ),
    "sticky-s3": Source(**STICKY),
    "sticky-s3, in batches": Source(**STICKY, settings=BATCHES),
    "sticky-s3, without deleted files": Source(
        **STICKY | {"restate": restate_and_delete_s3},
        settings=BATCHES | {"REMOVE_DELETED_FILES": "true"},
    ),
}
