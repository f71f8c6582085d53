"""Lines that are spoiled: the right rows, or an error that says which line or stream."""

from __future__ import annotations

import io
import json
import re

import pytest
from harness.fuzz.mutations import mutations
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import event, given
from hypothesis import strategies as st
from warehouse import activate, record, schema, state

from signalroom_target_postgres.errors import InputError, LoadError
from signalroom_target_postgres.messages.models import Message
from signalroom_target_postgres.messages.reader import MessageReader
from signalroom_target_postgres.target import TargetPostgres

pytestmark = pytest.mark.timeout(TIMEOUT)

COLUMNS = {
    "id": {"type": "integer"},
    "name": "string",
    "total": "number",
    "at": {"type": ["string", "null"], "format": "date-time"},
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    "more": "object",
    "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
}
VALUES = {
    "name": "x",
    "total": 1.5,
    "at": "2026-01-31T12:00:00Z",
    "tags": ["a"],
    "more": {"a": [1]},
    "either": "y",
}
#: What a tap writes, by lines.
INPUT = (
    schema(COLUMNS),
    record(id=101, **VALUES),
    record(id=102, **VALUES) | {"time_extracted": "2026-01-31T12:00:00Z", "version": 1},
    state(bookmarks={"orders": {"replication_key_value": "2026-01-31"}}),
    activate(1),
    record(id=103, **VALUES),
    {"type": "BATCH", "stream": "orders", "encoding": {"format": "jsonl"}, "manifest": []},
    record(id=104, **VALUES),
    schema(COLUMNS | {"later": "string"}),
    record(id=105, **VALUES),
    state(bookmarks={}),
)
LINES = [json.dumps(message).encode() for message in INPUT]
IDS = [message.get("record", {}).get("id") for message in INPUT]


def spoiled(number, mutation):
    """The lines, one of them otherwise."""
    return [*LINES[:number], mutation.of(LINES[number]), *LINES[number + 1 :]]


@profile(60)
@given(
    st.integers(0, len(LINES) - 1),
    mutations(),
    st.sampled_from(("fail", "quarantine")),
    st.booleans(),
)
def test_a_line_that_was_spoiled_is_no_crash(warehouse, number, mutation, on_bad_record, metadata):
    warehouse.sql("DROP TABLE IF EXISTS orders, orders__rejected")
    settings = {"on_bad_record": on_bad_record, "add_record_metadata": metadata}
    target = TargetPostgres(config=warehouse.config | settings)
    untouched = {one for place, one in enumerate(IDS) if one and place != number}
    try:
        target.listen(io.BytesIO(b"\n".join(spoiled(number, mutation))))
    except (InputError, LoadError) as error:
        event("refused")
        assert re.search(rf"Line {number + 1}\b|orders|stream '", error.message), error.message
        assert len(error.message) < 1000
        # What was good before it is loaded.
        untouched = {one for one in untouched if one < 101 + sum(map(bool, IDS[:number]))}
    else:
        event("accepted")
    if INPUT[number]["type"] != "SCHEMA":
        loaded = {row["id"] for row in warehouse.rows(order="id")}
        assert loaded >= untouched


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = {
    "type": st.sampled_from(("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION", "X")),
    "stream": st.sampled_from(("orders", "", "\0")) | ANY_JSON,
    "schema": st.fixed_dictionaries(
        {}, optional={"properties": st.just({"id": {}}) | ANY_JSON, "required": ANY_JSON}
    ),
    "key_properties": st.sampled_from((None, [], ["id"])) | ANY_JSON,
    "record": ANY_JSON,
    "value": ANY_JSON,
    "version": st.integers() | ANY_JSON,
    "manifest": ANY_JSON,
    "encoding": ANY_JSON,
}
ANY_LINE = st.one_of(
    st.fixed_dictionaries({}, optional=FIELDS).map(lambda one: json.dumps(one).encode()),
    st.binary(max_size=20),
    ANY_JSON.map(lambda one: json.dumps(one).encode()),
    st.tuples(st.sampled_from(LINES), mutations()).map(lambda pair: pair[1].of(pair[0])),
    st.sampled_from((b"", b" ", b"\xef\xbb\xbf{}", b"[" * 5000, b'{"type":' * 5000, *LINES)),
)


@profile(300)
@given(st.lists(ANY_LINE, max_size=4))
def test_each_line_is_handed_on_as_it_was_or_told(lines):
    told = []
    reader = MessageReader()
    reader.on_idle = lambda: None
    reader.on_invalid_record = lambda stream, line, *reasons: told.append(("RECORD", stream))
    callbacks = dict.fromkeys(
        ("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION"),
        lambda one: told.append(seen(one)),
    )
    read = [line for line in b"\n".join(lines).split(b"\n") if line.strip()]
    try:
        reader.process_lines(io.BytesIO(b"\n".join(lines)), callbacks)
    except InputError as error:
        number = int(error.message.split()[1].rstrip(":"))
        assert error.message.startswith("Line ")
        bad = b"\n".join(lines).split(b"\n")[number - 1]
        assert bad in read
        read = read[: len(told)]
    as_python = [json.loads(line.decode(errors="replace"), parse_int=str) for line in read]
    assert told == [seen(message) for message in as_python]


def seen(message):
    """What a message is told by."""
    if isinstance(message, Message):
        return (message.type, message.stream)
    return (message["type"], message.get("stream"))
