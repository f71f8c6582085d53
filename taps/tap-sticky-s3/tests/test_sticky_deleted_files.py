"""Rows of files that are no longer in the bucket."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sticky_exports import DAY, export, orders, table_of

from signalroom_singer import TapError
from signalroom_singer.scopes import COMPLETE_SCOPES
from tap_sticky_s3 import file_history
from tap_sticky_s3.streams import tables

ORDERS = "orders_create"
REMOVE = {"remove_deleted_files": True}


@pytest.fixture
def load(make_tap, sync):
    """Load the table's files; gives what the tap wrote."""

    def load(state=None, **settings):
        return sync(make_tap(state, **REMOVE | settings), ORDERS)

    return load


@pytest.fixture
def names(sandbox):
    """The names that files have in the table, by their days."""
    return lambda *days: [f"{sandbox.bucket}/{DAY.format(day)}" for day in days]


def put(s3, *days, rows=2):
    for day in days:
        s3.put(DAY.format(day), export(*orders(rows)))


def scopes_of(messages):
    return [scope for message in messages for scope in message.get(COMPLETE_SCOPES, ())]


def deleted_rows(output):
    """What rows meet that the tap says were deleted."""
    return [scope["where"] for scope in scopes_of(output.messages) if scope.get("deleted")]


def file_names(output):
    return [row["_file_name"] for row in output.records[ORDERS]]


def test_by_default_they_stay(s3, load):
    put(s3, 1, 2)
    first = load(remove_deleted_files=False)
    s3.delete(DAY.format(1))
    assert deleted_rows(first) == deleted_rows(load(first.state, remove_deleted_files=False)) == []


def test_what_is_not_in_the_bucket_is_a_scope(s3, load, names, sandbox):
    put(s3, 1, 2, 3)
    first = load()
    s3.delete(DAY.format(2))
    # Another pattern may have loaded it.
    s3.put("orders-create/notes.txt", "x")
    second = load(first.state)
    assert deleted_rows(second) == [
        {
            "_file_name": {
                "prefix": f"{sandbox.bucket}/orders-create/",
                "not_in": [*names(1, 3), f"{sandbox.bucket}/orders-create/notes.txt"],
            }
        }
    ]
    assert second.schemas[ORDERS]["schema"][COMPLETE_SCOPES] is True


def test_only_a_run_after_which_a_file_is_missing_says_so(s3, load):
    put(s3, 1, 2)
    output = load()
    # Without a state, nobody knows which files were loaded before.
    assert len(deleted_rows(output)) == 1
    for change in (lambda: None, lambda: put(s3, 3), lambda: put(s3, 1, rows=3)):
        change()
        output = load(output.state)
        assert deleted_rows(output) == []
    s3.delete(DAY.format(1))
    output = load(output.state)
    assert len(deleted_rows(output)) == 1
    output = load(output.state)
    assert deleted_rows(output) == []
    assert COMPLETE_SCOPES not in output.schemas[ORDERS]["schema"]


def test_files_that_were_deleted_before_it_was_set(s3, load):
    put(s3, 1, 2)
    first = load(remove_deleted_files=False)
    s3.delete(DAY.format(1))
    second = load(first.state, remove_deleted_files=False)
    third = load(second.state)
    assert len(deleted_rows(third)) == 1
    assert deleted_rows(load(third.state)) == []


@pytest.mark.parametrize("deleted", ((1,), (1, 2)))
def test_files_of_days_that_the_state_has_as_one(s3, load, names, monkeypatch, deleted):
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
    keys = ["orders-create/a_2025-12-01.csv", "orders-create/b_2025-12-01.csv"]
    for key in keys:
        s3.put(key, export(*orders(1)))
    put(s3, 2)
    output = load()
    for number in deleted:
        s3.delete(keys[number - 1])
    second = load(output.state)
    assert len(deleted_rows(second)) == 1
    assert deleted_rows(load(second.state)) == []


def test_files_that_the_state_has_no_more(s3, load):
    old = datetime.now(UTC) - timedelta(days=500)
    for day in (1, 2):
        s3.put(DAY.format(day), export(*orders(1)), modified=old)
    put(s3, 3)
    first = load()
    assert "floor" in first.state["bookmarks"][ORDERS]
    assert deleted_rows(load(first.state)) == []
    s3.delete(DAY.format(1))
    assert len(deleted_rows(load(first.state))) == 1


def test_an_empty_folder_removes_nothing(s3, load):
    put(s3, 1, 2)
    first = load()
    s3.clear()
    assert deleted_rows(load(first.state)) == []
    s3.put("orders-create/notes.txt", "x")
    assert deleted_rows(load(first.state)) == []


