"""A state that Meltano merged: what a full refresh has replaced does not count any more."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer import TapError
from signalroom_singer.state import validate_state
from signalroom_singer.state_merge import begin_refresh, seal_state, unseal_state

NAMES = st.sampled_from(("a", "b", "c", "replication_key_value"))
SCALARS = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.booleans())
ENTRIES = st.dictionaries(NAMES, st.fixed_dictionaries({"e": SCALARS, "n": SCALARS}))
MAPS = st.dictionaries(NAMES, SCALARS)
PARTITIONS = st.lists(st.fixed_dictionaries({"context": MAPS, "replication_key_value": SCALARS}))
#: As taps write them: a field is of the same kind in all states.
BOOKMARKS = st.fixed_dictionaries(
    {},
    optional={
        "replication_key_value": SCALARS,
        "floor": SCALARS,
        "columns": st.lists(st.text(max_size=3)),
        "sweep": MAPS,
        "titles": MAPS,
        "files": ENTRIES,
        # With names that the merge uses itself.
        "tables": st.fixed_dictionaries(
            {"n": SCALARS}, optional={"files": ENTRIES, "fields": SCALARS, "refresh": SCALARS}
        ),
        "partitions": PARTITIONS,
    },
)
STREAMS = st.dictionaries(st.sampled_from(("orders", "refunds", "offers")), BOOKMARKS)


def merged(new, old):
    """As Meltano merges a state into another: dictionary by dictionary."""
    result = copy.deepcopy(old)
    for key, value in new.items():
        if isinstance(value, dict):
            result[key] = merged(value, result.get(key, {}))
        else:
            result[key] = value
    return result


def written(streams, refresh=None):
    """A state as a tap writes it; with the number of the refresh that it goes back to."""
    number = {} if refresh is None else {"refresh": refresh}
    marks = {name: {**mark, **number} for name, mark in streams.items()}
    state = json.loads(json.dumps(seal_state({"bookmarks": marks})))
    validate_state(state)
    return state


def read(state):
    """What a tap goes on from."""
    marks = unseal_state(state)[0]["bookmarks"]
    return {
        name: {key: value for key, value in mark.items() if key != "refresh"}
        for name, mark in marks.items()
    }


@given(STREAMS, st.one_of(st.none(), st.just(7)))
def test_a_state_that_nobody_merged_is_read_as_it_was(streams, refresh):
    assert read(written(streams, refresh)) == streams


@given(STREAMS)
def test_a_state_of_an_earlier_version_counts_as_it_is(streams):
    assert unseal_state({"bookmarks": streams}) == ({"bookmarks": streams}, {})


@given(STREAMS, st.sampled_from(("without", "sealed", "refreshed")), st.lists(STREAMS, max_size=3))
def test_what_a_refresh_wrote_last_counts_and_nothing_before(old, kind, refresh):
    before = {
        "without": {"bookmarks": old},
        "sealed": written(old),
        "refreshed": written(old, refresh=1),
    }[kind]
    partial = {}
    # A run forgets no file that it has read.
    files = {}
    for streams in refresh:
        for name, mark in streams.items():
            if "files" in mark:
                mark["files"] = files[name] = {**files.get(name, {}), **mark["files"]}
        partial = merged(written(streams, refresh=2), partial)
    last = {name: mark for streams in refresh for name, mark in streams.items()}
    assert read(merged(partial, before)) == {**old, **last}


@given(STREAMS, STREAMS)
def test_a_finished_sweep_does_not_come_back_by_a_merge(old, new):
    """`--state-strategy merge` merges each run's states, too."""
    found = read(merged(written(new), written(old)))
    for name, mark in new.items():
        assert found[name].keys() == mark.keys()
        assert found[name].get("sweep") == mark.get("sweep")


def test_the_number_of_a_refresh_stays():
    """What a resumed refresh writes belongs to it too."""
    assert unseal_state(written({"orders": {"floor": 1}}, refresh=7))[0] == {
        "bookmarks": {"orders": {"floor": 1, "refresh": 7}}
    }


def test_entries_have_the_number_in_place_of_a_place_in_the_list():
    """A list of thousands of files would double the state."""
    state = written({"orders": {"files": {"a": {"e": 1}, "b": {"e": 2}}, "scan": {}}}, refresh=7)
    mark = state["bookmarks"]["orders"]
    assert mark["fields"] == ["files", ["scan", []]]
    assert mark["files"] == {"a": {"e": 1, "r": 7}, "b": {"e": 2, "r": 7}}


def test_files_that_a_refresh_has_not_read_yet_do_not_count():
    before = written({"orders": {"files": {"a": {"e": 1}, "b": {"e": 2}}}}, refresh=1)
    after = written({"orders": {"files": {"c": {"e": 3}}}}, refresh=2)
    assert read(merged(after, before)) == {"orders": {"files": {"c": {"e": 3}}}}


@pytest.mark.parametrize("refresh", (None, 2))
def test_what_is_gone_within_a_field_of_a_field_does_not_come_back(refresh):
    before = written({"orders": {"scans": {"a": {"id": 1, "until": 5}, "n": 1}}})
    after = written({"orders": {"scans": {"a": {"id": 2}, "n": 1}}}, refresh=refresh)
    assert read(merged(after, before)) == {"orders": {"scans": {"a": {"id": 2}, "n": 1}}}


def test_a_field_that_somebody_removed_is_not_missed():
    state = written({"orders": {"floor": 1, "scan": {"last_id": 2}}})
    del state["bookmarks"]["orders"]["floor"]
    assert read(state) == {"orders": {"scan": {"last_id": 2}}}


def test_a_refresh_begins_with_a_new_number_for_all_streams(make_tap):
    numbers = []
    for second in range(2):
        with time_machine.travel(datetime(2026, 3, 20, 12, 0, second, tzinfo=UTC), tick=False):
            streams = make_tap().streams.values()
            begin_refresh(streams)
        (number,) = {stream.stream_state["refresh"] for stream in streams}
        numbers.append(number)
    assert json.dumps(numbers) == "[1774008000000, 1774008001000]"


def test_what_is_left_out_is_named():
    old = {"bookmarks": {"orders": {"files": {"a": {"e": 1}}, "floor": "2026-01-01"}}}
    _, left_out = unseal_state(merged(written({"orders": {}}, refresh=2), old))
    assert left_out == {"orders": ["files", "floor"]}


@pytest.mark.parametrize("fields", (7, "abc", [7], [["a"]], [["a", "b"]], {"a": 1}, None))
def test_a_list_of_fields_that_is_none_is_named(fields):
    with pytest.raises(TapError, match=r"The state of stream orders \(fields\) cannot be used"):
        validate_state({"bookmarks": {"orders": {"fields": fields}}})
