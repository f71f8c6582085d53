"""Persons: all at once, or by when they were created."""

from __future__ import annotations

import json
import random

import pytest
from posthog_days import moment

from signalroom_singer import TapError
from tap_posthog.client import QueryTooLargeError
from tap_posthog.streams.persons import Persons

STREAM = "persons"
DAY = 86_400


@pytest.fixture
def ids(sync):
    """The ids that a run reads, as they come."""

    def ids(tap):
        return [row["id"] for row in sync(tap, STREAM).records[STREAM]]

    return ids


def ranges(queries):
    """What the queries say of the time of creation, from and until."""
    values = [body["query"]["values"] for body in queries()]
    return [(one.get("begin"), one.get("end")) for one in values]


@pytest.mark.parametrize("page_size", (2, 70, 1000))
def test_each_once(make_tap, posthog, ids, page_size):
    found = ids(make_tap(page_size=page_size))
    assert sorted(found) == sorted(posthog.person_ids())
    assert len(found) == 150


def test_properties_are_personal_data(make_tap, sync):
    output = sync(make_tap(), STREAM)
    assert "@example.com" not in json.dumps(output.messages)
    (row, *_) = sync(make_tap(include_personal_data=True), STREAM).records[STREAM]
    assert row["properties"]["email"].endswith("@example.com")


def test_all_at_once_where_that_is_fast(make_tap, ids, queries):
    assert len(ids(make_tap())) == 150
    assert ranges(queries) == [(None, None)] * 2


class TestTooSlow:
    """PostHog's time grows with the persons that a query matches: fewer are asked for then."""

    @pytest.mark.parametrize(
        ("longest", "status"), ((4 * DAY, 524), (DAY, 512), (7200, 504), (0, 504))
    )
    def test_ranges_are_halved(self, make_tap, posthog, ids, longest, status):
        posthog.switches(longest_span=longest, slow_status=status)
        found = ids(make_tap(page_size=7))
        assert sorted(found) == sorted(posthog.person_ids())
        assert len({*found}) == len(found)

    def test_of_all_ages(self, make_tap, posthog, ids, queries):
        """Imported ones may be from any time, some by a wrong clock; years without any are few."""
        posthog.clear_persons()
        chance = random.Random(713)
        old = ("1969-07-20T20:17:40Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z")
        persons = [{"created_at": at} for at in (*old, moment(-1), moment(-30))]
        persons += [{"created_at": moment(chance.randrange(3000))} for _ in range(200)]
        posthog.persons(persons=persons)
        posthog.switches(longest_span=30 * DAY)
        found = ids(make_tap(page_size=50))
        assert sorted(found) == sorted(posthog.person_ids())
        assert len(queries()) < 500

    def test_ranges_do_not_overlap_and_leave_nothing_out(self, make_tap, posthog, ids, queries):
        posthog.switches(longest_span=DAY)
        ids(make_tap())
        # Each that was read ends with a page without rows; the newest comes first.
        done = [
            one
            for one, following in zip(ranges(queries), [*ranges(queries)[1:], None], strict=True)
            if one != following
        ]
        read = [(begin, end) for begin, end in done if (begin, end) != (None, None)]
        assert read[0][1] is None
        assert read[-1][0] is None

    def test_many_persons_in_one_moment(self, make_tap, posthog, ids):
        posthog.clear_persons()
        posthog.persons(persons=[{"created_at": moment(5)} for _ in range(300)])
        posthog.switches(longest_span=0)
        found = ids(make_tap(page_size=40))
        assert sorted(found) == sorted(posthog.person_ids())

    @pytest.mark.parametrize("after", (0, 1, 3))
    def test_too_slow_in_the_middle_of_a_range(self, make_tap, posthog, ids, monkeypatch, after):
        """What was read of all stays; the ranges go on behind it."""
        ask, calls = Persons.request_rows, iter(range(999))
        too_slow = QueryTooLargeError("too slow")

        def sometimes_slow(*args, **kwargs):
            if after <= next(calls) < after + 12:
                raise too_slow
            return ask(*args, **kwargs)

        monkeypatch.setattr(Persons, "request_rows", sometimes_slow)
        found = ids(make_tap(page_size=20))
        assert sorted(found) == sorted(posthog.person_ids())
        assert len({*found}) == len(found)

    def test_the_end_of_a_range_begins_the_next(self, make_tap, posthog, ids):
        """Those of a whole second, and just before it, are in one range and no other."""
        posthog.clear_persons()
        around = [moment(3, seconds) for seconds in (0, 0.000001, 59.999999, 60, 3600, 43200)]
        posthog.persons(persons=[{"created_at": at} for at in around])
        for longest in (1, 30, 60):
            posthog.switches(longest_span=longest)
            found = ids(make_tap())
            assert sorted(found) == sorted(posthog.person_ids())

    def test_two_projects(self, make_tap, posthog, sync):
        posthog.switches(longest_span=DAY)
        rows = sync(make_tap(project_id="4711,4712"), STREAM).records[STREAM]
        for project in (4711, 4712):
            of = [row["id"] for row in rows if row["project_id"] == project]
            assert sorted(of) == sorted(posthog.person_ids(project=project))

    def test_in_another_zone(self, make_tap, posthog, ids):
        posthog.zone(name="America/New_York")
        posthog.switches(longest_span=7200)
        assert sorted(ids(make_tap())) == sorted(posthog.person_ids())

    def test_ranges_grow_again_after_a_while(self, make_tap, posthog, ids, queries, monkeypatch):
        monkeypatch.setattr("tap_posthog.streams.persons.SUCCESSES_TO_GROW", 8)
        posthog.switches(longest_span=3600)
        tap = make_tap()
        ask = Persons.request_rows

        def fast_from_then_on(*args, **kwargs):
            if len(queries()) == 100:
                posthog.switches(longest_span=float(10**9))
            return ask(*args, **kwargs)

        monkeypatch.setattr(Persons, "request_rows", fast_from_then_on)
        assert len(ids(tap)) == 150
        assert len(queries()) < 160