@pytest.mark.parametrize("fault", ("s3_403", "s3_500", "unparsable_listing"))
def test_a_listing_that_fails_on_its_way_removes_nothing(s3, sandbox, load, fault):
    put(s3, 1, 2, 3)
    first = load()
    s3.delete(DAY.format(1))
    s3.page_size(1)
    sandbox.control.fault(fault, vendor="s3", skip=1, times=1000)
    with pytest.raises(TapError):
        load(first.state)
    sandbox.control.clear_faults()
    assert len(deleted_rows(load(first.state))) == 1


@pytest.mark.parametrize(
    ("settings", "column", "condition"),
    (
        (
            {"start_date": "2025-12-02"},
            "_file_last_modified",
            {"from": "2025-12-02T00:00:00.000000Z"},
        ),
        ({"file_date_from": "2025-12-02"}, "_file_date", {"from": "2025-12-02", "or_null": True}),
        (
            {"file_date_from": "2025-12-02", "file_date_to": "2025-12-30"},
            "_file_date",
            {"from": "2025-12-02", "before": "2025-12-31", "or_null": True},
        ),
        (
            {"file_date_to": "2025-12-30"},
            "_file_date",
            {"before": "2025-12-31", "or_null": True},
        ),
    ),
)
def test_files_that_the_settings_ignore_are_not_removed(s3, load, settings, column, condition):
    put(s3, 5, 6)
    first = load(**settings)
    s3.delete(DAY.format(5))
    (where,) = deleted_rows(load(first.state, **settings))
    assert where.pop("_file_name")["prefix"]
    assert where == {column: condition}


class TestOrder:
    """The rows of a file that was moved are loaded under its new name before they are removed."""

    def test_rows_go_after_all_others_have_come(self, s3, load, names):
        put(s3, 1, 2)
        first = load()
        s3.redeliver(DAY.format(1), DAY.format(9), "2025-12-10T00:00:00Z")
        s3.delete(DAY.format(1))
        second = load(first.state)
        assert {*file_names(second)} == {*names(9)}
        loaded, deleted = scopes_of(second.messages)
        assert loaded["where"] == {"_file_name": {"in": names(9)}}
        assert deleted["deleted"] is True
        assert [*second.messages[-1]] == ["type", "value"]

    @pytest.mark.parametrize("settings", ({"max_files": 1}, {"settle_seconds": 10**6}))
    def test_they_stay_until_all_files_are_loaded(self, s3, load, settings):
        put(s3, 1, 2)
        first = load()
        s3.delete(DAY.format(1))
        put(s3, 3, 4)
        second = load(first.state, **settings)
        assert deleted_rows(second) == []
        third = load(second.state)
        assert len(deleted_rows(third)) == 1

    def test_files_that_the_settings_ignore_are_not_waited_for(self, s3, load):
        put(s3, 1, 2, 3)
        output = load(file_date_from="2025-12-02")
        assert len(deleted_rows(output)) == 1

    @pytest.mark.parametrize(("on_bad_file", "count"), (("error", 0), ("skip", 1)))
    def test_bad_files(self, s3, make_tap, sync, load, on_bad_file, count):
        put(s3, 1, 2)
        first = load()
        s3.delete(DAY.format(1))
        s3.put(DAY.format(3), "<html>")
        tap = make_tap(first.state, **REMOVE, on_bad_file=on_bad_file)
        second = sync(tap, ORDERS, fails=TapError)
        assert len(deleted_rows(second)) == count
        s3.put(DAY.format(3), export(*orders(1)))
        assert len(deleted_rows(load(second.state))) == 1 - count


def test_a_file_that_comes_back_is_read_again(s3, load, names):
    body = export(*orders(2))
    for day in (1, 2):
        s3.put(DAY.format(day), body, modified="2025-12-03T00:00:00Z")
    first = load()
    s3.delete(DAY.format(1))
    load(first.state)
    s3.put(DAY.format(1), body, modified="2025-12-04T00:00:00Z")
    # The run that removed its rows was stopped before its state was saved.
    assert {*file_names(load(first.state))} == {*names(1)}


def test_a_signal_before_the_scope_is_written_does_not_pass_it(s3, load):
    put(s3, 1, 2)
    first = load()
    s3.delete(DAY.format(1))
    second = load(first.state)
    states = [message for message in second.messages if message["type"] == "STATE"]
    (number,) = [number for number, message in enumerate(states) if scopes_of([message])]
    for state in states[: number + 1]:
        assert len(deleted_rows(load(state["value"]))) == 1
    assert deleted_rows(load(states[number + 1]["value"])) == []


