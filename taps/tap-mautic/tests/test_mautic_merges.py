"""Contacts that go: merged into others, as Mautic does every day, or deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

GONE, DELETIONS, STATS = "gone_contacts", "contact_deletions", "email_stats"
MOVED = ("email_stats", "form_submissions", "page_hits", "asset_downloads", "lead_devices")


def ago(**span):
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S")


def table(stream, key, *outputs):
    """The table after these runs."""
    return {row[key]: row for output in outputs for row in output.records[stream]}


def finals(*outputs):
    rows = table(GONE, "contact_id", *outputs).values()
    return {row["contact_id"]: row["final_id"] for row in rows}


class TestStatistics:
    @pytest.mark.parametrize("stream", MOVED)
    def test_rows_that_moved_are_read_again(self, make_tap, mautic, sync, stream):
        first = sync(make_tap(), stream)
        # The known contact goes; the new, anonymous one stays.
        (made,) = mautic.add(count=1)
        mautic.merge(loser=158, winner=made)
        second = sync(make_tap(first.state), stream)
        rows = table(stream, "id", first, second)
        truth = {row["id"]: row["lead_id"] for row in mautic.rows(table=stream)}
        assert {number: row["lead_id"] for number, row in rows.items()} == truth
        assert made in truth.values()

    def test_old_ones_too_and_over_chains(self, make_tap, mautic, sync):
        old = {"id": 5001, "email_id": 1, "lead_id": 1, "date_sent": ago(days=400)}
        mautic.insert(table=STATS, rows=[old])
        first = sync(make_tap(), STATS)
        made = mautic.add(count=3)
        for loser, winner in zip((1, *made), made, strict=False):
            mautic.merge(loser=loser, winner=winner)
        second = sync(make_tap(first.state), STATS)
        assert table(STATS, "id", first, second)[5001]["lead_id"] == made[-1]

    def test_not_before_the_start(self, make_tap, mautic, sync):
        old = {"id": 5001, "email_id": 1, "lead_id": 1, "date_sent": ago(days=400)}
        mautic.insert(table=STATS, rows=[old])
        start = (datetime.now(UTC) - timedelta(days=50)).date().isoformat()
        first = sync(make_tap(start_date=start), STATS)
        mautic.merge(loser=1, winner=2)
        second = sync(make_tap(first.state, start_date=start), STATS)
        assert 5001 not in table(STATS, "id", first, second)

    def test_many_in_one_request_each(self, make_tap, mautic, sync, asked):
        first = sync(make_tap(), STATS)
        for number in range(1, 41, 2):
            mautic.merge(loser=number, winner=number + 1)
        second = sync(make_tap(first.state, page_size=10), STATS)
        rows = table(STATS, "id", first, second)
        truth = {row["id"]: row["lead_id"] for row in mautic.rows(table=STATS)}
        assert {number: row["lead_id"] for number, row in rows.items()} == truth
        # And none where nothing was merged.
        before = len([one for one in asked("/api/stats/email_stats") if "lead_id" in one])
        mautic.set(table="audit_log", where={"action": "merge"}, date_added=ago(days=9))
        sync(make_tap(second.state), STATS)
        after = len([one for one in asked("/api/stats/email_stats") if "lead_id" in one])
        assert after == before > 0

    def test_it_goes_on_where_it_was(self, make_tap, mautic, sync):
        first = sync(make_tap(), STATS)
        for number in range(1, 41, 2):
            mautic.merge(loser=number, winner=number + 1)
        whole = sync(make_tap(first.state, page_size=10), STATS)
        truth = {row["id"]: row["lead_id"] for row in mautic.rows(table=STATS)}
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        for stop in stops[::4]:
            rows = table(STATS, "id", first)
            rows |= {
                one["record"]["id"]: one["record"]
                for one in whole.messages[:stop]
                if one["type"] == "RECORD"
            }
            rest = sync(make_tap(whole.messages[stop]["value"], page_size=10), STATS)
            rows |= table(STATS, "id", rest)
            assert {number: row["lead_id"] for number, row in rows.items()} == truth

    def test_an_audit_log_that_nobody_may_read(self, make_tap, mautic, sync, caplog):
        mautic.switches(audit_hidden=True)
        first = sync(make_tap(), STATS, GONE)
        mautic.merge(loser=1, winner=2)
        second = sync(make_tap(first.state), STATS, GONE)
        assert "Which contacts were merged or deleted is not known" in caplog.text
        assert "Contacts that are gone are not known" in caplog.text
        assert second.error is None
        assert second.records[STATS]


class TestGone:
    def test_each_is_named_once_with_its_heir(self, make_tap, mautic, sync):
        made = mautic.add(count=3)
        for loser, winner in zip((1, *made), made, strict=False):
            mautic.merge(loser=loser, winner=winner)
        mautic.delete(numbers=[7])
        output = sync(make_tap(), GONE)
        rows = table(GONE, "contact_id", output)
        assert finals(output) == {1: made[2], made[0]: made[2], made[1]: made[2], 7: None}
        assert {number: row["action"] for number, row in rows.items() if number < 300} == {
            1: "merge",
            7: "delete",
        }
        assert rows[1]["merged_into_id"] == made[0]
        assert rows[1]["date_added"].endswith("Z")

    def test_all_that_the_log_says_of_it(self, make_tap, mautic, sync):
        mautic.merge(loser=8, winner=9)
        mautic.delete(numbers=[7])
        log = {
            (row["object_id"], row["action"]): row
            for row in mautic.rows(table="audit_log")
            if row["action"] in {"merge", "delete"}
        }
        output = sync(make_tap(), GONE, DELETIONS)
        for contact, action, heir in ((8, "merge", 9), (7, "delete", None)):
            entry = log[contact, action]
            at = f"{entry['date_added'].replace(' ', 'T')}.000000Z"
            gone = table(GONE, "contact_id", output)[contact]
            assert (
                gone.items()
                >= {
                    "id": entry["id"],
                    "action": action,
                    "merged_into_id": heir,
                    "final_id": heir,
                    "date_added": at,
                }.items()
            )
            deleted = table(DELETIONS, "id", output)[entry["id"]]
            assert (
                deleted.items()
                >= {
                    "contact_id": contact,
                    "action": action,
                    "merged_into_id": heir,
                    "date_added": at,
                    "user_id": entry["user_id"],
                    "user_name": entry["user_name"],
                }.items()
            )

    def test_an_heir_that_goes_later(self, make_tap, mautic, sync):
        mautic.merge(loser=1, winner=2)
        first = sync(make_tap(), GONE)
        mautic.set(table="audit_log", where={"object_id": 1}, date_added=ago(days=9))
        mautic.merge(loser=2, winner=3)
        second = sync(make_tap(first.state), GONE)
        assert finals(first, second) == {1: 3, 2: 3}
        mautic.delete(numbers=[3])
        third = sync(make_tap(second.state), GONE)
        assert finals(first, second, third) == {1: None, 2: None, 3: None}

    def test_contacts_that_are_not_gone_are_those_of_mautic(self, make_tap, mautic, sync):
        first = sync(make_tap(), "contacts", GONE)
        (made,) = mautic.add(count=1)
        mautic.merge(loser=158, winner=made)
        mautic.delete(numbers=[7, 8])
        second = sync(make_tap(first.state), "contacts", GONE)
        there = table("contacts", "id", first, second).keys() - finals(first, second).keys()
        assert there == set(mautic.ids(resource="leads"))

    @pytest.mark.parametrize("stream", (GONE, DELETIONS))
    def test_it_goes_on_where_it_was(self, make_tap, mautic, sync, stream):
        first = sync(make_tap(), stream)
        for number in range(1, 21, 2):
            mautic.merge(loser=number, winner=number + 1)
        mautic.delete(numbers=[40, 42])
        key = "contact_id" if stream == GONE else "id"
        whole = sync(make_tap(first.state, page_size=1), stream)
        expected = table(stream, key, whole)
        assert len(expected) == 12
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        for stop in stops[::3]:
            before = {
                one["record"][key] for one in whole.messages[:stop] if one["type"] == "RECORD"
            }
            rest = sync(make_tap(whole.messages[stop]["value"], page_size=1), stream)
            assert before | table(stream, key, rest).keys() == expected.keys()

    def test_a_merge_is_one_deletion(self, make_tap, mautic, sync):
        first = sync(make_tap(), DELETIONS)
        mautic.merge(loser=8, winner=9)
        mautic.delete(numbers=[7])
        rows = sync(make_tap(first.state), DELETIONS).records[DELETIONS]
        found = [(row["contact_id"], row["action"], row["merged_into_id"]) for row in rows]
        assert found == [(8, "merge", 9), (7, "delete", None)]

    def test_a_deletion_before_a_merge_counts_too(self, make_tap, mautic, sync):
        """The contact came back from a backup in between."""
        (contact,) = (row for row in mautic.rows(table="leads") if row["id"] == 8)
        mautic.delete(numbers=[8])
        first = sync(make_tap(), DELETIONS)
        mautic.insert(table="leads", rows=[contact])
        mautic.merge(loser=8, winner=9)
        for output in (sync(make_tap(first.state), DELETIONS), sync(make_tap(), DELETIONS)):
            rows = table(DELETIONS, "id", first, output).values()
            assert [row["action"] for row in rows if row["contact_id"] == 8] == ["delete", "merge"]
        second = sync(make_tap(), GONE)
        assert finals(second)[8] == 9
