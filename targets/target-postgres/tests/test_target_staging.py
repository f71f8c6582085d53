"""Rows between tap and server: buffered in memory, staged on disk, loaded in the background."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pyarrow as pa
import pytest

from signalroom_target_postgres.rows.background import BackgroundTask, prefetch_one
from signalroom_target_postgres.rows.buffer import RecordBuffer, concat_batches
from signalroom_target_postgres.rows.metadata import VERSION
from signalroom_target_postgres.rows.staging_file import StagingFile

#: Seconds that end a hang, however busy the machine is.
_HANG = 120


def table(*ids, name="id", **columns):
    return pa.table({name: pa.array(ids, pa.int64()), **columns})


def versions(*values):
    return table(*range(len(values)), **{VERSION: pa.array(values, pa.int64())})


def ids(tables, name="id"):
    return [rows.column(name).to_pylist() for rows in tables]


class TestStagingFile:
    @pytest.fixture
    def staging(self):
        staging = StagingFile()
        yield staging
        staging.close()

    def test_rows_come_back_in_order_as_often_as_they_are_read(self, staging):
        staging.write(table(1, 2))
        staging.write(table(3))
        assert staging.rows == 3
        for _ in range(2):
            assert ids(staging.read(10**9)) == [[1, 2, 3]]
        staging.write(table(4))
        assert ids(staging.read(10**9)) == [[1, 2, 3], [4]]

    @pytest.mark.parametrize(
        ("batch_bytes", "read"),
        (
            (1, [[1], [2], [3]]),
            (8, [[1], [2], [3]]),
            (9, [[1, 2], [3]]),
            (24, [[1, 2, 3]]),
            (25, [[1, 2, 3]]),
        ),
    )
    def test_tables_are_about_as_large_as_was_asked_for(self, staging, batch_bytes, read):
        for number in (1, 2, 3):
            staging.write(table(number))
        assert ids(staging.read(batch_bytes)) == read

    def test_columns_may_change(self, staging):
        staging.write(table(1))
        staging.write(table(2, name="number"))
        staging.write(table(3, name="number"))
        first, second = staging.read(10**9)
        assert first.to_pydict() == {"id": [1]}
        assert second.to_pydict() == {"number": [2, 3]}

    def test_metadata_of_columns_stays(self, staging):
        plain = pa.schema([pa.field("id", pa.int64())])
        marked = pa.schema([pa.field("id", pa.int64(), metadata={b"json": b"1"})])
        for schema in (plain, marked):
            staging.write(pa.table([[1]], schema=schema))
        assert [rows.schema.field("id").metadata for rows in staging.read(10**9)] == [
            *(None, {b"json": b"1"})
        ]

    def test_rows_after_a_savepoint_can_be_discarded(self, staging):
        staging.write(table(1))
        savepoint = staging.savepoint()
        staging.write(table(2))
        staging.write(table(3, name="number"))
        staging.rollback_to(savepoint)
        assert staging.rows == 1
        assert ids(staging.read(10**9)) == [[1]]
        staging.write(table(4))
        assert staging.rows == 2
        assert ids(staging.read(10**9)) == [[1], [4]]

    @pytest.mark.parametrize(
        ("batches", "version", "is_older"),
        (
            ([[5, 3]], 4, True),
            ([[5, 3]], 3, False),
            ([[5], [3]], 4, True),
            ([[3], [5]], 4, True),
            ([[None]], 4, False),
            ([[3], [None]], 4, True),
            ([[None], [3]], 4, True),
            ([], 4, False),
        ),
    )
    def test_rows_of_an_older_version(self, staging, batches, version, is_older):
        for values in batches:
            staging.write(versions(*values))
        staging.write(table(1))
        assert staging.has_older(version) is is_older

    def test_nothing_is_left_once_it_is_closed(self, staging):
        staging.write(versions(1))
        staging.close()
        assert staging.rows == 0
        assert not staging.has_older(9)
        assert list(staging.read(1)) == []
        staging.write(table(2))
        assert ids(staging.read(1)) == [[2]]


@dataclass
class Message:
    record: bytes


@dataclass
class Reject:
    record: bytes


class Decoder:
    """One batch of the lengths of records; records of one byte do not fit."""

    def decode(self, messages):
        lengths = [len(message.record) for message in messages]
        good = [length for length in lengths if length > 1]
        return [table(*good).to_batches()[0]], [
            message for message in messages if len(message.record) == 1
        ]


class TestBuffer:
    @pytest.fixture
    def buffer(self):
        return RecordBuffer()

    def test_messages_are_decoded_256_at_a_time(self, buffer):
        assert [buffer.add(Message(b"12")) for _ in range(256)] == [False] * 255 + [True]
        assert (buffer.rows, buffer.size) == (256, 512)

    def test_or_once_they_have_a_megabyte(self, buffer):
        assert not buffer.add(Message(b"x" * (2**20 - 1)))
        assert buffer.add(Message(b"x"))

    def test_rows_and_bytes_are_counted_until_they_are_taken(self, buffer):
        for record in (b"12", b"123", b"1"):
            buffer.add(Message(record))
        rejects = buffer.decode(Decoder())
        assert [reject.record for reject in rejects] == [b"1"]
        assert (buffer.rows, buffer.size, buffer.messages) == (2, 16, [])
        buffer.add(Message(b"1234"))
        buffer.add_rejects([Reject(b"1"), Reject(b"22")])
        assert (buffer.rows, buffer.size) == (5, 16 + 4 + 3)
        buffer.decode(Decoder())
        assert (buffer.rows, buffer.size) == (5, 16 + 8 + 3)
        buffer.add(Message(b"12345"))
        tables, rejected = buffer.drain()
        assert ids(tables) == [[2, 3, 4]]
        assert [reject.record for reject in rejected] == [b"1", b"22"]
        # What is not decoded stays.
        assert (buffer.rows, buffer.size) == (1, 5)
        assert buffer.drain() == ([], [])
        assert not buffer.add(Message(b"12"))

    def test_batches_are_joined_where_their_columns_are_the_same(self):
        batches = [
            rows.to_batches()[0] for rows in (table(1), table(2), table(3, name="number"), table(4))
        ]
        tables = concat_batches(batches)
        assert [rows.to_pydict() for rows in tables] == [
            *({"id": [1, 2]}, {"number": [3]}, {"id": [4]})
        ]


class TestBackground:
    def test_the_next_item_is_made_while_one_is_used(self):
        made, may_go_on = [], threading.Event()

        def items():
            made.append(threading.current_thread().name)
            yield 1
            may_go_on.set()
            yield 2

        iterator = prefetch_one(items())
        assert next(iterator) == 1
        assert may_go_on.wait(_HANG)
        assert list(iterator) == [2]
        assert made == ["prefetch_0"]
        assert list(prefetch_one([])) == []
        assert list(prefetch_one([None, 0])) == [None, 0]

    def test_an_error_comes_where_its_item_would_have(self):
        def items():
            yield 1
            raise KeyError

        iterator = prefetch_one(items())
        assert next(iterator) == 1
        with pytest.raises(KeyError):
            next(iterator)

    def test_a_task_runs_in_a_thread_and_ends_in_the_callers(self):
        task, gate, ended = BackgroundTask(), threading.Event(), []
        assert not task.is_busy
        assert not task.is_done
        task.wait()
        task.start(lambda: gate.wait(_HANG) and threading.current_thread().name, ended.append)
        assert task.is_busy
        assert not task.is_done
        gate.set()
        task.start(lambda: 2, ended.append)
        assert ended == ["load_0"]
        task.wait()
        task.wait()
        assert ended == ["load_0", 2]
        assert not task.is_busy
        assert not task.is_done
        task.close()

    def test_a_task_that_has_ended_is_done(self):
        task, done = BackgroundTask(), threading.Event()
        task.start(lambda: 1, lambda _: None)
        task._task[0].add_done_callback(lambda _: done.set())
        assert done.wait(_HANG)
        assert task.is_busy
        assert task.is_done
        task.close()

    def test_the_error_of_a_task_is_raised_by_who_waits(self):
        task, ended = BackgroundTask(), []
        task.start(lambda: 1 / 0, ended.append)
        with pytest.raises(ZeroDivisionError):
            task.wait()
        assert ended == []
        assert not task.is_busy
        task.close()

    def test_closing_does_not_wait(self):
        task, gate = BackgroundTask(), threading.Event()
        task.start(lambda: gate.wait(_HANG), lambda _: None)
        task.close()
        assert not task.is_done
        gate.set()
