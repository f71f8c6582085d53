"""Reading a table by id: where a scan begins, how it resumes, and what is left to the next."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from singer_sdk import typing as th
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import RequestRejectedError, TapError
from tap_mautic.merges import Merges, merge_winner
from tap_mautic.queries import Condition
from tap_mautic.streams._keyset_scan import Lookup, ScannedStream, ScanProgress
from tap_mautic.undated_changes import request_edited_companies, request_members, request_stages

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


def at(text):
    return f"2026-{text}.000000Z"


class Scanned(ScannedStream):
    """A table that is read by dates of changes in one step, or else in none."""

    name = "things"
    path = "/api/things"
    key = "things"
    replication_key = "date_modified"
    primary_keys = ("id",)
    shows_own_only = True
    schema = th.PropertiesList(th.Property("id", th.IntegerType, required=True)).to_dict()
    interval = None

    @property
    def full_scan_interval(self):
        return self.interval

    def plan_lookups(self, since):
        return ()

    def plan_steps(self, since):
        if since is None:
            return [[]]
        return [[Condition("changed", "gte", since.isoformat())], [Condition("undated", "eq", 1)]]


@pytest.fixture
def scan(make_tap, monkeypatch):
    """Read a table of 30 rows with a state; gives ids, conditions, and states after each page."""

    def run(state=None, *, newest=30, rows=range(1, 31), pages=10, interval=None, **config):
        mark = {"bookmarks": {"things": state}} if state is not None else {"bookmarks": {}}
        tap = make_tap(mark, **config)
        stream = Scanned(tap, tap.client)
        stream.interval = interval
        asked, states, scopes = [], [], []

        def iter_by_id(path, key, conditions, after, id_column):
            assert (path, key, id_column) == ("/api/things", "things", "id")
            asked.append((*[str(condition.value) for condition in conditions], after))
            bounds = {c.operator: c.value for c in conditions if c.column == "id"}
            named = bounds.get("in", ",".join(map(str, rows))).split(",")
            ids = [
                number
                for number in rows
                if bounds.get("gt", 0) < number <= bounds.get("lte", newest)
                and number > after
                and str(number) in named
            ]
            yield []
            for start in range(0, len(ids), pages):
                yield [{"id": str(number)} for number in ids[start : start + pages]]

        monkeypatch.setattr(stream.client, "iter_by_id", iter_by_id)
        monkeypatch.setattr(stream, "request_newest_id", lambda: newest)
        monkeypatch.setattr(type(tap.client.instance), "now", lambda _: NOON)

        def write_scope(conditions, **flags):
            states.append(dict(stream.stream_state))
            scopes.append(conditions)
            assert flags == ({"deleted": True} if "deleted" in flags else {"is_page": True})

        monkeypatch.setattr(stream, "write_scope", write_scope)
        result = SimpleNamespace(ids=[], asked=asked, states=states, scopes=scopes, stream=stream)
        result.lazily = stream.read(None)
        return result

    return run


def run_to_the_end(result):
    result.ids.extend(int(row["id"]) for row in result.lazily)
    return result


BOOKMARK = {"replication_key": "date_modified", "replication_key_value": "2026-03-19T12:00:00Z"}
SINCE = "2026-03-18T12:00:00+00:00"


class TestFirstScan:
    def test_all_rows_up_to_the_newest(self, scan):
        result = run_to_the_end(scan())
        assert result.ids == [*range(1, 31)]
        assert result.asked == [("30", 0)]
        assert result.states[-1] == {
            "replication_key": "date_modified",
            "replication_key_value": at("03-20T12:00:00"),
            "last_id": 30,
            "last_whole": at("03-20T12:00:00"),
        }

    def test_each_page_is_in_the_state(self, scan):
        result = run_to_the_end(scan())
        scans = [state["sweep"] for state in result.states if "sweep" in state]
        assert [(mark["step"], mark["after"]) for mark in scans] == [
            *((0, 10), (0, 20), (0, 30), (1, 0))
        ]
        assert {(mark["since"], mark["until"], mark["known"], mark["steps"]) for mark in scans} == {
            ("", 30, None, 1)
        }
        assert {state["replication_key"] for state in result.states} == {"date_modified"}

    def test_progress_counts_ids(self, scan):
        result = run_to_the_end(scan())
        progress = result.stream.progress
        assert (progress.done, progress.total, progress.unit) == (30, 30, "ids")

    def test_it_resumes_after_the_last_page(self, scan):
        first = scan()
        read = [next(first.lazily) for _ in range(21)]
        assert [int(row["id"]) for row in read] == [*range(1, 22)]
        state = first.states[-1]
        assert state["sweep"]["after"] == 20
        assert "replication_key_value" not in state
        # Ten rows more have come, which belong to the next scan.
        second = run_to_the_end(scan(state, newest=40, rows=range(1, 41)))
        assert second.ids == [*range(21, 31)]
        assert second.states[-1]["last_id"] == 30
        assert second.stream.progress.total == 10
        assert second.stream.progress.done == 10

    def test_an_empty_table(self, scan):
        result = run_to_the_end(scan(newest=0, rows=()))
        assert result.ids == []
        assert result.states[-1]["last_id"] == 0
        assert result.states[-1]["replication_key_value"] == at("03-20T12:00:00")


class TestLaterScans:
    def test_changes_and_new_rows(self, scan):
        state = BOOKMARK | {"last_id": 25, "last_whole": "2026-03-01T00:00:00Z"}
        result = run_to_the_end(scan(state, lookback_hours=24))
        # Rows that were known by what changed, others by their id.
        assert result.asked == [(SINCE, "25", 0), ("1", "25", 0), ("25", "30", 0)]
        assert result.ids == [*range(1, 26), *range(1, 26), *range(26, 31)]
        assert result.states[-1]["last_id"] == 30
        assert result.states[-1]["last_whole"] == "2026-03-01T00:00:00Z"

    def test_without_new_rows_there_is_no_step_for_them(self, scan):
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 30}, lookback_hours=24))
        assert result.asked == [(SINCE, "30", 0), ("1", "30", 0)]
        assert result.stream.progress.total == 0

    def test_rows_at_the_end_were_deleted(self, scan):
        state = BOOKMARK | {"last_id": 40}
        assert run_to_the_end(scan(state, lookback_hours=24)).asked[0] == (SINCE, "30", 0)

    def test_a_state_of_an_earlier_version_without_the_last_id(self, scan):
        assert run_to_the_end(scan(BOOKMARK, lookback_hours=24)).asked[0] == (SINCE, "30", 0)

    def test_it_resumes_within_a_step(self, scan):
        state = BOOKMARK | {"last_id": 25}
        first = scan(state, lookback_hours=24)
        for _ in range(25 + 11):
            next(first.lazily)
        resumed = first.states[-1]
        assert (resumed["sweep"]["step"], resumed["sweep"]["after"]) == (1, 10)
        second = run_to_the_end(scan(resumed, lookback_hours=24))
        assert second.asked == [("1", "25", 10), ("25", "30", 0)]
        assert second.ids == [*range(11, 31)]

    def test_a_scan_of_other_steps_starts_over(self, scan):
        saved = ScanProgress(at("03-18T12:00:00"), at("03-20T11:00:00"), 30, 25, 9, 2, 7)
        result = run_to_the_end(scan(BOOKMARK | {"sweep": asdict(saved)}))
        assert result.asked[0] == (SINCE, "25", 0)
        # It stays the scan that began an hour ago: later changes are the next one's.
        assert result.states[-1]["replication_key_value"] == at("03-20T11:00:00")

    def test_a_bookmark_of_other_settings_does_not_count(self, scan):
        state = BOOKMARK | {"replication_key": "date_added", "last_id": 25}
        assert run_to_the_end(scan(state)).asked == [("30", 0)]

    @pytest.mark.parametrize(("ahead", "is_warned"), ((0, False), (1, True)))
    def test_a_bookmark_ahead_of_the_clock(self, scan, caplog, ahead, is_warned):
        moment = NOON + timedelta(seconds=ahead)
        state = BOOKMARK | {"replication_key_value": moment.isoformat()}
        result = run_to_the_end(scan(state, lookback_hours=24))
        assert result.asked[0][0] == "2026-03-19T12:00:00+00:00"
        warning = (
            "The bookmark 2026-03-20T12:00:01.000000Z is ahead of the clock; reading again from "
            "2026-03-19T12:00:00.000000Z"
        )
        assert (warning in caplog.messages) is is_warned

    @pytest.mark.parametrize(("days", "is_full"), ((7, True), (8, False)))
    def test_everything_is_read_again_now_and_then(self, scan, days, is_full):
        state = BOOKMARK | {"last_id": 30, "last_whole": "2026-03-13T12:00:00Z"}
        result = run_to_the_end(scan(state, interval=timedelta(days=days), lookback_hours=24))
        assert result.asked[0] == (("30", 0) if is_full else (SINCE, "30", 0))
        last_full = at("03-20T12:00:00") if is_full else "2026-03-13T12:00:00Z"
        assert result.states[-1]["last_whole"] == last_full

    def test_before_the_first_full_scan_none_is_due(self, scan):
        result = run_to_the_end(scan(BOOKMARK, interval=timedelta(days=7), lookback_hours=24))
        assert result.asked[0] == (SINCE, "30", 0)

    def test_the_log_says_what_is_read(self, scan, caplog):
        caplog.set_level("INFO")
        run_to_the_end(scan())
        run_to_the_end(scan(BOOKMARK, lookback_hours=24))
        told = [text for text in caplog.messages if text.startswith("Reading")]
        assert told == [
            "Reading all",
            "Reading what has changed since 2026-03-18T12:00:00.000000Z",
        ]

    def test_a_table_whose_rows_are_all_gone_looks_like_a_narrowed_role(self, scan):
        with pytest.raises(
            RequestRejectedError, match="things: Mautic shows no rows, where it showed some"
        ):
            run_to_the_end(scan(BOOKMARK | {"last_id": 25}, newest=0, rows=()))
        run_to_the_end(scan(BOOKMARK | {"last_id": 0}, newest=0, rows=()))


def by_id(first, before):
    return {"id": {"from": first, "before": before}}


class TestScopes:
    """Which rows a page is complete for."""

    def test_each_page_of_a_full_scan(self, scan):
        result = run_to_the_end(scan(newest=40, rows=range(3, 31)))
        # The first page begins at the first id that there may be, the last ends at the last one.
        assert result.scopes == [by_id(1, 13), by_id(13, 23), by_id(23, 31), by_id(31, 41), None]
        after = [state["sweep"]["after"] for state in result.states[:3]]
        assert after == [12, 22, 30]

    def test_a_scan_that_resumes(self, scan):
        first = scan()
        for _ in range(21):
            next(first.lazily)
        assert first.scopes == [by_id(1, 11), by_id(11, 21)]
        assert run_to_the_end(scan(first.states[-1])).scopes == [by_id(21, 31), None, None]

    def test_dates_that_change_and_rows_without_one(self, scan):
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 25}, pages=20))
        # Two pages by the date, two by something else, and new ones, which no filter leaves out.
        assert result.scopes == [*[None] * 3, *[None] * 3, by_id(26, 31), None, None]

    def test_a_date_that_stays(self, scan, monkeypatch):
        monkeypatch.setattr(Scanned, "fixed_date", "changed")
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 25}, pages=20, lookback_hours=24))
        dated = {"changed": {"from": at("03-18T12:00:00")}}
        assert result.scopes[:3] == [by_id(1, 21) | dated, by_id(21, 26) | dated, None]
        assert result.scopes[3:] == [*[None] * 3, by_id(26, 31), None, None]

    def test_no_row_in_a_range(self, scan, monkeypatch):
        monkeypatch.setattr(Scanned, "fixed_date", "changed")
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 30}, rows=(), lookback_hours=24))
        assert result.scopes[0] == by_id(1, 31) | {"changed": {"from": at("03-18T12:00:00")}}

    @pytest.mark.parametrize("state", ({"last_id": 40}, BOOKMARK | {"last_id": 40}))
    def test_the_highest_ids_are_gone(self, scan, state):
        assert run_to_the_end(scan(state)).scopes[-1] == by_id(31, 41)

    def test_pages_that_may_lack_rows(self, scan, monkeypatch):
        monkeypatch.setattr(Scanned, "pages_are_complete", False)
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 40}))
        assert {*result.scopes} == {None}
        # The first scan whose pages are complete says that the highest ids are gone.
        state = result.states[-1]
        assert (state["last_id"], state["highest_id"]) == (30, 40)
        monkeypatch.setattr(Scanned, "pages_are_complete", True)
        result = run_to_the_end(scan(state, newest=35))
        assert result.scopes[-1] == by_id(36, 41)
        assert "highest_id" not in result.states[-1]

    def test_what_the_audit_log_names_comes_first(self, scan, monkeypatch):
        moments = []

        def plan_lookups(_, since):
            moments.append(since)
            yield Lookup("id", [*range(1, 4)])
            yield Lookup("id", [*range(5, 300)], are_gone=True)

        monkeypatch.setattr(Scanned, "plan_lookups", plan_lookups)
        result = run_to_the_end(scan(BOOKMARK | {"last_id": 30}))
        assert result.ids[: 3 + 26] == [1, 2, 3, *range(5, 31)]
        # Those that are read again are among the records: only the others are gone.
        assert result.scopes[:3] == [
            None,
            {"id": {"in": [*range(5, 205)]}},
            {"id": {"in": [*range(205, 300)]}},
        ]
        assert moments == [datetime(2026, 3, 18, 12, tzinfo=UTC)]
        moments.clear()
        run_to_the_end(scan())
        assert moments == []


@pytest.mark.parametrize(
    ("state", "field"),
    (
        ({"sweep": 7}, "sweep"),
        ({"sweep": {"since": ""}}, "sweep"),
        ({"sweep": {"since": "", "began": "noon", "until": 1}}, "sweep"),
        ({"sweep": {"since": "soon", "began": at("03-20T12:00:00"), "until": 1}}, "sweep"),
        ({"sweep": {"since": "", "began": "2026-03-20T12:00:00", "until": 1}}, "sweep"),
        *(
            (
                {"sweep": {"since": "", "began": at("03-20T12:00:00"), "until": 1, name: "1"}},
                "sweep",
            )
            for name in ("until", "known", "steps", "step", "after")
        ),
        ({"last_id": "25"}, "last_id"),
        ({"highest_id": "25"}, "highest_id"),
    ),
)
def test_a_state_that_is_none_is_named(scan, state, field):
    with pytest.raises(TapError, match=rf"The state of stream things \({field}\) cannot be used"):
        run_to_the_end(scan(BOOKMARK | state))


class TestMerges:
    @pytest.mark.parametrize(
        ("details", "winner"),
        (
            ('a:1:{s:11:"merged_into";i:158;}', 158),
            ('a:1:{s:11:"merged_into";s:3:"158";}', 158),
            ('a:1:{s:4:"name";s:1:"x";}', None),
            (None, None),
        ),
    )
    def test_the_contact_that_stays(self, details, winner):
        assert merge_winner({"details": details}) == winner

    def test_chains(self):
        merges = Merges({1: 2, 2: 3, 4: 3, 5: 6})
        assert [merges.final_contact(contact) for contact in (1, 2, 3, 4, 5, 9)] == [
            *(3, 3, 3, 3, 6, 9)
        ]
        assert sorted(merges.all_losers(3)) == [1, 2, 4]
        assert merges.all_losers(2) == [1]
        assert merges.all_losers(1) == []

    def test_a_circle_ends(self):
        """Ids of deleted contacts are given again by some databases."""
        merges = Merges({1: 2, 2: 3, 3: 1})
        assert merges.final_contact(1) == 3
        assert sorted(merges.all_losers(1)) == [2, 3]

    def test_contacts_that_are_gone_since_a_time(self):
        merges = Merges(gone={number: NOON + timedelta(seconds=number - 2) for number in (5, 1, 2)})
        assert merges.gone_since(NOON) == [2, 5]

    def test_contacts_that_got_rows_since_a_time(self):
        dates = {loser: NOON + timedelta(seconds=loser - 2) for loser in (1, 2, 5)}
        merges = Merges({1: 9, 2: 3, 3: 8, 5: 7}, dates)
        assert merges.winners_since(NOON) == [7, 8]


class Lists:
    """A client whose lists are rows by path; an exception is raised."""

    def __init__(self, **rows):
        self.rows = rows
        self.asked = []
        self.logger = SimpleNamespace(
            warning=lambda *args: self.warnings.append(str(args[1])),
            info=lambda *args: self.infos.append(args[0] % args[1:]),
        )
        self.warnings, self.infos = [], []

    def _rows(self, name):
        rows = self.rows.get(name, [])
        if isinstance(rows, Exception):
            raise rows
        return rows

    def iter_by_id(self, path, key, conditions=()):
        self.asked.append((path, key, *conditions))
        rows = self._rows(key)
        for start in range(0, len(rows), 2):
            yield [{"id": str(number)} for number in rows[start : start + 2]]

    def get_rows(self, path, key, order, conditions):
        companies, primary, after = conditions
        assert (path, key) == ("/api/stats/companies_leads", "stats")
        assert order == {"order[0][col]": "lead_id", "order[0][dir]": "ASC"}
        assert (companies.column, companies.operator) == ("company_id", "in")
        assert primary == Condition("is_primary", "eq", 1)
        assert (after.column, after.operator) == ("lead_id", "gt")
        self.asked.append(companies.value)
        of = [int(number) for number in companies.value.split(",")]
        ids = sorted(lead for company, lead in self._rows("members") if company in of)
        ids = [number for number in ids if number > after.value or self.rows.get("stuck")]
        return [{"lead_id": str(number)} for number in ids[:3]]

    def ignored_filter_error(self, after, row):
        return ValueError(f"{after} {row}")


class TestUndatedChanges:
    def test_companies_that_were_edited(self):
        client = Lists(companies=[3, 5, 8])
        assert request_edited_companies(client, NOON) == [3, 5, 8]
        edited = Condition("date_modified", "gte", "2026-03-20 12:00:00")
        assert client.asked == [("/api/companies", "companies", edited)]

    def test_stages(self):
        client = Lists(stages=[1, 2, 3])
        assert request_stages(client) == [1, 2, 3]
        assert client.asked == [("/api/stages", "stages")]

    def test_lists_that_the_role_may_not_see(self):
        error = RetriableAPIError("not now")
        client = Lists(companies=error, stages=error, members=error)
        assert request_edited_companies(client, NOON) == []
        assert request_members(client, [1]) == set()
        assert client.warnings == ["not now", "not now"]
        assert request_stages(client) is None

    def test_members_of_many_companies(self):
        members = [(company, lead) for company in range(1, 451) for lead in (company, 1000)]
        client = Lists(members=members)
        assert request_members(client, [*range(1, 451)]) == {*range(1, 451), 1000}
        # 200 in a request, as addresses are limited.
        assert {len(value.split(",")) for value in client.asked} == {200, 50}

    def test_nobody(self):
        client = Lists()
        assert request_members(client, []) == set()
        assert client.asked == []
        assert request_members(client, [7]) == set()

    @pytest.mark.parametrize(("most", "count"), ((5, 5), (4, 0)))
    def test_too_many_members_are_left_to_the_next_full_read(self, monkeypatch, most, count):
        monkeypatch.setattr("tap_mautic.undated_changes._MAX_MEMBERS", most)
        client = Lists(members=[(1, lead) for lead in range(1, 6)])
        assert len(request_members(client, [1])) == count
        assert [
            text.startswith(f"Companies with more than {most} contacts") for text in client.infos
        ] == ([] if count else [True])

    @pytest.mark.parametrize("leads", ((4, 5), (4,)))
    def test_a_server_that_does_not_filter(self, leads):
        client = Lists(members=[(1, lead) for lead in leads], stuck=True)
        message = f"{{'lead_id': {leads[-1]}}} {{'lead_id': '4'}}"
        with pytest.raises(ValueError, match=re.escape(message)):
            request_members(client, [1])
