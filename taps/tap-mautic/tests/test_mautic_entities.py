"""Lists of what people made in Mautic."""

from __future__ import annotations

import json

import pytest

from signalroom_sandbox.mautic import LIMITED_ID
from signalroom_singer import TapError

LISTS = {
    name: name
    for name in (
        *("assets", "campaigns", "categories", "companies", "emails", "forms", "pages"),
        *("segments", "stages", "tags", "users"),
    )
}


@pytest.mark.parametrize("version", (4, 6, 7))
@pytest.mark.parametrize("page_size", (3, 200))
@pytest.mark.parametrize("stream", LISTS)
def test_each_once(make_tap, mautic, sync, stream, page_size, version):
    mautic.switches(version=version)
    rows = sync(make_tap(page_size=page_size), stream).records[stream]
    found = [row["id"] for row in rows]
    assert sorted(found) == sorted(mautic.ids(resource=stream))
    assert len(found) == len({*found})


def test_a_page_of_emails_of_many_segments(make_tap, mautic, sync):
    # Joined with its segments, one alone is more than a page.
    mautic.switches(joined_pages=True)
    mautic.change(resource="emails", identifier=7, segments=40)
    rows = sync(make_tap(page_size=10), "emails").records["emails"]
    assert sorted(row["id"] for row in rows) == [*range(1, 47)]


def test_variants_and_translations(make_tap, mautic, sync):
    for version in (5, 7):
        mautic.switches(version=version)
        rows = {row["id"]: row for row in sync(make_tap(), "emails").records["emails"]}
        assert rows[4]["variant_parent"]["id"] == 1
        assert {*rows[1]["variant_children"]} == {"4", "9"}


def test_counters_are_read_each_time(make_tap, mautic, sync):
    first = sync(make_tap(), "emails")
    mautic.change(resource="emails", identifier=3, readCount=1000)
    second = sync(make_tap(first.state), "emails")
    counts = {row["id"]: row["read_count"] for row in second.records["emails"]}
    assert counts[3] == 1000


def test_events_of_campaigns(make_tap, sync):
    rows = sync(make_tap(), "campaign_events").records["campaign_events"]
    assert {(row["campaign_id"], row["id"]) for row in rows} >= {(1, 100), (2, 200), (2, 201)}
    assert {row["type"] for row in rows} == {"email.send", "campaign.sendwebhook"}
    by_id = {row["id"]: row for row in rows}
    assert by_id[201]["trigger_hour"] is None
    assert by_id[702]["trigger_hour"] == "1970-01-01T09:30:00+00:00"
    assert by_id[702]["trigger_restricted_days_of_week"] == [1, 2]
    assert by_id[201]["parent"] == {
        "id": 200,
        "name": "Step 0",
        "type": "email.send",
        "eventType": "action",
    }


def test_fields_of_contacts_and_companies_are_apart(make_tap, sync):
    output = sync(make_tap(), "contact_fields", "company_fields")
    assert {row["object"] for row in output.records["contact_fields"]} == {"lead"}
    assert len(output.records["contact_fields"]) == 24
    assert {row["object"] for row in output.records["company_fields"]} == {"company"}
    assert len(output.records["company_fields"]) == 6


def test_companies_have_their_fields(make_tap, sync):
    row = sync(make_tap(), "companies").records["companies"][0]
    assert (row["id"], row["companyname"], row["score"]) == (1, "Example Ltd 1", 1)
    assert str(row["annual_revenue"]) == "1000.5"


def test_answers_of_forms_go_on_after_the_last(make_tap, mautic, sync):
    first = sync(make_tap(), "form_results")
    rows = first.records["form_results"]
    truth = mautic.rows(table="form_submissions")
    of_forms = [row for row in truth if row["form_id"] in mautic.ids(resource="forms")]
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in of_forms)
    assert rows[0]["results"]["email"].endswith("@example.com")
    partitions = first.state["bookmarks"]["form_results"]["partitions"]
    assert {one["context"]["form_id"] for one in partitions} == {*mautic.ids(resource="forms")}
    new = {"id": 9001, "form_id": 2, "lead_id": 5, "date_submitted": "2026-01-01 00:00:00"}
    mautic.insert(table="form_submissions", rows=[new])
    second = sync(make_tap(first.state), "form_results")
    assert [row["id"] for row in second.records["form_results"]] == [9001]


def test_answers_that_a_role_may_not_see_or_that_are_none(make_tap, mautic, sync):
    tap = make_tap(oauth_client_id=LIMITED_ID)
    output = sync(tap, "form_results", "tags", fails=TapError)
    assert "may not read form_results" in str(output.error)
    assert len(output.records["tags"]) == 35
    for number in mautic.ids(resource="forms"):
        mautic.change(resource="forms", identifier=number, deleted=True)
    assert sync(make_tap(), "form_results").records["form_results"] == []


def test_html_is_left_out(make_tap, sync):
    output = sync(make_tap(), "emails", "pages", "forms")
    assert "<html>" not in json.dumps(output.messages, default=str)
    rows = sync(make_tap(include_html=True), "emails").records["emails"]
    assert rows[0]["custom_html"].startswith("<html>")


def test_deleted_campaigns_are_not_there(make_tap, mautic, sync):
    rows = sync(make_tap(), "campaigns").records["campaigns"]
    assert 3 not in {row["id"] for row in rows}


def test_what_a_role_may_not_see(make_tap, sync, caplog):
    tap = make_tap(oauth_client_id=LIMITED_ID)
    output = sync(tap, "forms", "emails", "webhook_logs", fails=TapError)
    assert "may not read forms, webhook_logs" in str(output.error)
    assert len(output.records["emails"]) == 46
    assert "You do not have access to the requested area/action" in caplog.text
    assert "Give the role of the credentials the permission" in caplog.text
    skipping = make_tap(oauth_client_id=LIMITED_ID, on_missing_permission="skip")
    assert len(sync(skipping, "forms", "emails").records["emails"]) == 46
