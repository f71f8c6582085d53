"""A role that may not view what others made: Mautic shows it less, and no error."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET, LIMITED_ID
from signalroom_singer import RequestRejectedError, TapError
from tap_mautic.tap import TapMautic

CONTACTS = "contacts"
VERSIONS = (4, 5, 6, 7)
#: Lists of which a role may be shown its own rows only.
LISTS = (
    *("assets", "campaigns", "campaign_events", "companies", "emails", "forms", "pages"),
    "segments",
)
#: The user whose rows are the role's own.
USER = 9


def own(mautic, *numbers):
    """A role that may view its own rows only, and these contacts are."""
    for number in numbers:
        mautic.set(table="leads", where={"id": number}, created_by=USER, owner_id=USER)
    mautic.switches(own_only=True, user=USER)


def activated(output):
    return {one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"}


def ids(output, stream=CONTACTS):
    return [row["id"] for row in output.records[stream]]


class TestFirstRun:
    @pytest.mark.parametrize("version", (5, 7))
    @pytest.mark.parametrize("mode", ("changes", "all"))
    @pytest.mark.parametrize("owned", ((), (5, 91, 200), (300,)), ids=str)
    def test_it_is_noticed(self, make_tap, mautic, sync, version, mode, owned, caplog):
        mautic.switches(version=version)
        own(mautic, *owned)
        output = sync(make_tap(contacts=mode), CONTACTS, "tags", fails=TapError)
        assert "The key may not read contacts:" in str(output.error)
        assert 'the right "View others"' in caplog.text
        assert ids(output) == []
        assert CONTACTS not in activated(output)
        assert len(output.records["tags"]) == 35
        assert "replication_key_value" not in output.state["bookmarks"].get(CONTACTS, {})

    @pytest.mark.parametrize("version", (5, 7))
    @pytest.mark.parametrize("stream", LISTS)
    def test_of_other_lists(self, make_tap, mautic, sync, stream, version):
        mautic.switches(version=version, own_only=True, user=USER)
        resource = "campaigns" if stream == "campaign_events" else stream
        if stream != "companies":
            mautic.change(resource=resource, identifier=1, createdBy=USER)
        output = sync(make_tap(), stream, "tags", fails=TapError)
        assert f"The key may not read {stream}:" in str(output.error)
        assert stream not in activated(output)
        assert len(output.records["tags"]) == 35

    def test_of_the_answers_of_forms(self, make_tap, mautic, sync):
        mautic.switches(own_only=True, user=USER, version=7)
        mautic.change(resource="forms", identifier=1, createdBy=USER)
        output = sync(make_tap(), "form_results", "tags", fails=TapError)
        assert "The key may not read form_results:" in str(output.error)

    def test_it_may_be_meant(self, make_tap, mautic, sync):
        mautic.switches(version=7)
        own(mautic, 5, 91)
        output = sync(make_tap(accept_changes=[CONTACTS]), CONTACTS)
        assert ids(output) == [5, 91]

    def test_or_passed_over(self, make_tap, mautic, sync, caplog):
        own(mautic, 91)
        output = sync(make_tap(on_missing_permission="skip"), CONTACTS, "tags")
        assert ids(output) == []
        assert "contacts: the role of the credentials may not view all of them" in caplog.text

    @pytest.mark.parametrize("tables", (("email_stats",), ("page_hits",), ("lead_lists_leads",)))
    def test_by_whatever_statistics_there_are(self, make_tap, mautic, sync, tables):
        own(mautic, 91)
        for table in {"email_stats", "page_hits", "lead_lists_leads"} - {*tables}:
            mautic.remove(table=table, where={})
        output = sync(make_tap(), CONTACTS, fails=TapError)
        assert "may not read contacts" in str(output.error)


class TestLaterRuns:
    @pytest.mark.parametrize(("version", "mode"), ((4, "all"), (5, "changes"), (7, "changes")))
    @pytest.mark.parametrize("owned", ((), (91,), (300,)), ids=str)
    def test_table_and_bookmark_stay(self, make_tap, mautic, sync, version, mode, owned):
        mautic.switches(version=version)
        first = sync(make_tap(contacts=mode), CONTACTS, "segments", "campaigns")
        mautic.edit(numbers=[3, 7, 150], firstname="Edited")
        own(mautic, *owned)
        tap = make_tap(first.state, contacts=mode)
        second = sync(tap, CONTACTS, "segments", "campaigns", fails=TapError)
        assert "may not read campaigns, contacts, segments" in str(second.error)
        for name in (CONTACTS, "segments", "campaigns"):
            assert second.state["bookmarks"][name] == first.state["bookmarks"][name]
        assert activated(second) == set()
        # Once the role is corrected, what was edited meanwhile is found.
        mautic.switches(own_only=False)
        third = sync(make_tap(second.state, contacts=mode), CONTACTS)
        assert {3, 7, 150} <= {*ids(third)}

    def test_no_statistics_at_all(self, make_tap, mautic, sync, caplog):
        mautic.switches(version=7)
        first = sync(make_tap(), CONTACTS)
        for table in ("email_stats", "page_hits", "lead_lists_leads"):
            mautic.remove(table=table, where={})
        own(mautic, 91)
        second = sync(make_tap(first.state), CONTACTS, fails=TapError)
        assert "may not read contacts" in str(second.error)
        mautic.switches(user=0)
        third = sync(make_tap(first.state), CONTACTS, fails=TapError)
        assert "Mautic shows no rows, where it showed some before" in caplog.text
        assert third.state["bookmarks"][CONTACTS] == first.state["bookmarks"][CONTACTS]

    def test_a_sweep_that_was_stopped_does_not_go_on(self, make_tap, mautic, sync):
        whole = sync(make_tap(), CONTACTS)
        stops = [one["value"] for one in whole.messages if one["type"] == "STATE"]
        state = next(one for one in stops if "sweep" in one.get("bookmarks", {}).get(CONTACTS, {}))
        own(mautic, 91)
        output = sync(make_tap(state), CONTACTS, fails=TapError)
        assert ids(output) == []
        assert output.state["bookmarks"][CONTACTS]["sweep"] == state["bookmarks"][CONTACTS]["sweep"]


class TestConnectionTest:
    def run(self, sandbox, tmp_path, **config):
        path = tmp_path / "config.json"
        settings = {
            "api_url": sandbox.mautic_url,
            "oauth_client_id": CLIENT_ID,
            "oauth_client_secret": CLIENT_SECRET,
        }
        path.write_text(json.dumps(settings | config))
        return CliRunner().invoke(TapMautic.cli, ["--config", str(path), "--test"])

    @pytest.mark.parametrize("version", (5, 7))
    @pytest.mark.parametrize("stream", (CONTACTS, *LISTS))
    def test_it_says_so(self, make_tap, mautic, version, stream):
        mautic.switches(version=version)
        own(mautic, 91)
        tap = make_tap()
        with pytest.raises(
            RequestRejectedError, match=f"{stream}: the role of the credentials may not"
        ):
            tap.run_sync_dry_run(1, [tap.streams[stream]])

    def test_as_a_command(self, mautic, sandbox, tmp_path):
        own(mautic, 91)
        assert self.run(sandbox, tmp_path).exit_code == 77
        mautic.switches(own_only=False)
        assert self.run(sandbox, tmp_path).exit_code == 0


class TestNoFalseAlarm:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_with_every_right(self, make_tap, mautic, sync, version, asked):
        mautic.switches(version=version)
        output = sync(make_tap(), CONTACTS, *LISTS, "form_results")
        assert len(ids(output)) == 300

    @pytest.mark.parametrize("version", (5, 7))
    def test_where_one_user_made_all(self, make_tap, mautic, sync, version):
        mautic.switches(version=version)
        own(mautic, *range(1, 301))
        assert len(ids(sync(make_tap(), CONTACTS))) == 300

    @pytest.mark.parametrize("left", (0, 1, 3))
    def test_few_contacts(self, make_tap, mautic, sync, left):
        mautic.delete(numbers=[*range(left + 1, 301)])
        assert len(ids(sync(make_tap(), CONTACTS))) == left

    def test_the_newest_are_deleted(self, make_tap, mautic, sync):
        first = sync(make_tap(), CONTACTS)
        mautic.delete(numbers=[*range(280, 301)])
        mautic.edit(numbers=[3], firstname="Edited")
        assert 3 in ids(sync(make_tap(first.state), CONTACTS))

    def test_most_are_deleted_and_that_is_meant(self, make_tap, mautic, sync, caplog):
        first = sync(make_tap(), CONTACTS)
        mautic.delete(numbers=[*range(100, 301)])
        mautic.edit(numbers=[3], firstname="Edited")
        second = sync(make_tap(first.state), CONTACTS, fails=TapError)
        assert "none with an id above 99, where it showed some up to 300 before" in caplog.text
        third = sync(make_tap(second.state, accept_changes=[CONTACTS]), CONTACTS)
        assert 3 in ids(third)
        # From then on that is how many there are.
        assert sync(make_tap(third.state), CONTACTS).error is None

    def test_one_that_comes_while_it_looks(self, make_tap, mautic, sync, monkeypatch):
        tap = make_tap()
        stream = tap.streams[CONTACTS]
        newest = type(stream).request_newest_id
        made = []

        def slow(self):
            highest = newest(self)
            if not made:
                made.extend(mautic.add(count=1))
                mautic.insert(table="email_stats", rows=[{"id": 9001, "lead_id": made[0]}])
            return highest

        monkeypatch.setattr(type(stream), "request_newest_id", slow)
        assert sync(tap, CONTACTS).error is None

    def test_statistics_that_cannot_be_read(self, make_tap, mautic, sandbox, sync):
        body = {"errors": [{"message": "no permission", "code": 403}]}
        sandbox.control.fault(
            "answer", vendor="mautic", match="stats/", status=200, headers={}, body=body, times=99
        )
        assert len(ids(sync(make_tap(), CONTACTS))) == 300

    def test_a_role_that_may_view_none_is_said_as_that(self, make_tap, sync, caplog):
        output = sync(make_tap(oauth_client_id=LIMITED_ID), "forms", fails=TapError)
        assert "You do not have access to the requested area/action" in caplog.text
        assert "View others" not in str(output.error) + caplog.text

    def test_how_many_requests_it_takes(self, make_tap, sandbox, sync, asked):
        sync(make_tap(), CONTACTS, *LISTS)
        paths = [one["path"] for one in sandbox.control.requests()["requests"]]
        tables = [one for one in paths if one.startswith("/api/stats/")]
        # Each table once, whichever streams look into it.
        assert sorted(tables) == sorted({*tables})
        assert len(tables) == 7
        single = [one for one in paths if one.rsplit("/", 1)[-1].isdecimal()]
        assert len(single) <= 2 * (len(LISTS) + 1)
