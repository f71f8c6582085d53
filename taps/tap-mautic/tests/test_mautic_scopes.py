"""Which rows the tap says it has read completely: a table without the others is Mautic's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from signalroom_singer import TapError

KEYWORD = "x-complete-scopes"
CONTACTS = "contacts"
USER = 9
#: Tables whose rows Mautic deletes with their contact, and what they are read by.
OF_CONTACTS = {
    "campaign_lead_event_log": "date_triggered",
    "lead_companies_change_log": "date_added",
    "lead_devices": "date_added",
    "lead_event_log": "date_added",
    "lead_points_change_log": "date_added",
    "lead_stages_change_log": "date_added",
    "lead_utmtags": "date_added",
}
#: Tables whose rows stay, without their contact.
OTHERS = {
    "asset_downloads": "date_download",
    "email_stats": "date_sent",
    "form_submissions": "date_submitted",
    "page_hits": "date_hit",
}


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S")


def meets(record, where):
    """Whether a record meets all conditions; moments are compared as the texts that they are."""
    for column, condition in where.items():
        value = record[column]
        if value is None or value not in condition.get("in", [value]):
            return False
        if "from" in condition and value < condition["from"]:
            return False
        if "before" in condition and value >= condition["before"]:
            return False
    return True


def load(table, output, stream):
    """Load what a run sent into a table, by key, as a loader that obeys scopes does."""
    sent = set()
    for message in output.messages:
        if message["type"] == "RECORD" and message["stream"] == stream:
            record = message["record"]
            table[record["id"]] = record
            sent.add(record["id"])
        for scope in message.get(KEYWORD, ()):
            if scope["stream"] == stream:
                gone = {number for number in table.keys() - sent if "where" in scope}
                for number in gone:
                    if meets(table[number], scope["where"]):
                        del table[number]
                sent.clear()
    return table


def overdue(state):
    """The state of a run after which all contacts are due."""
    state["bookmarks"][CONTACTS]["last_whole"] = ago(days=8).replace(" ", "T") + "+00:00"
    return state


class TestContacts:
    def test_pages_of_a_full_scan_leave_no_id_out(self, make_tap, mautic, sync):
        mautic.delete(numbers=[1, 49, 50, 51, *range(120, 190)])
        output = sync(make_tap(), CONTACTS)
        assert output.schemas[CONTACTS]["schema"][KEYWORD] is True
        ranges = [scope["id"] for scope in output.scopes(CONTACTS)]
        assert [one["before"] for one in ranges[:-1]] == [one["from"] for one in ranges[1:]]
        assert (ranges[0]["from"], ranges[-1]["before"]) == (1, 301)

    def test_visitors_that_mautic_cleaned_up(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        table = load({}, first, CONTACTS)
        mautic.delete(numbers=[10, 20, 300])
        # Its clean-up writes no entry.
        mautic.remove(table="audit_log", where={"action": "delete"})
        second = sync(make_tap(first.state), CONTACTS)
        assert len(load(table, second, CONTACTS)) == 300
        third = sync(make_tap(overdue(second.state)), CONTACTS)
        assert load(table, third, CONTACTS).keys() == {*mautic.ids(resource="leads")}

    @pytest.mark.parametrize("version", (4, 5, 6, 7))
    def test_deleted_and_merged_ones(self, make_tap, mautic, sync, version):
        mautic.switches(version=version)
        first = sync(make_tap(), CONTACTS)
        table = load({}, first, CONTACTS)
        mautic.delete(numbers=[7, 8, 299, 300])
        (made,) = mautic.add(count=1)
        mautic.merge(loser=158, winner=made)
        second = sync(make_tap(first.state), CONTACTS)
        assert load(table, second, CONTACTS).keys() == {*mautic.ids(resource="leads")}
        reported = [
            scope
            for message in second.messages
            for scope in message.get(KEYWORD, ())
            if scope.get("deleted")
        ]
        assert [scope["where"] for scope in reported] == [{"id": {"in": [7, 8, 158, 299, 300]}}]

    def test_one_that_comes_back(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        table = load({}, first, CONTACTS)
        (row,) = (row for row in mautic.rows(table="leads") if row["id"] == 7)
        mautic.delete(numbers=[7, 8])
        mautic.insert(table="leads", rows=[row])
        second = sync(make_tap(first.state), CONTACTS)
        assert load(table, second, CONTACTS).keys() == {*range(1, 301)} - {8}

    def test_one_that_was_deleted_while_all_were_read(self, make_tap, mautic, sync, sandbox):
        pages = "api/contacts.*orderBy=id&orderByDir=ASC"
        sandbox.control.fault("http_401", vendor="mautic", match=pages, skip=3, times=99)
        stopped = sync(make_tap(), CONTACTS, fails=Exception)
        table = load({}, stopped, CONTACTS)
        sandbox.control.clear_faults()
        mautic.now(ahead_seconds=5)
        mautic.delete(numbers=[5, 250])
        rest = sync(make_tap(stopped.state), CONTACTS)
        assert load(table, rest, CONTACTS).keys() == {*range(1, 301)} - {250}
        last = sync(make_tap(rest.state), CONTACTS)
        assert load(table, last, CONTACTS).keys() == {*range(1, 301)} - {5, 250}

    def test_only_identified_ones(self, make_tap, mautic, sync):
        output = sync(make_tap(identified_only=True), CONTACTS)
        scopes = output.scopes(CONTACTS)
        assert scopes
        assert {str(scope["date_identified"]) for scope in scopes} == {
            "{'from': '1000-01-01T00:00:00.000000Z'}"
        }
        for record in output.records[CONTACTS]:
            assert sum(meets(record, scope) for scope in scopes) == 1

    def test_all_of_them_in_each_run(self, make_tap, sync):
        output = sync(make_tap(contacts="all"), CONTACTS)
        assert KEYWORD not in output.schemas[CONTACTS]["schema"]
        assert output.scopes(CONTACTS) == []


class TestRoles:
    """A role that is narrowed, by which nothing may be removed: not even a single contact."""

    @pytest.mark.parametrize("version", (5, 6, 7))
    @pytest.mark.parametrize("hidden", ((300,), (1, 2, 3), tuple(range(280, 295))), ids=str)
    def test_few_contacts_are_of_others(self, make_tap, mautic, sync, version, hidden):
        mautic.switches(version=version)
        for table in ("email_stats", "page_hits", "lead_lists_leads"):
            mautic.remove(table=table, where={})
        mautic.set(table="leads", where={"is_published": 1}, created_by=USER, owner_id=USER)
        for number in hidden:
            mautic.set(table="leads", where={"id": number}, created_by=None, owner_id=None)
        first = sync(make_tap(), CONTACTS)
        assert first.scopes(CONTACTS)
        table = load({}, first, CONTACTS)
        mautic.switches(own_only=True, user=USER)
        # Only of the highest id another check notices that it is hidden.
        fails = TapError if 300 in hidden else None
        for accepted, error in (([], fails), ([CONTACTS], None)):
            tap = make_tap(overdue(first.state), accept_changes=accepted)
            second = sync(tap, CONTACTS, fails=error)
            assert second.scopes(CONTACTS) == []
            assert len(load(table, second, CONTACTS)) == 300

    def test_a_role_that_is_meant_to_see_its_own(self, make_tap, mautic, sync):
        output = sync(make_tap(accept_changes=[CONTACTS]), CONTACTS)
        assert len(output.records[CONTACTS]) == 300
        assert output.scopes(CONTACTS) == []
        mautic.delete(numbers=[7])
        second = sync(make_tap(output.state, accept_changes=[CONTACTS]), CONTACTS)
        assert second.scopes(CONTACTS) == [{"id": {"in": [7]}}]

    @pytest.mark.parametrize(
        ("version", "others", "is_certain"),
        (
            (5, {}, False),
            (5, {"created_by": 2, "owner_id": 2}, True),
            (5, {"created_by": None, "owner_id": None}, True),
            # By one rule or the other they may be of the same user.
            (7, {"created_by": None, "owner_id": USER}, False),
            (7, {"created_by": USER, "owner_id": 2}, False),
            (7, {"created_by": 2, "owner_id": None}, True),
        ),
    )
    def test_what_shows_that_it_is_not(self, make_tap, mautic, sync, version, others, is_certain):
        mautic.switches(version=version)
        mautic.set(table="leads", where={"is_published": 1}, created_by=USER, owner_id=USER)
        if others:
            mautic.set(table="leads", where={"id": 40}, **others)
        assert bool(sync(make_tap(), CONTACTS).scopes(CONTACTS)) is is_certain


class TestStatistics:
    @pytest.mark.parametrize(("stream", "date"), (OF_CONTACTS | OTHERS).items())
    def test_what_is_gone_within_the_days_that_are_read_again(
        self, make_tap, mautic, sync, stream, date
    ):
        recent = {"lead_id": 5, date: ago(hours=3)}
        old = {"lead_id": 5, date: ago(days=90)}
        numbers = [*range(2001, 2005)]
        rows = [{"id": number, **recent} for number in numbers] + [{"id": 1999, **old}]
        mautic.insert(table=stream, rows=rows)
        first = sync(make_tap(), stream)
        table = load({}, first, stream)
        for number in (1999, 2002, 2004):
            mautic.remove(table=stream, where={"id": number})
        second = sync(make_tap(first.state), stream)
        load(table, second, stream)
        truth = {int(row["id"]) for row in mautic.rows(table=stream)}
        # Which planned events are gone is only known of the highest ids.
        kept = {1999, 2002} if stream == "campaign_lead_event_log" else {1999}
        assert table.keys() == truth | kept

    @pytest.mark.parametrize("stream", OF_CONTACTS)
    def test_rows_of_contacts_that_are_gone_go_whatever_their_age(
        self, make_tap, mautic, sync, stream
    ):
        first = sync(make_tap(), stream)
        table = load({}, first, stream)
        mautic.delete(numbers=[7, 8])
        mautic.merge(loser=158, winner=159)
        second = sync(make_tap(first.state), stream)
        load(table, second, stream)
        truth = {int(row["id"]): row["lead_id"] for row in mautic.rows(table=stream)}
        assert {number: row["lead_id"] for number, row in table.items()} == truth
        assert not {7, 8, 158} & {*truth.values()}

    @pytest.mark.parametrize("stream", OTHERS)
    def test_rows_that_mautic_keeps_stay(self, make_tap, mautic, sync, stream):
        first = sync(make_tap(), stream)
        table = load({}, first, stream)
        mautic.delete(numbers=[7, 8])
        load(table, sync(make_tap(first.state), stream), stream)
        assert table.keys() == {int(row["id"]) for row in mautic.rows(table=stream)}

    def test_rows_before_the_start_are_no_part_of_it(self, make_tap, sync):
        start = (datetime.now(UTC) - timedelta(days=20)).date().isoformat()
        output = sync(make_tap(start_date=start), "email_stats")
        for scope in output.scopes("email_stats"):
            assert scope["date_sent"] == {"from": f"{start}T00:00:00.000000Z"}
        assert output.records["email_stats"]

    @pytest.mark.parametrize("stream", ("webhook_logs", "contact_deletions", "gone_contacts"))
    def test_what_mautic_cleans_up_stays(self, make_tap, mautic, sync, stream):
        mautic.delete(numbers=[7])
        first = sync(make_tap(), stream)
        assert first.records[stream]
        assert KEYWORD not in first.schemas[stream]["schema"]
        assert sync(make_tap(first.state), stream).scopes(stream) == []

    @pytest.mark.parametrize("seed", range(3))
    def test_whatever_happens_the_table_is_mautics(self, make_tap, mautic, sync, seed):
        """Of rows within the days that are read again; contacts go, come back and are merged."""
        chance = Random(seed)
        streams = (CONTACTS, "lead_event_log", "lead_points_change_log", "form_submissions")
        tables = {stream: {} for stream in streams}
        state, added = None, 5_000
        for _ in range(4):
            output = sync(make_tap(state, page_size=chance.choice((10, 50))), *streams)
            state = output.state
            for stream in streams:
                resource = "leads" if stream == CONTACTS else stream
                truth = {int(row["id"]) for row in mautic.rows(table=resource)}
                assert load(tables[stream], output, stream).keys() == truth
            contacts = mautic.ids(resource="leads")
            back = [row for row in mautic.rows(table="leads") if chance.random() < 0.01]
            loser, winner, *others = chance.sample(contacts, 6)
            mautic.merge(loser=loser, winner=winner)
            mautic.delete(numbers={*others, *(row["id"] for row in back)} - {loser, winner})
            still = {*mautic.ids(resource="leads")}
            mautic.insert(
                table="leads", rows=[row for row in back if row["id"] not in {*still, loser}]
            )
            mautic.add(count=chance.randrange(4))
            for stream in streams[1:]:
                date = (OF_CONTACTS | OTHERS)[stream]
                recent = [
                    row["id"] for row in mautic.rows(table=stream) if row[date] > ago(hours=20)
                ]
                for number in chance.sample(recent, min(3, len(recent))):
                    mautic.remove(table=stream, where={"id": number})
                rows = [
                    {"id": added + number, "lead_id": winner, date: ago(minutes=number)}
                    for number in range(chance.randrange(6))
                ]
                mautic.insert(table=stream, rows=rows)
                added += len(rows)
