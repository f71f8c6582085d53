"""Contacts: each edit found, whatever the version says of dates, and every field a column."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from signalroom_sandbox.mautic import LIMITED_ID
from signalroom_singer import TapError

CONTACTS = "contacts"


def ids(output, stream=CONTACTS):
    return [row["id"] for row in output.records[stream]]


def by_id(*outputs):
    """The table after these runs."""
    return {row["id"]: row for output in outputs for row in output.records[CONTACTS]}


def bookmark(output):
    return output.state["bookmarks"][CONTACTS]


class TestWhole:
    @pytest.mark.parametrize("version", (4, 5, 6, 7))
    @pytest.mark.parametrize("page_size", (17, 1000))
    def test_each_once(self, make_tap, mautic, sync, version, page_size):
        mautic.switches(version=version)
        output = sync(make_tap(page_size=page_size), CONTACTS)
        assert ids(output) == sorted(mautic.ids(resource="leads"))
        assert len(ids(output)) == 300

    @pytest.mark.parametrize("total", ("low", "high", "abc"))
    def test_totals_that_lie(self, make_tap, mautic, sync, total):
        mautic.switches(total=total)
        assert len(ids(sync(make_tap(), CONTACTS))) == 300

    def test_containers_of_the_other_kind(self, make_tap, mautic, sync):
        mautic.switches(other_containers=True, tags_by_name=True)
        output = sync(make_tap(), CONTACTS, "companies", "emails", "forms")
        assert len(ids(output)) == 300
        assert len(ids(output, "companies")) == 40
        assert by_id(output)[3]["tags"] == ["tag-3"]

    def test_none_at_all(self, make_tap, mautic, sync):
        mautic.delete(numbers=mautic.ids(resource="leads"))
        assert ids(sync(make_tap(), CONTACTS)) == []

    def test_while_others_come_and_go(self, make_tap, mautic, sync):
        before = set(mautic.ids(resource="leads"))
        mautic.switches(churn=6)
        output = sync(make_tap(page_size=20), CONTACTS)
        # Whoever was there all the time was read, each once.
        assert before & set(mautic.ids(resource="leads")) <= set(ids(output))
        assert len(ids(output)) == len({*ids(output)})

    def test_identified_ones_only(self, make_tap, mautic, sync):
        output = sync(make_tap(identified_only=True), CONTACTS)
        assert len(ids(output)) == 270
        assert all(row["date_identified"] for row in output.records[CONTACTS])

    def test_a_server_that_does_not_filter(self, make_tap, mautic, sync):
        tap = make_tap()
        _ = tap.streams
        mautic.switches(where_ignored=True)
        with pytest.raises(TapError, match="it ignores the filter"):
            list(tap.streams[CONTACTS].get_records(None))


class TestFields:
    def test_they_are_columns_of_their_types(self, make_tap, sync):
        output = sync(make_tap(), CONTACTS)
        row = by_id(output)[6]
        assert row["email"] == "lead6@example.com"
        assert row["lastname"] == "O'Sample & <Söhne> 🙂"
        assert row["is_member"] is None
        assert by_id(output)[1]["is_member"] is True
        assert row["interests"] == ["sport", "travel"]
        assert row["birthday"] == "1970-01-07"
        assert str(row["lifetime_value"]) == "8.22"
        assert row["last_order"].endswith("Z")
        assert row["points"] == 6
        properties = output.schemas[CONTACTS]["schema"]["properties"]
        assert properties["lifetime_value"]["type"] == ["number", "null"]
        assert properties["birthday"]["format"] == "date"
        assert properties["interests"]["type"] == ["array", "null"]

    def test_one_that_is_named_like_a_column(self, make_tap, sync):
        row = by_id(sync(make_tap(), CONTACTS))[5]
        assert [item["id"] for item in row["do_not_contact"]] == [5, 305, 605]
        assert row["field_do_not_contact"] == "a field of that name"

    @pytest.mark.parametrize("client", (None, "acme"))
    def test_one_that_is_named_like_a_column_of_every_row(self, make_tap, mautic, sync, client):
        for alias in ("_extra", "_loaded_at", "_client_id"):
            mautic.add_field(alias=alias)
        tap = make_tap(client_id=client) if client else make_tap()
        row = by_id(sync(tap, CONTACTS))[5]
        assert row["field__extra"] == "_extra 5"
        assert row["field__loaded_at"] == "_loaded_at 5"
        assert row["field__client_id"] == "_client_id 5"
        assert row["_loaded_at"].endswith("Z")
        assert row.get("_client_id") == client
        assert "_extra" not in row

    def test_two_that_would_be_the_same_column(self, make_tap, mautic, sync):
        mautic.add_field(alias="field_do_not_contact")
        row = by_id(sync(make_tap(), CONTACTS))[5]
        assert row["field_do_not_contact"] == "field_do_not_contact 5"
        assert row["field_field_do_not_contact"] == "a field of that name"

    def test_a_date_that_is_none(self, make_tap, sync, caplog):
        row = by_id(sync(make_tap(), CONTACTS))[7]
        assert row["birthday"] is None
        assert "_extra" not in row
        assert "could not be read" not in caplog.text

    def test_a_new_one_is_a_column_at_the_next_run(self, make_tap, mautic, sync):
        catalog = make_tap().catalog_dict
        mautic.add_field(alias="score_card", kind="text")
        tap = make_tap()
        # Meltano keeps the catalog of before for a while.
        tap = type(tap)(config=dict(tap.config), catalog=catalog)
        output = sync(tap)
        tap.close()
        assert by_id(output)[1]["score_card"] == "score_card 1"
        assert "score_card" in output.schemas[CONTACTS]["schema"]["properties"]

    def test_one_that_comes_while_it_reads_is_kept(self, make_tap, mautic, sync):
        tap = make_tap()
        _ = tap.streams
        stream = tap.streams[CONTACTS]
        mautic.add_field(alias="score_card", kind="text")
        pages = stream.client.iter_by_id(stream.path, CONTACTS)
        rows = [stream.post_process(row) for row in next(pages)]
        assert rows[0]["_extra"] == {"score_card": "score_card 1"}

    def test_one_that_is_taken_out_of_use(self, make_tap, mautic, sync):
        mautic.hide_field(alias="plan")
        output = sync(make_tap(), CONTACTS)
        assert "plan" not in output.schemas[CONTACTS]["schema"]["properties"]
        assert len(ids(output)) == 300

    def test_without_the_flat_form(self, make_tap, mautic, sync):
        whole = by_id(sync(make_tap(), CONTACTS))
        mautic.switches(without_all=True)
        other = by_id(sync(make_tap(), CONTACTS))
        same = ("email", "firstname", "is_member", "birthday", "lifetime_value", "points", "tags")
        for number in (1, 6, 7):
            for name in same:
                assert str(other[number][name]) == str(whole[number][name]), name

    def test_a_role_that_may_not_see_the_list(self, make_tap, sync, caplog):
        output = sync(make_tap(oauth_client_id=LIMITED_ID), CONTACTS, "companies")
        row = by_id(output)[1]
        assert row["email"] == "lead1@example.com"
        assert row["_extra"]["plan"] == "pro"
        assert "all others go into _extra" in caplog.text

    def test_owner_stage_and_what_must_not_be_sent(self, make_tap, mautic, sync):
        mautic.insert(
            table="lead_donotcontact",
            rows=[{"lead_id": 30, "reason": 1, "channel": "email", "date_added": "2026-01-01"}],
        )
        row = by_id(sync(make_tap(), CONTACTS))[30]
        assert (row["owner_id"], row["stage_id"]) == (1, 3)
        assert {"email"} <= {item["channel"] for item in row["do_not_contact"]}

    def test_addresses_are_left_out(self, make_tap, sync):
        output = sync(make_tap(), CONTACTS)
        assert "192.0.2.7" not in json.dumps(output.messages, default=str)
        row = by_id(sync(make_tap(include_ip_addresses=True), CONTACTS))[1]
        assert "192.0.2.7" in row["ip_addresses"]


class TestUndated:
    """What changes contacts, and leaves their dates."""

    def members(self, mautic, company):
        return sorted(
            row["lead_id"]
            for row in mautic.rows(table="companies_leads")
            if row["company_id"] == company and row["is_primary"]
        )

    @pytest.mark.parametrize("version", (4, 5, 6, 7))
    @pytest.mark.parametrize("page_size", (2, 50))
    def test_a_company_is_renamed(self, make_tap, mautic, sync, version, page_size):
        mautic.switches(version=version)
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        members = self.members(mautic, 2)
        mautic.now(ahead_seconds=5)
        mautic.rename_company(number=2, name="Renamed & Söhne GmbH")
        second = sync(make_tap(first.state, lookback_hours=0, page_size=page_size), CONTACTS)
        assert ids(second) == members
        assert {row["company"] for row in second.records[CONTACTS]} == {"Renamed & Söhne GmbH"}
        assert len(members) > 20
        assert ids(sync(make_tap(second.state, lookback_hours=0), CONTACTS)) in ([], members)

    @pytest.mark.parametrize("version", (5, 6))
    def test_a_stage_is_deleted(self, make_tap, mautic, sync, version):
        mautic.switches(version=version)
        first = sync(make_tap(), CONTACTS)
        assert by_id(first)[30]["stage_id"] == 3
        mautic.delete_stage(number=3)
        second = sync(make_tap(first.state), CONTACTS)
        assert len(second.records[CONTACTS]) == 300
        assert by_id(second)[30]["stage_id"] is None
        assert by_id(second)[30]["stage"] is None
        assert len(sync(make_tap(second.state), CONTACTS).records[CONTACTS]) < 300

    def refuse(self, sandbox, path, status, times):
        error = {"code": status, "message": "Not now.", "details": []}
        answer = {"status": status, "headers": {}, "body": {"errors": [error]}}
        sandbox.control.fault("answer", vendor="mautic", match=path, times=times, **answer)

    @pytest.mark.parametrize("status", (403, 500))
    def test_stages_and_companies_that_cannot_be_read(
        self, make_tap, mautic, sandbox, sync, caplog, status
    ):
        first = sync(make_tap(), CONTACTS)
        mautic.edit(numbers=[5], firstname="Edited")
        for path in ("api/stages", "api/companies"):
            self.refuse(sandbox, path, status, times=99)
        second = sync(make_tap(first.state, max_tries=2), CONTACTS)
        assert by_id(second)[5]["firstname"] == "Edited"
        assert "whose company has a new name are not looked for" in caplog.text

    def test_a_stage_that_is_deleted_while_stages_cannot_be_read(
        self, make_tap, mautic, sandbox, sync
    ):
        first = sync(make_tap(), CONTACTS)
        mautic.delete_stage(number=3)
        self.refuse(sandbox, "api/stages", 403, times=1)
        second = sync(make_tap(first.state), CONTACTS)
        assert len(second.records[CONTACTS]) < 300
        assert len(sync(make_tap(second.state), CONTACTS).records[CONTACTS]) == 300

    def test_a_state_that_knows_no_stages(self, make_tap, mautic, sync):
        state = json.loads(json.dumps(sync(make_tap(), CONTACTS).state))
        del state["bookmarks"][CONTACTS]["stages"]
        second = sync(make_tap(state), CONTACTS)
        assert len(second.records[CONTACTS]) < 300
        assert second.state["bookmarks"][CONTACTS]["stages"] == [1, 2, 3, 4]

    def test_more_members_than_are_looked_up(self, make_tap, mautic, sync, monkeypatch, caplog):
        caplog.set_level("INFO", "tap-mautic.contacts")
        monkeypatch.setattr("tap_mautic.undated_changes._MAX_MEMBERS", 10)
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        mautic.now(ahead_seconds=5)
        mautic.rename_company(number=2, name="Renamed GmbH")
        assert ids(sync(make_tap(first.state, lookback_hours=0), CONTACTS)) == []
        assert "the next read of all contacts finds it" in caplog.text


class TestChanges:
    @pytest.mark.parametrize("version", (4, 5, 6, 7))
    def test_edited_and_added_ones(self, make_tap, mautic, sync, version, asked):
        mautic.switches(version=version)
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        mautic.now(ahead_seconds=5)
        mautic.edit(numbers=[3, 7, 150, 299], firstname="Edited")
        made = mautic.add(count=2)
        second = sync(make_tap(first.state, lookback_hours=0), CONTACTS)
        assert sorted({*ids(second)}) == [3, 7, 150, 299, *made]
        assert by_id(first, second)[150]["firstname"] == "Edited"
        # One for contacts that are gone; the others where Mautic does not date edits.
        assert len(asked("/api/stats/audit_log")) == (3 if version > 5 else 1)

    def test_what_was_never_edited_is_found(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        made = mautic.add(count=3)
        second = sync(make_tap(first.state), CONTACTS)
        assert [by_id(second)[one]["date_modified"] for one in made] == [None] * 3
        assert by_id(second)[made[0]]["_updated_at"] == by_id(second)[made[0]]["date_added"]

    @pytest.mark.parametrize("version", (6, 7))
    def test_an_audit_log_that_nobody_may_read(self, make_tap, mautic, sync, version, caplog):
        mautic.switches(version=version, audit_hidden=True)
        first = sync(make_tap(), CONTACTS)
        mautic.edit(numbers=[5], firstname="Edited")
        second = sync(make_tap(first.state), CONTACTS)
        assert len(ids(second)) == 300
        assert by_id(second)[5]["firstname"] == "Edited"
        assert "its audit log cannot be read: reading all contacts" in caplog.text

    @pytest.mark.parametrize("version", (5, 6))
    def test_a_version_that_is_not_told(self, make_tap, mautic, sync, version):
        mautic.switches(version=version, version_hidden=True)
        first = sync(make_tap(lookback_hours=0), CONTACTS, "emails")
        assert len(ids(first, "emails")) == len({*ids(first, "emails")}) == 46
        mautic.now(ahead_seconds=5)
        mautic.edit(numbers=[5], firstname="Edited")
        second = sync(make_tap(first.state, lookback_hours=0), CONTACTS)
        assert {*ids(second)} == {5}

    def test_many_edits_on_six(self, make_tap, mautic, sync):
        mautic.switches(version=6)
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        mautic.now(ahead_seconds=5)
        numbers = [*range(1, 300, 2)]
        mautic.edit(numbers=numbers, firstname="Edited")
        second = sync(make_tap(first.state, lookback_hours=0, page_size=20), CONTACTS)
        assert ids(second) == numbers

    def test_edits_of_the_same_second_as_the_bookmark(self, make_tap, mautic, sync):
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        at = bookmark(first)["replication_key_value"][:19].replace("T", " ")
        mautic.set(table="leads", where={"id": 9}, date_modified=at, firstname="Edited")
        assert ids(sync(make_tap(first.state, lookback_hours=0), CONTACTS)) == [9]

    def test_what_is_written_late_is_in_the_lookback(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        at = datetime.now(UTC) - timedelta(minutes=50)
        mautic.set(
            table="leads",
            where={"id": 9},
            date_modified=at.strftime("%Y-%m-%d %H:%M:%S"),
            firstname="Edited",
        )
        assert ids(sync(make_tap(first.state), CONTACTS)) == [9]

    def test_all_of_them_once_a_week(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        state = first.state
        state["bookmarks"][CONTACTS]["last_whole"] = "2026-01-01T00:00:00Z"
        assert len(ids(sync(make_tap(state), CONTACTS))) == 300
        assert ids(sync(make_tap(state, contacts_whole_days=0), CONTACTS)) == []

    def test_or_all_of_them_each_time(self, make_tap, mautic, sync):
        first = sync(make_tap(contacts="all"), CONTACTS)
        mautic.delete(numbers=[7])
        second = sync(make_tap(first.state, contacts="all"), CONTACTS)
        assert len(ids(second)) == 299
        assert "ACTIVATE_VERSION" in {message["type"] for message in second.messages}

    @pytest.mark.parametrize(("left", "fails"), ((149, TapError), (150, False)))
    def test_contacts_of_which_most_are_gone(self, make_tap, mautic, sync, left, fails):
        first = sync(make_tap(contacts="all"), CONTACTS)
        mautic.delete(numbers=[*range(left + 1, 301)])
        second = sync(make_tap(first.state, contacts="all"), CONTACTS, fails=fails)
        activated = "ACTIVATE_VERSION" in {message["type"] for message in second.messages}
        assert activated is not bool(fails)
        if fails:
            assert "may not read contacts" in str(second.error)
        kept = sync(make_tap(second.state, contacts="all", accept_changes=[CONTACTS]), CONTACTS)
        assert len(ids(kept)) == left

    def test_imports_bring_old_dates(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        old = "2020-01-01 00:00:00"
        made = mautic.add(count=70, audited=False)
        for one in made:
            mautic.set(table="leads", where={"id": one}, date_added=old, date_modified=old)
        assert ids(sync(make_tap(first.state, page_size=20), CONTACTS)) == made

    def test_an_instance_that_had_none(self, make_tap, mautic, sync):
        mautic.delete(numbers=mautic.ids(resource="leads"))
        first = sync(make_tap(), CONTACTS)
        made = mautic.add(count=1, audited=False)
        mautic.set(table="leads", where={"id": made[0]}, date_added="2020-01-01 00:00:00")
        assert {*ids(sync(make_tap(first.state), CONTACTS))} == {*made}

    def test_a_state_of_an_earlier_release(self, make_tap, mautic, sync):
        state = sync(make_tap(), CONTACTS).state
        del state["bookmarks"][CONTACTS]["last_id"]
        made = mautic.add(count=2)
        assert ids(sync(make_tap(state), CONTACTS)) == made

    def test_addresses_of_requests_stay_short(self, make_tap, mautic, sync, asked):
        mautic.switches(version=6)
        mautic.make_contacts(count=1000)
        first = sync(make_tap(lookback_hours=0, page_size=5000), CONTACTS)
        mautic.now(ahead_seconds=5)
        mautic.edit(numbers=[*range(1, 1001)], firstname="Edited")
        second = sync(make_tap(first.state, lookback_hours=0, page_size=1000), CONTACTS)
        assert ids(second) == [*range(1, 1001)]
        assert max(len(str(query)) for query in asked("/api/contacts")) < 4000

    def test_deleted_and_merged_ones_are_told(self, make_tap, mautic, sync):
        first = sync(make_tap(), "contact_deletions")
        assert ids(first, "contact_deletions") == []
        mautic.delete(numbers=[7])
        mautic.merge(loser=8, winner=9)
        rows = sync(make_tap(first.state), "contact_deletions").records["contact_deletions"]
        told = [(row["contact_id"], row["action"], row["merged_into_id"]) for row in rows]
        assert told == [(7, "delete", None), (8, "merge", 9)]

    def test_a_clock_that_is_behind(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        ahead = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        first.state["bookmarks"][CONTACTS]["replication_key_value"] = ahead
        state = first.state
        state["bookmarks"][CONTACTS]["replication_key_value"] = ahead
        mautic.edit(numbers=[5], firstname="Edited")
        assert ids(sync(make_tap(state), CONTACTS)) == [5]


class TestStopped:
    @pytest.mark.parametrize("version", (5, 6))
    def test_it_goes_on_where_it_was(self, make_tap, mautic, sync, version):
        mautic.switches(version=version)
        whole = sync(make_tap(page_size=30), CONTACTS)
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        for stop in stops:
            before = [
                one["record"]["id"] for one in whole.messages[:stop] if one["type"] == "RECORD"
            ]
            after = ids(sync(make_tap(whole.messages[stop]["value"], page_size=30), CONTACTS))
            assert sorted({*before, *after}) == [*range(1, 301)]
            assert len(before) + len(after) <= 330

    @pytest.mark.parametrize("version", (5, 6))
    def test_what_changes_meanwhile_is_the_next_runs(
        self, make_tap, mautic, sync, sandbox, version
    ):
        mautic.switches(version=version)
        pages = "api/contacts.*orderBy=id&orderByDir=ASC"
        sandbox.control.fault("http_401", vendor="mautic", match=pages, skip=3, times=99)
        stopped = sync(make_tap(), CONTACTS, fails=Exception)
        assert ids(stopped) == [*range(1, 151)]
        sandbox.control.clear_faults()
        mautic.now(ahead_seconds=5)
        mautic.edit(numbers=[5, 250], firstname="Edited")
        rest = sync(make_tap(stopped.state), CONTACTS)
        assert ids(rest) == [*range(151, 301)]
        last = sync(make_tap(rest.state), CONTACTS)
        assert by_id(stopped, rest, last)[5]["firstname"] == "Edited"
        assert 5 in ids(last)

    @pytest.mark.parametrize("begun_by", ("all", "log"))
    def test_edits_are_found_another_way_meanwhile(self, make_tap, mautic, sync, begun_by):
        mautic.switches(version=6, audit_hidden=begun_by == "all")
        first = sync(make_tap(lookback_hours=0), CONTACTS)
        mautic.now(ahead_seconds=5)
        edited = [*range(1, 300, 2)]
        mautic.edit(numbers=edited, firstname="Edited")
        made = mautic.add(count=30)
        whole = sync(make_tap(first.state, lookback_hours=0, page_size=20), CONTACTS)
        stops = [n for n, one in enumerate(whole.messages) if one["type"] == "STATE"]
        mautic.switches(audit_hidden=begun_by == "log")
        for stop in stops[:-1]:
            before = [
                one["record"]["id"] for one in whole.messages[:stop] if one["type"] == "RECORD"
            ]
            state = whole.messages[stop]["value"]
            rest = sync(make_tap(state, lookback_hours=0, page_size=50), CONTACTS)
            assert {*edited, *made} <= {*before, *ids(rest)}

    @pytest.mark.parametrize("value", ("yesterday", {"since": 1}, {"since": "x", "began": "y"}))
    def test_a_state_that_is_none(self, make_tap, sync, value):
        key = "replication_key_value" if isinstance(value, str) else "sweep"
        state = {"bookmarks": {CONTACTS: {"replication_key": "_updated_at", key: value}}}
        output = sync(make_tap(state), CONTACTS, fails=TapError)
        told = (
            "is not a timestamp" if isinstance(value, str) else f"{CONTACTS} (sweep) cannot be used"
        )
        assert told in str(output.error)
        assert "meltano state edit" in str(output.error)
