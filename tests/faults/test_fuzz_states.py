"""Whatever stands in a state: the run goes on, or an error says whose state it is."""

from __future__ import annotations

import copy
import json

import pytest
from harness.fuzz.mutations import STRANGE, changed
from harness.fuzz.profiles import TIMEOUT, profile
from harness.fuzz.taps import BY_NAME, read, state_of
from hypothesis import given
from hypothesis import strategies as st

from signalroom_singer.errors import USER_ERRORS, MalformedResponseError

pytestmark = pytest.mark.timeout(TIMEOUT)

#: What people and other programs write where a moment, a number or a file's entry belongs.
NONSENSE = st.sampled_from(
    (
        *STRANGE,
        "2026-01-31",
        "2026-01-31T12:00:00",
        "31/01/2026",
        10**12,
        "7",
        [[]],
        {"a": 1},
        "é" * 99,
    )
)
#: Of the earlier runs' of all taps.
FIELDS = (
    "replication_key_value",
    "replication_key",
    "partitions",
    "sweep",
    "last_whole",
    "last_id",
    "highest_id",
    "rows",
    "files",
    "days",
    "floor",
    "headers",
    "last_file_date",
    "content_hash",
    "columns",
    "titles",
    "row_count",
    "refresh",
    "fields",
)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_state_that_is_nonsense_is_no_crash(sandbox_server, asked, name):
    catalog, _ = asked(name)
    streams = [entry["stream"] for entry in catalog["streams"]]

    @profile()
    @given(st.data())
    def spoil(data):
        stream = data.draw(st.sampled_from(streams))
        state = copy.deepcopy(state_of(asked(name, stream)[1])) or {"bookmarks": {}}
        mark = state.setdefault("bookmarks", {}).setdefault(stream, {})
        value = data.draw(NONSENSE)
        if data.draw(st.booleans()):
            mark[data.draw(st.sampled_from(FIELDS))] = value
        else:
            path = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))
            state["bookmarks"][stream] = changed(mark, tuple(path), "set", value)
        _, error, _ = read(name, sandbox_server, catalog, stream, state=state)
        if error is None:
            return
        text = str(error)
        assert isinstance(error, USER_ERRORS), (repr(error), json.dumps(state)[:500])
        assert not isinstance(error, MalformedResponseError), (text, json.dumps(state)[:500])
        assert stream in text or "state" in text, text
        assert len(text) < 1000

    spoil()