def test_after_a_run_that_did_not_end_all_files_are_scopes(s3, load, names):
    """It may have loaded files that the state does not have."""
    put(s3, 1)
    first = load()
    put(s3, 2, 3)
    second = load(first.state)
    states = [message["value"] for message in second.messages if message["type"] == "STATE"]
    # The loader had the rows of both files; the state was saved without them.
    s3.delete(DAY.format(2))
    put(s3, 3, rows=1)
    third = load(states[0])
    (loaded, deleted) = scopes_of(third.messages)
    assert loaded["where"] == {"_file_name": {"in": names(3)}}
    assert deleted["deleted"] is True
    assert "unfinished_runs" not in third.state["bookmarks"][ORDERS]


@pytest.mark.parametrize(
    "settings",
    (
        {"stream_maps": {ORDERS: {"__filter__": "orders_id != '1'"}}},
        {"stream_maps": {ORDERS: {"_file_name": "_file_name.lower()"}}},
    ),
)
def test_settings_that_leave_out_rows_keep_the_others(s3, load, settings):
    put(s3, 1, 2)
    first = load()
    s3.delete(DAY.format(1))
    second = load(first.state, **settings)
    assert scopes_of(second.messages) == []
    # It is made up for.
    assert len(deleted_rows(load(second.state))) == 1


class Table:
    """A table as SignalRoom's target-postgres loads it, if a crash can follow any message."""

    def __init__(self):
        self.rows = {}
        self.state = None

    def load(self, messages):
        """Load rows up to a crash; the state that is saved may be older than they are."""
        sent = {}
        for message in messages:
            if message["type"] == "RECORD":
                sent |= self._keyed([message["record"]])
            elif message["type"] == "BATCH":
                paths = [url.removeprefix("file://") for url in message["manifest"]]
                sent |= self._keyed(row for path in paths for row in table_of(path).to_pylist())
            elif message["type"] == "STATE":
                scopes = message.get(COMPLETE_SCOPES, ())
                self.rows = {
                    key: row
                    for key, row in {**self.rows, **sent}.items()
                    if key in sent or not any(self._has(scope["where"], row) for scope in scopes)
                }
                sent = {} if scopes else sent
                self.state = message["value"]

    @staticmethod
    def _keyed(rows):
        return {(row["_file_name"], row["_row_id"]): row for row in rows}

    @staticmethod
    def _has(where, row):
        condition, name = where["_file_name"], row["_file_name"]
        assert len(where) == 1
        if "in" in condition:
            return name in condition["in"]
        return name.startswith(condition["prefix"]) and name not in condition["not_in"]

    def contents(self):
        return sorted((*key, row["orders_id"]) for key, row in self.rows.items())


@pytest.mark.parametrize(
    ("seed", "separate_files", "many_files", "in_batches"),
    ((1, 336, 100, False), (2, 0, 100, True), (3, 3, 0, False)),
)
def test_after_any_changes_and_crashes_the_table_is_the_buckets(
    s3, sandbox, make_tap, sync, tmp_path, monkeypatch, seed, separate_files, many_files, in_batches
):
    chance = random.Random(seed)
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", separate_files)
    monkeypatch.setattr(tables, "_MANY_FILES", many_files)
    storage = {"root": (tmp_path / "batches").as_uri()}
    batches = {"batch_config": {"encoding": {"format": "arrow"}, "storage": storage}}
    settings = REMOVE | (batches if in_batches else {})
    now = datetime(2025, 12, 20, tzinfo=UTC)
    bucket, table = {}, Table()
    # One that stays: an empty folder is a fault.
    put(s3, 31)
    for run in range(6):
        for _ in range(chance.randrange(1, 5)):
            now += timedelta(minutes=1)
            key = f"orders-create/{chance.choice('abc')}_2025-12-0{chance.randrange(1, 4)}.csv"
            if bucket.pop(key, None) and chance.random() < 0.6:
                s3.delete(key)
                continue
            bucket[key] = chance.randrange(1, 4)
            body = export(*orders(bucket[key], first=chance.randrange(3)))
            s3.put(key, body, modified=now.isoformat())
        messages = sync(make_tap(table.state, **settings), ORDERS).messages
        states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
        if run < 5 and chance.random() < 0.5:
            # Rows are committed before their state is saved, if it is.
            end = chance.choice(states)
            saved = [messages[n]["value"] for n in states if n < end]
            table.load(messages[: end + 1])
            table.state = saved[-1] if saved else messages[states[0]]["value"]
        else:
            table.load(messages)
    expected = []
    for item in s3.objects("orders-create/"):
        rows = bucket.get(item["key"], 2)
        expected += [(f"{sandbox.bucket}/{item['key']}", n) for n in range(rows)]
    assert [entry[:2] for entry in table.contents()] == sorted(expected)
    fresh = Table()
    fresh.load(sync(make_tap(**settings), ORDERS).messages)
    assert table.contents() == fresh.contents()
