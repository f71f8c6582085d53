"""When the line of a stream comes, and what it says besides the counts."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

import pytest
from warehouse import record, schema, state

from signalroom_target_postgres.summaries import Summaries
from signalroom_target_postgres.warehouse.counts import Counts


@dataclass
class Sink:
    """A stream's, as far as it is looked at."""

    stream_name: str
    counts: Counts = field(default_factory=Counts)
    current_size: int = 0

    @property
    def records_read(self):
        return self.counts.read + self.current_size

    @property
    def is_settled(self):
        return not self.current_size

    def load(self, seconds=0.0):
        self.counts.read += self.current_size
        self.counts.written.new += self.current_size
        self.current_size = 0
        self.counts.seconds += seconds


class Run:
    """Streams that come, and a clock."""

    def __init__(self, caplog):
        self.now = 1000.0
        self.caplog = caplog
        self.summaries = Summaries(logging.getLogger("target"), lambda: self.now)
        self.sinks = []
        self.state = None

    def begin(self, name):
        self.summaries.begin(name, self.sinks)
        self.sinks.append(Sink(name))
        return self.sinks[-1]

    def look(self, seconds):
        self.now += seconds
        return self.summaries.look(self.sinks, self.state)

    def finish(self):
        self.summaries.finish(self.sinks, self.state)

    @property
    def said(self):
        return [one.split(",")[0] + one[one.index(" in ") :] for one in self.caplog.messages]


@pytest.fixture
def run(caplog):
    caplog.set_level(logging.INFO)
    return Run(caplog)


def test_a_stream_that_the_tap_has_left_is_loaded_and_reported_while_the_next_is_read(run):
    first = run.begin("first")
    run.now += 2
    first.current_size = 10
    second = run.begin("second")
    second.current_size = 1
    assert run.look(1) == []
    second.current_size = 2
    assert run.look(5) == [first]
    assert run.said == []
    first.load(0.5)
    second.current_size = 3
    assert run.look(1) == []
    assert run.said == ["first: 10 rows read in 2.5 s"]
    assert run.look(60) == []
    second.load(1)
    run.finish()
    assert run.said == ["first: 10 rows read in 2.5 s", "second: 3 rows read in 68.0 s"]


def test_a_stream_that_a_slow_vendor_lets_wait_is_not_done(run):
    slow = run.begin("slow")
    slow.current_size = 1
    run.look(1)
    slow.load()
    run.look(600)
    assert run.said == []
    run.finish()
    assert run.said == ["slow: 1 row read in 601.0 s"]


def test_a_stream_without_records_took_the_time_until_the_next_one(run):
    run.begin("empty")
    run.now += 30
    run.begin("next")
    run.look(10)
    assert run.said == ["empty: 0 rows read in 30.0 s"]


def test_more_of_a_stream_that_was_reported_is_reported_with_all_of_it(run):
    parents, children = run.begin("parents"), run.begin("children")
    for number in (1, 2, 3):
        parents.current_size = 1
        run.look(1)
        parents.load()
        children.current_size = number
        run.look(6)
    children.load()
    run.finish()
    assert run.said == [
        "parents: 1 row read in 1.0 s",
        "parents: 2 rows read in 8.0 s",
        "parents: 3 rows read in 15.0 s",
        "children: 3 rows read in 21.0 s",
    ]


def test_the_line_has_the_bookmark(run):
    run.begin("days")
    run.begin("others")
    run.state = json.dumps(
        {"bookmarks": {"days": {"replication_key_value": "2026-01-31"}, "others": {"x": 1}}}
    )
    run.finish()
    assert run.said == [
        "days: 0 rows read in 0.0 s, up to 2026-01-31",
        "others: 0 rows read in 0.0 s",
    ]


@pytest.mark.parametrize("broken", ("", "[]", '{"bookmarks": 1}', '{"bookmarks": {"days": []}}'))
def test_a_state_of_another_shape_does_no_harm(run, broken):
    run.begin("days")
    run.state = broken
    run.finish()
    assert run.said == ["days: 0 rows read in 0.0 s"]


def test_the_last_state_that_was_passed_on_has_the_bookmark(warehouse, caplog):
    caplog.set_level(logging.INFO)
    states = [state(bookmarks={"orders": {"replication_key_value": day}}) for day in "12"]
    warehouse.load(schema({"id": "integer"}), record(id=1), states[0], record(id=2), states[1])
    (line,) = [one for one in caplog.messages if one.startswith("orders: ")]
    assert line.endswith(" s, up to 2")
