"""States: passed on as soon as what they cover is committed, and never before."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from warehouse import lines, record, schema, state

from signalroom_target_postgres.state import StateTracker
from signalroom_target_postgres.target import TargetPostgres

PROPERTIES = {"id": {"type": "integer"}, "name": "string"}


@settings(max_examples=300)
# A stream that is committed again and again while another is not: once this kept each state.
@example(
    [("record", "c"), ("state", "")]
    + [("record", "a"), ("state", ""), ("commit", "a")] * 9
    + [("record", "b"), ("state", "")]
)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("record"), st.sampled_from("abc")),
            st.tuples(st.just("commit"), st.sampled_from("abc")),
            st.just(("state", "")),
        ),
        max_size=60,
    )
)
def test_a_state_goes_when_all_before_it_is_committed_and_not_before(events):
    """Against the plain rule, with each state remembered."""
    queue = StateTracker()
    uncommitted, states, passed = {}, [], 0
    for at, (kind, stream) in enumerate(events, 1):
        if kind == "record":
            uncommitted.setdefault(stream, at)
            queue.mark_pending(stream)
        elif kind == "commit":
            uncommitted.pop(stream, None)
            queue.mark_committed(stream)
        else:
            states.append(at)
            queue.add(str(at))
        due = queue.pop_committed()
        oldest = min(uncommitted.values(), default=len(events) + 1)
        allowed = [one for one in states if one < oldest]
        expected = allowed[-1] if allowed and allowed[-1] > passed else None
        assert due == (None if expected is None else str(expected))
        passed = expected or passed
        assert len(queue._states) <= 4


def test_a_state_is_passed_on_as_it_came(warehouse):
    odd = '{"a": 1e3,  "é": "ü", "big": 123456789012345678901234567890}'
    assert warehouse.load(f'{{"type":"STATE","value":{odd}}}') == [json.loads(odd)]


def test_the_same_state_is_passed_on_once(warehouse):
    assert warehouse.load(state(at=1), state(at=1), state(at=2)) == [{"at": 1}, {"at": 2}]


LOADED = {"orders": {"replication_key": "id", "replication_key_value": 7}}
WHOLE = schema(PROPERTIES) | {
    "schema": schema(PROPERTIES)["schema"] | {"x-replace-on-activate": True}
}


@pytest.mark.parametrize(
    "bookmark",
    (
        LOADED["orders"],
        {"files": {"a.csv": {"e": "1"}}, "refresh": 1, "fields": ["files"]},
        {"partitions": [{"context": {"account": 1}, "replication_key_value": 7}]},
    ),
)
def test_a_new_table_of_a_stream_that_was_loaded_before_is_a_warning(warehouse, caplog, bookmark):
    messages = state(bookmarks={"orders": bookmark}), schema(PROPERTIES), record(id=8)
    warehouse.load(*messages, schema(PROPERTIES), record(id=9))
    (line,) = [one for one in caplog.messages if "earlier runs loaded" in one]
    assert line.startswith(
        f"Stream orders: the table {warehouse.name}.orders is new, but the state"
    )
    assert "`meltano run --full-refresh TAP target-postgres`" in line
    assert len(warehouse.rows()) == 2


@pytest.mark.parametrize(
    "messages",
    (
        (schema(PROPERTIES), record(id=1), state(bookmarks=LOADED)),
        (state(bookmarks={}), schema(PROPERTIES), state(bookmarks=LOADED), schema(PROPERTIES)),
        (state(bookmarks={"refunds": LOADED["orders"]}), schema(PROPERTIES)),
        (state(bookmarks={"orders": {"refresh": 1, "fields": []}}), schema(PROPERTIES)),
        (state(bookmarks={"orders": {"replication_key_value": None}}), schema(PROPERTIES)),
        (state(bookmarks=LOADED), WHOLE),
        (state(bookmarks=[7]), schema(PROPERTIES)),
        (state(value=[[7]]), schema(PROPERTIES)),
    ),
    ids=["loaded now", "first run", "another", "refreshed", "no value", "whole", "list", "other"],
)
def test_a_new_table_of_any_other_stream_is_not(warehouse, caplog, messages):
    warehouse.load(*messages)
    assert not [one for one in caplog.messages if "earlier runs loaded" in one]


def test_a_table_that_is_there_is_not(warehouse, caplog):
    for _ in range(2):
        warehouse.load(state(bookmarks={}), schema(PROPERTIES), record(id=1))
        warehouse.load(state(bookmarks=LOADED), schema(PROPERTIES), record(id=2))
    assert not [one for one in caplog.messages if "earlier runs loaded" in one]


def test_a_state_before_any_table_is_passed_on_before_a_table_is_made(warehouse, running):
    """A full refresh that is killed has said that it began before it changed anything."""
    begun = {"bookmarks": {"orders": {"refresh": 1, "fields": []}}}
    send(running, state(**begun))
    assert json.loads(running.stdout.readline()) == begun
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    assert warehouse.sql(tables, warehouse.name) == []


def test_a_stream_that_waits_holds_back_the_states_after_its_records(warehouse):
    a, b = (schema(PROPERTIES, stream=name) for name in "ab")
    states = warehouse.load(
        a,
        b,
        record("a", id=1),
        state(at=1),
        *(record("b", id=n) for n in range(10)),
        state(at=2),
        record("b", id=10),
        batch_size_rows=10,
    )
    # b's first ten were loaded on the way; a's record only in the end.
    assert states == [{"at": 2}]


@pytest.fixture
def running(warehouse, tmp_path):
    """The target as a process whose input stays open."""
    command = warehouse.command(tmp_path, max_batch_age_seconds=1)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        process.stdin.close()
        process.wait()


def send(process, *messages):
    process.stdin.write(lines(*messages))
    process.stdin.flush()


def test_what_was_read_is_loaded_while_the_tap_is_silent(warehouse, running):
    # Timed when it has started, which takes a busy machine as long as the load itself.
    send(running, schema(PROPERTIES), state(at=0))
    assert json.loads(running.stdout.readline()) == {"at": 0}
    send(running, record(id=1), state(at=1))
    # Its input is still open: without a load by age this would wait for ever.
    assert json.loads(running.stdout.readline()) == {"at": 1}
    assert len(warehouse.rows()) == 1
    send(running, record(id=2), state(at=2))
    assert json.loads(running.stdout.readline()) == {"at": 2}
    assert len(warehouse.rows()) == 2


def test_a_busy_stream_is_loaded_in_time_too(warehouse, running):
    # Begun when it has started, which takes a busy machine as long as the whole test.
    send(running, schema(PROPERTIES), state(at=0))
    assert json.loads(running.stdout.readline()) == {"at": 0}
    began, numbers, is_enough = time.monotonic(), itertools.count(1), threading.Event()

    def send_records():
        while not is_enough.wait(0.01):  # the tap's pace
            number = next(numbers)
            send(running, record(id=number), state(at=number))

    sender = threading.Thread(target=send_records, daemon=True)
    sender.start()
    # Records come without a pause: with loads only in pauses this would wait for ever.
    passed = [json.loads(running.stdout.readline())["at"] for _ in range(2)]
    is_enough.set()
    sender.join()
    running.stdin.close()
    passed += [json.loads(line)["at"] for line in running.stdout]
    assert passed[-1] == next(numbers) - 1
    assert all(earlier < later for earlier, later in pairwise(passed))
    # One load a second, and one in the end.
    assert len(passed) <= time.monotonic() - began + 1


def test_sigterm_loads_what_was_read_and_passes_its_state_on(warehouse, tmp_path):
    with subprocess.Popen(
        warehouse.command(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        send(process, state(at=0))
        assert json.loads(process.stdout.readline()) == {"at": 0}
        send(process, schema(PROPERTIES), record(id=1), state(at=1))
        send(process, state(at=1) | {"unfinished": "x" * 70_000})  # read in two parts
        process.terminate()
        output, errors = process.communicate()
    assert process.returncode == 0
    assert [json.loads(line) for line in output.splitlines()] in ([{"at": 1}], [])
    if output:
        assert len(warehouse.rows()) == 1
    assert "Asked to end" in errors
    assert "Traceback" not in errors


def test_a_signal_is_obeyed_while_a_log_is_written(warehouse):
    """Writing to standard error from within such a write fails, and logging swallows that."""
    target = TargetPostgres(config=warehouse.config)

    class Interrupted(logging.Handler):
        writing = False

        def emit(self, one):
            if self.writing:
                raise RuntimeError
            self.writing = True
            # As logging does with what goes wrong while it writes.
            with suppress(RuntimeError):
                target._handle_termination(signal.SIGTERM, None)

    handler, level = Interrupted(), target.logger.level
    target.logger.addHandler(handler)
    target.logger.setLevel(logging.INFO)
    try:
        target.logger.info("something")
    finally:
        target.logger.removeHandler(handler)
        target.logger.setLevel(level)
    with Path(os.devnull).open() as empty, pytest.raises(SystemExit) as ended:
        target.listen(empty)
    assert ended.value.code == 0
    # A second one does not wait for what is loaded.
    with pytest.raises(SystemExit) as ended:
        target._handle_termination(signal.SIGTERM, None)
    assert ended.value.code == 1


def test_many_streams_take_no_more_memory_than_one(warehouse):
    streams = ("a", "b", "c")
    records = [
        record(stream=stream, id=number, name="x" * 100)
        for number in range(3000)
        for stream in streams
    ]
    warehouse.load(
        *(schema(PROPERTIES | {"name": "string"}, stream=stream) for stream in streams),
        *records,
        batch_size_bytes=100_000,
    )
    for stream in streams:
        counts = "SELECT count(*) AS rows, count(DISTINCT xmin::text) AS batches FROM " + stream
        (found,) = warehouse.sql(counts)
        assert found["rows"] == 3000
        assert found["batches"] > 1, "each transaction is a buffer that was emptied"