class TestChanges:
    """While ranges are read, from the newest to the oldest."""

    @pytest.fixture
    def changing(self, make_tap, posthog, monkeypatch):
        """Let something happen after each answer."""

        def changing(act, **config):
            ask = Persons.request_rows

            def rows(*args, **kwargs):
                page = ask(*args, **kwargs)
                act(page)
                return page

            monkeypatch.setattr(Persons, "request_rows", rows)
            return make_tap(**config)

        return changing

    @pytest.mark.parametrize("longest", (10**9, 2 * DAY, 3600))
    def test_merged_persons_are_not_missed(self, changing, posthog, ids, longest):
        chance, posted = random.Random(longest), {*posthog.person_ids()}

        def merge(_):
            left = posthog.person_ids()
            if len(left) > 60:
                survivor, other = chance.sample(left, 2)
                posthog.merge_persons(survivor=survivor, other=other)

        posthog.switches(longest_span=longest)
        found = {*ids(changing(merge, page_size=9))}
        assert {*posthog.person_ids()} <= found <= posted

    def test_new_persons_do_not_matter(self, changing, posthog, ids):
        def more(_):
            posthog.persons(persons=[{"created_at": moment(chance.randrange(80))}])

        chance, before = random.Random(1), {*posthog.person_ids()}
        posthog.switches(longest_span=DAY)
        found = ids(changing(more, page_size=20))
        assert before <= {*found}
        assert len({*found}) == len(found)


class TestGivingUp:
    """Where not even the smallest range is fast enough, the user is told what to do."""

    def test_what_to_do(self, make_tap, posthog, sync):
        posthog.switches(longest_span=-1)
        output = sync(make_tap(max_tries=2), STREAM, fails=TapError)
        assert "answered 504" in str(output.error)
        assert "deselect persons and load them with a batch export" in str(output.error)
        assert not [one for one in output.messages if one["type"] == "ACTIVATE_VERSION"]

    def test_the_budget_is_spent(self, make_tap, posthog, sync):
        posthog.limits(budget_bytes=1)
        output = sync(make_tap(page_size=50), STREAM, fails=TapError)
        assert "The table is as it was; the next run reads all of it" in str(output.error)
        assert "is in the state" not in str(output.error)

    def test_ids_out_of_order(self, make_tap, posthog, sync):
        posthog.switches(reversed_rows=True)
        output = sync(make_tap(), STREAM, fails=TapError)
        assert "or in another order" in str(output.error)
