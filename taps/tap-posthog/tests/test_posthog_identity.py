"""Events that share their uuid: PostHog tells them apart by name, person and day."""

from __future__ import annotations

import uuid

import pytest
from posthog_days import days_ago, moment

EVENTS = "events"


def found(output):
    """What the rows are of, as the sandbox has it; each as often as it came."""
    return sorted(
        (row["uuid"], row["event"], row["distinct_id"], row["timestamp"][:10])
        for row in output.records[EVENTS]
    )


def expected(posthog, first=3, last=1, **more):
    begin, end = (days_ago(number).replace(tzinfo=None).isoformat() for number in (first, last - 1))
    return sorted(map(tuple, posthog.identities(start=begin, end=end, **more)))


def siblings(*changes, **same):
    """Events of one uuid."""
    one = {"uuid": str(uuid.uuid4()), "timestamp": moment(2, 3600)} | same
    return [one | change for change in changes]


#: As PostHog's clients name events and persons; ClickHouse and Python sort by code point alike.
NAMES = ("", "Z", "a", "é", "name'); --", "\U0001f600")


class TestEndsOfPages:
    """Where a page ends between events of one moment and one uuid, the next one goes on there."""

    @pytest.mark.parametrize("page_size", (2, 3, 7, 100))
    @pytest.mark.parametrize("by", ("timestamp", "created_at"))
    def test_of_queries(self, make_tap, posthog, sync, page_size, by):
        posthog.clear_events()
        at = {"created_at": moment(2, 3600)}
        named = siblings(*({"event": name} for name in NAMES), **at)
        whose = siblings(*({"distinct_id": name} for name in NAMES), **at)
        # Of the same moment of arrival, but of other days.
        dated = siblings(*({"timestamp": moment(2 + n, 3600)} for n in range(2)), **at)
        posthog.events(events=[*named, *whose, *dated, *named[::-1]])
        tap = make_tap(page_size=page_size, events_replication_key=by)
        assert sorted({*found(sync(tap, EVENTS))}) == expected(posthog)

    def test_of_the_older_endpoint(self, make_tap, posthog, sync):
        posthog.clear_events()
        many = [siblings({"event": "a"}, {"event": "b"}, {"distinct_id": "c"}) for _ in range(700)]
        posthog.events(events=[event for events in many for event in events])
        rows = found(sync(make_tap(events_api="events"), EVENTS))
        assert rows == expected(posthog)
        assert len(rows) == 2_100

    def test_copies_that_are_not_merged_end_no_run(self, make_tap, posthog, sync):
        posthog.clear_events()
        posthog.events(events=siblings(*[{}] * 9))
        for page_size in (2, 100):
            rows = found(sync(make_tap(page_size=page_size), EVENTS))
            assert [*{*rows}] == expected(posthog)
