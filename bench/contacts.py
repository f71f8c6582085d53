"""Mautic's contacts with many fields, which are edited, added and deleted while they are read.

What is loaded must equal what the instance has in the end: all contacts by number, points and
names, less those that the audit log says were deleted.
"""

from __future__ import annotations

import re
import sys
import time

import requests
from loader import OURS, SCHEMA, new_database
from measure import BIN, growth, piped, result
from vendors import catalog, sandbox

CONTACTS, FIELDS, CHURN = 200_000, 36, 3
PAGE = 500


def load(job, count: int):
    """Load contacts, and return seconds and MB, and the seconds of the pages alone."""
    with sandbox(scale=0.1) as (env, control), new_database() as database:
        mautic = control.mautic
        mautic.make_contacts(count=count, fields=FIELDS)
        env |= {"TAP_MAUTIC_PAGE_SIZE": str(PAGE)}
        alone = pages_alone(env)
        chosen = catalog("tap-mautic", "contacts", job.folder, env)
        both = [
            [BIN / "tap-mautic", "--config=ENV", "--catalog", chosen],
            OURS.command(database, job.folder),
        ]
        mautic.switches(churn=CHURN)
        seconds, peak = piped(both, env)
        mautic.switches(churn=0)
        # Changes of pages that were already read are loaded by the next run.
        piped(both, env)
        check(mautic, database)
    return seconds, peak, alone


def pages_alone(env) -> float:
    """Seconds that the server takes to send all pages."""
    began, after = time.monotonic(), 0
    form = {
        "grant_type": "client_credentials",
        "client_id": env["MAUTIC_CLIENT_ID"],
        "client_secret": env["MAUTIC_CLIENT_SECRET"],
    }
    with requests.Session() as session:
        url = env["MAUTIC_BASE_URL"]
        token = session.post(f"{url}/oauth/v2/token", data=form, timeout=60).json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        while True:
            where = {"where[0][col]": "id", "where[0][expr]": "gt", "where[0][val]": after}
            params = {"orderBy": "id", "orderByDir": "ASC", "limit": PAGE, **where}
            page = session.get(f"{url}/api/contacts", params=params, timeout=60).content
            ids = [int(number) for number in re.findall(rb'"all":\{"id":"(\d+)"', page)]
            if not ids:
                break
            after = max(ids)
    if not after:
        sys.exit("the pages alone: no contact was found in the first of them")
    return time.monotonic() - began


def check(mautic, database) -> None:
    """End the benchmarks if the table differs from the instance."""
    gone = {row["object_id"] for row in mautic.rows(table="audit_log") if row["action"] == "delete"}
    gone_too = ",".join(map(str, sorted(gone))) or "0"
    found = database.execute(
        "SELECT count(*), sum(points), min(id), max(id), sum(length(coalesce(firstname, '')))"
        f" FROM {SCHEMA}.contacts WHERE id NOT IN ({gone_too})"
    )
    expected = mautic.digest()
    if [int(value) for value in found] != [*expected.values()]:
        sys.exit(f"loaded were {found}, not {expected}")


def bench_contacts(job):
    """200,000 contacts with 60 fields, compared with the server's time for the pages alone."""
    count = job.count(CONTACTS)
    seconds, peak, alone = load(job, count)
    name = f"{count:,} contacts of 60 fields"
    yield result(name, seconds, ("the pages alone", alone), peak, budget=0.3)


def bench_contacts_growth(job):
    """Ten times the contacts take ten times as long, with the same memory."""
    small, _, _ = load(job, job.count(CONTACTS // 10))
    large, peak, _ = load(job, job.count(CONTACTS))
    yield growth("growth, 10 x contacts", large, ("1 x", small), peak)


BENCHES = {"contacts": bench_contacts, "contacts-growth": bench_contacts_growth}
