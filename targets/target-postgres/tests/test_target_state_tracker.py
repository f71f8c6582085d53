"""When a state may be emitted, and what the state before a run says of its streams."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalroom_target_postgres.start_state import StartState
from signalroom_target_postgres.state import StateTracker, bookmarks


@pytest.fixture
def tracker():
    return StateTracker()


class TestTracker:
    def test_a_state_without_records_before_it_may_go(self, tracker):
        assert tracker.pop_committed() is None
        tracker.add("1")
        assert tracker.pop_committed() == "1"
        assert tracker.pop_committed() is None

    def test_a_state_waits_for_the_records_before_it(self, tracker):
        tracker.mark_pending("a")
        tracker.add("1")
        assert tracker.pop_committed() is None
        tracker.mark_committed("a")
        assert tracker.pop_committed() == "1"

    def test_a_state_does_not_wait_for_records_after_it(self, tracker):
        tracker.add("1")
        tracker.mark_pending("a")
        assert tracker.pop_committed() == "1"

    def test_each_stream_releases_the_states_after_its_own_records(self, tracker):
        tracker.mark_pending("a")
        tracker.add("1")
        tracker.mark_pending("b")
        tracker.add("2")
        tracker.mark_committed("a")
        assert tracker.pop_committed() == "1"
        tracker.mark_committed("b")
        assert tracker.pop_committed() == "2"

    def test_the_oldest_record_of_a_stream_decides(self, tracker):
        tracker.mark_pending("a")
        tracker.add("1")
        tracker.mark_pending("a")
        assert tracker.pop_committed() is None

    def test_only_the_latest_of_several_states_goes(self, tracker):
        tracker.mark_pending("a")
        tracker.add("1")
        tracker.add("2")
        tracker.mark_committed("a")
        assert tracker.pop_committed() == "2"
        assert tracker.pop_committed() is None

    def test_a_batch_covers_the_records_before_it(self, tracker):
        tracker.mark_pending("a")
        batch = tracker.mark_in_flight("a")
        tracker.add("1")
        tracker.mark_pending("a")
        tracker.add("2")
        assert tracker.pop_committed() is None
        tracker.mark_committed(batch)
        assert tracker.pop_committed() == "1"
        tracker.mark_committed("a")
        assert tracker.pop_committed() == "2"

    def test_batches_of_a_stream_are_apart(self, tracker):
        tracker.mark_pending("a")
        first = tracker.mark_in_flight("a")
        tracker.add("1")
        tracker.mark_pending("a")
        second = tracker.mark_in_flight("a")
        tracker.add("2")
        tracker.mark_committed(second)
        assert tracker.pop_committed() is None
        tracker.mark_committed(first)
        assert tracker.pop_committed() == "2"

    def test_batches_without_a_state_between_them_are_apart(self, tracker):
        batches = []
        for _ in range(3):
            tracker.mark_pending("a")
            batches.append(tracker.mark_in_flight("a"))
        tracker.add("1")
        for batch in reversed(batches):
            assert tracker.pop_committed() is None
            tracker.mark_committed(batch)
        assert tracker.pop_committed() == "1"

    def test_a_batch_without_records_holds_nothing_back(self, tracker):
        batch = tracker.mark_in_flight("a")
        tracker.add("1")
        assert tracker.pop_committed() == "1"
        tracker.mark_committed(batch)

    def test_states_between_the_same_records_are_not_kept(self, tracker):
        tracker.mark_pending("a")
        for number in range(1000):
            tracker.add(str(number))
        assert len(tracker._states) == 1
        tracker.mark_pending("b")
        tracker.add("b")
        tracker.add("c")
        assert [state for _, state in tracker._states] == ["999", "c"]

    @given(st.lists(st.tuples(st.sampled_from(("record", "state", "commit")), st.integers(0, 2))))
    def test_a_state_goes_once_all_records_before_it_are_committed(self, events):
        tracker = StateTracker()
        uncommitted, states, sent = [], [], -1
        for number, (kind, stream) in enumerate(events):
            if kind == "record":
                tracker.mark_pending(stream)
                uncommitted.append((number, stream))
            elif kind == "state":
                tracker.add(str(number))
                states.append(number)
            else:
                tracker.mark_committed(stream)
                uncommitted = [entry for entry in uncommitted if entry[1] != stream]
            first = min((entry[0] for entry in uncommitted), default=len(events))
            may_go = [state for state in states if sent < state < first]
            emitted = tracker.pop_committed()
            assert emitted == (str(may_go[-1]) if may_go else None)
            sent = int(emitted) if emitted else sent

    def test_the_same_state_is_written_once(self, tracker, capsys):
        for state in ("1", "1", "2", "1"):
            tracker.add(state)
            tracker.emit()
        tracker.emit()
        assert capsys.readouterr().out == "1\n2\n1\n"
        assert tracker.emitted == "1"


@pytest.mark.parametrize(
    ("state", "values"),
    (
        ('{"bookmarks": {"a": {"replication_key_value": 7}, "b": {"x": 1}}}', {"a": 7, "b": None}),
        (b'{"bookmarks": {"a": {"replication_key_value": "2026"}}}', {"a": "2026"}),
        ('{"bookmarks": {}}', {}),
        ('{"currently_syncing": "a"}', {}),
        ('{"bookmarks": {"a": 7}}', {}),
        ('{"bookmarks": [', {}),
        ("7", {}),
        ("", {}),
        (None, {}),
        ("[" * 100_000, {}),
    ),
)
def test_bookmarks_of_a_state(state, values):
    assert bookmarks(state) == values


class TestStartState:
    LOADED = {"replication_key": "at", "replication_key_value": "2026"}

    def start(self, state):
        start = StartState(logging.getLogger("start"))
        start.begin(None if state is None else json.dumps(state).encode())
        return start

    def test_it_is_known_once_it_has_begun(self):
        start = StartState(logging.getLogger("start"))
        assert not start.is_known
        assert start.bookmark("a") is None
        start.begin(None)
        assert start.is_known

    def test_bookmarks_are_texts(self):
        start = self.start({"bookmarks": {"a": {"replication_key_value": 7}, "b": {}}})
        assert (start.bookmark("a"), start.bookmark("b"), start.bookmark("c")) == ("7", None, None)

    def test_a_new_table_of_a_stream_that_was_loaded_before_is_warned_of_once(self, caplog):
        start = self.start({"bookmarks": {"a": self.LOADED, "b": self.LOADED}})
        for stream in ("a", "a", "b"):
            start.warn_new_table(stream, f"public.{stream}")
        assert [text.split(",")[0] for text in caplog.messages] == [
            "Stream a: the table public.a is new",
            "Stream b: the table public.b is new",
        ]

    @pytest.mark.parametrize(
        "state",
        (
            None,
            {},
            {"bookmarks": {}},
            {"bookmarks": None},
            {"bookmarks": ["a"]},
            {"bookmarks": {"b": LOADED}},
            ["bookmarks"],
            7,
        ),
    )
    def test_other_new_tables_are_not(self, caplog, state):
        self.start(state).warn_new_table("a", "public.a")
        assert not caplog.records

    @pytest.mark.parametrize("text", (b"{", b"", b"[" * 100_000))
    def test_an_invalid_state_is_none(self, caplog, text):
        start = StartState(logging.getLogger("start"))
        start.begin(text)
        start.warn_new_table("a", "public.a")
        assert start.is_known
        assert start.bookmark("a") is None
        assert not caplog.records

    def test_before_it_is_known_nothing_is_warned_of(self, caplog):
        StartState(logging.getLogger("start")).warn_new_table("a", "public.a")
        assert not caplog.records
