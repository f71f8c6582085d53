"""The state of many files: small, and as good as a plain list of them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sticky_exports import DAY, export, orders

from signalroom_singer import TapError
from signalroom_singer.state_merge import seal_state, unseal_state
from tap_sticky_s3 import file_history
from tap_sticky_s3.client import S3Object
from tap_sticky_s3.day_files import hash_object
from tap_sticky_s3.file_history import FileHistory
from tap_sticky_s3.streams import tables

FIRST = datetime(2025, 12, 1, tzinfo=UTC)
YEAR, MONTH = 365, 30
ORDERS = "orders_create"
PREFIXES = ("orders-create", "orders-update", "prospects-create")


def file(hour, *, prefix="orders-create", suffix="x", etag="a", size=10, modified=None, name=None):
    """The file of an hour since the first."""
    moment = FIRST + timedelta(hours=hour)
    name = name or f"report_{moment:%Y-%m-%dT%H%M}_{suffix}.csv"
    return S3Object(f"{prefix}/{name}", etag, size, modified or moment + timedelta(hours=1))


def round_trip(state):
    """A state, as Meltano gives it back."""
    return json.loads(json.dumps(state))


def load(state, objects, *, unless=frozenset()):
    """Load what is missing; gives it."""
    history = FileHistory(state, "orders", objects)
    due = [obj for obj in objects if not history.is_loaded(obj)]
    for obj in due:
        if obj.key not in unless:
            history.add(obj, 7)
    history.save()
    return due


@pytest.fixture
def digested(monkeypatch):
    """A state in which each day is a digest."""
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
    state, objects = {}, [file(hour) for hour in range(72)]
    load(state, objects)
    assert [len(text.split(" ")) for text in state["days"]] == [4, 4, 4]
    return state, objects


class TestPastDays:
    def test_a_run_without_new_files(self, digested):
        state, objects = digested
        before = round_trip(state)
        assert load(state, objects) == []
        assert state == before

    def test_late_files_are_read_alone(self, digested):
        state, objects = digested
        late = [
            file(30, suffix="again"),
            file(5, suffix="dated-back", modified=FIRST),
            file(90),
        ]
        assert load(state, [*objects, *late]) == late
        assert load(state, [*objects, *late]) == []

    def test_missing_hours_are_read_later(self, monkeypatch):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        state, objects = {}, [file(hour) for hour in range(24)]
        missing = objects[3::7]
        load(state, [obj for obj in objects if obj not in missing])
        assert load(state, objects) == missing

    def test_a_day_of_an_overwritten_file_is_read_again(self, digested):
        state, objects = digested
        objects[30] = file(30, etag="b", modified=FIRST + timedelta(days=9))
        assert load(state, objects) == objects[24:48]
        assert load(state, objects) == []

    def test_a_day_of_a_deleted_file_is_read_again_once(self, digested):
        state, objects = digested
        history = FileHistory(state, "orders", objects[:30] + objects[31:])
        assert history.reread_days == {"2025-12-02": 23}
        rest = objects[:30] + objects[31:]
        assert load(state, rest) == rest[24:47]
        assert load(state, rest) == []

    def test_a_day_without_files_in_the_bucket_stays_in_the_state(self, digested):
        state, objects = digested
        before = round_trip(state)
        assert load(state, objects[24:]) == []
        assert state == before
        assert load(state, objects) == []

    def test_the_same_bytes_stored_again(self, digested):
        state, objects = digested
        objects[30] = file(30, modified=FIRST + timedelta(days=9))
        history = FileHistory(state, "orders", objects)
        assert all(map(history.is_loaded, objects))
        again = [obj for obj in objects if not history.is_loaded(obj, by_time=True)]
        assert again == [objects[30]]

    def test_two_versions_of_the_same_content_are_two_files(self, monkeypatch):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        state = {}
        load(state, [file(1)])
        assert load(state, [file(2)]) == [file(2)]

    @pytest.mark.parametrize("count", (1, 2, 12))
    def test_files_that_cannot_be_loaded_do_not_reread_others(self, monkeypatch, count):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        state, objects = {}, [file(hour) for hour in range(24)]
        bad = objects[: 2 * count : 2]
        keys = {obj.key for obj in bad}
        assert load(state, objects, unless=keys) == objects
        for _ in range(3):
            assert load(state, objects, unless=keys) == bad

    def test_files_without_a_date(self, monkeypatch):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        state = {}
        objects = [file(hour, name=f"{hour}.csv") for hour in range(2000)]
        load(state, objects)
        assert len(state["days"]) == 256
        assert load(state, objects) == []
        objects[1000] = file(1000, name="1000.csv", etag="b")
        again = load(state, objects)
        assert objects[1000] in again
        assert len(again) < 30

    def test_the_newest_files_are_in_the_state_one_by_one(self):
        state, objects = {}, [file(hour) for hour in range(24 * 40)]
        load(state, objects)
        forms = [len(text.split(" ")) for text in state["days"]]
        assert forms == [4] * 26 + [2] * 14
        objects[-100] = file(24 * 40 - 100, etag="b")
        history = FileHistory(state, "orders", objects)
        assert [obj for obj in objects if not history.is_loaded(obj)] == [objects[-100]]
        assert history.row_count(objects[-100].key) == 7

    def test_pruned_files_and_late_ones_of_the_same_day(self, monkeypatch):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        now = datetime.now(UTC).replace(microsecond=0)
        old = [
            file(0, suffix=str(number), modified=now - timedelta(days=400 + number))
            for number in range(-9, 10)
        ]
        state = {}
        load(state, old)
        history = FileHistory(state, "orders", old)
        history.prune([], days=400)
        history.save()
        (text,) = state["days"]
        assert text.split(" ")[1] == "9"
        late = file(0, suffix="late", modified=now)
        assert load(state, [*old, late]) == [late]


class TestTap:
    def put(self, s3, count, rows=2):
        for number in range(count):
            s3.put(DAY.format(1).replace("x.csv", f"{number}.csv"), export(*orders(rows)))

    def test_the_state_of_many_files_is_not_written_after_each(
        self, s3, make_tap, sync, monkeypatch
    ):
        monkeypatch.setattr(tables, "_MANY_FILES", 3)
        self.put(s3, 8)
        messages = sync(make_tap(), ORDERS).messages
        states = [one["value"]["bookmarks"][ORDERS] for one in messages if one["type"] == "STATE"]
        counts = [len(FileHistory(state, ORDERS)) for state in states]
        assert sorted({*counts}) == [0, 1, 2, 8]

    def test_a_day_that_is_read_again_is_named(self, s3, make_tap, sync, monkeypatch, caplog):
        monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
        self.put(s3, 3)
        state = sync(make_tap(), ORDERS).state
        assert sync(make_tap(state), ORDERS).records == {}
        s3.put(DAY.format(1).replace("x.csv", "1.csv"), export(*orders(5)))
        output = sync(make_tap(state), ORDERS)
        assert len(output.records[ORDERS]) == 2 + 5 + 2
        assert "files of 2025-12-01 were overwritten or deleted" in caplog.text
        assert "All 3 files of these days are read again" in caplog.text
        assert sync(make_tap(output.state), ORDERS).records == {}


class TestStatesOfEarlierVersions:
    def entries(self, objects, **more):
        return {
            obj.key: {
                "e": obj.etag,
                "m": obj.modified.isoformat().replace("+00:00", "Z"),
                "s": obj.size,
                "n": 5,
            }
            | more
            for obj in objects
        }

    def test_nothing_is_read_again(self):
        objects = [file(hour) for hour in range(24 * YEAR)]
        state = {"files": self.entries(objects)}
        assert load(state, objects) == []
        assert "files" not in state
        assert load(round_trip(state), objects) == []

    def test_the_first_ones_had_no_sizes(self):
        objects = [file(1), file(2, etag="new")]
        entries = {objects[0].key: {"e": "a", "m": "2025-12-01T00:00:00"}}
        entries[objects[1].key] = {"e": "old", "m": "2025-12-01T00:00:00"}
        state = {"files": entries}
        assert load(state, objects) == [objects[1]]
        assert load(state, objects) == []

    def test_a_full_refresh_that_an_earlier_version_began(self):
        objects = [file(hour) for hour in range(48)]
        old = {"files": self.entries(objects, r=1)}
        new = {"files": {**old["files"], **self.entries(objects[:20], r=2)}}
        mark = {**new, "refresh": 2, "fields": ["files"]}
        state, _ = unseal_state({"bookmarks": {"orders": mark}})
        assert load(state["bookmarks"]["orders"], objects) == objects[20:]


@pytest.mark.parametrize(
    "days",
    (
        7,
        [7],
        ["2025-12-01"],
        ["2025-12-01 Zm9v"],
        ["2025-12-01 é"],
        ["2025-12-01 6gJaJ7ap!7w3IAGkugGAAAAAF"],
        ["2025-12-01 x AAAAAAAAAAAA 1"],
        ["2025-12-01 0 AAAAAAAAAAAA 1"],
        ["2025-12-01 2 AAAA 1"],
        ["2025-12-01 2 AAAAAAAAAAAA -1"],
        ["2025-12-01 2 AAAAAAAAAAAA 1 1"],
        {"2025-12-01": 1},
    ),
)
def test_invalid_days_are_an_error(days):
    with pytest.raises(TapError, match=r"state of stream orders .*`meltano state clear`"):
        FileHistory({"days": days}, "orders")


def make_delivery(prefix, hour, part):
    """A file as Looker's deliveries name it."""
    digest = hashlib.sha256(f"{prefix} {hour} {part}".encode()).hexdigest()
    return file(hour, prefix=prefix, suffix=digest[:12], etag=digest[32:], size=123_456)


@pytest.mark.parametrize("per_hour", (1, 3))
def test_a_year_of_three_tables_is_less_than_100_kb(per_hour):
    headers = {f"A header of an export {number}": f"header_{number}" for number in range(129)}
    state, objects = {"headers": headers, "refresh": 1_766_000_000_000}, []
    for first in range(0, 24 * YEAR, 24 * MONTH):
        new = [
            make_delivery(PREFIXES[0], hour, part)
            for hour in range(first, min(first + 24 * MONTH, 24 * YEAR))
            # Some hours have no file.
            if hour % 11
            for part in range(per_hour)
        ]
        if objects:
            # Of a month before, one comes late and one is overwritten.
            new.append(file(first - 24 * MONTH, suffix="late"))
            objects[-300] = S3Object(objects[-300].key, "changed", 99, new[0].modified)
        objects += new
        due = load(state, objects)
        assert {*new} <= {*due}
        # The day of the one that was overwritten, and that file.
        assert len(due) - len(new) < 25 * per_hour
        state = round_trip(state)
    assert load(state, objects) == []
    text = json.dumps(seal_state({"bookmarks": dict.fromkeys(PREFIXES, state)}))
    assert len(text.encode()) <= 100_000


KEYS = st.builds(
    "orders-create/{}{}.csv".format,
    st.sampled_from(("2025-12-01_", "2025-12-02_", "2025-12-03_", "")),
    st.integers(0, 5),
)
MOMENTS = st.integers(0, 5).map(lambda hours: FIRST + timedelta(hours=hours))
CHANGES = st.lists(
    st.tuples(st.sampled_from(("put", "put", "delete")), KEYS, st.sampled_from("abc"), MOMENTS),
    max_size=8,
)
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "changes": CHANGES,
            "bad": st.frozensets(KEYS, max_size=3),
            "killed_after": st.one_of(st.none(), st.integers(0, 8)),
            "saves": st.booleans(),
            "apart": st.sampled_from((0, 2, 5, 336)),
        }
    ),
    max_size=12,
)


@given(RUNS, st.booleans())
def test_it_agrees_with_a_plain_list_of_files(runs, refreshed):
    """Over any history of a bucket, with runs that are killed anywhere."""
    mark = {"refresh": 1} if refreshed else {}
    state, plain, bucket, deleted = {"bookmarks": {"orders": mark}}, {}, {}, set()
    again = frozenset()
    for run in runs:
        for kind, key, etag, moment in run["changes"]:
            if kind == "put":
                bucket[key] = S3Object(key, etag, 1, moment)
            elif bucket.pop(key, None):
                deleted.add(key)
        objects = sorted(bucket.values(), key=lambda obj: (obj.modified, obj.key))
        state = unseal_state(round_trip(seal_state(state)))[0]
        mark = state["bookmarks"]["orders"]
        saved = round_trip(mark), plain, again
        with patch.object(file_history, "_SEPARATE_FILES", run["apart"]):
            history = FileHistory(mark, "orders", objects)
            due = [obj for obj in objects if not history.is_loaded(obj)]
            new = [obj for obj in objects if plain.get(obj.key) != obj.etag]
            assert {*new} <= {*due}, "a file would never be loaded"
            days = {obj.key: hash_object(obj).day for obj in due}
            again |= {key for key, day in days.items() if day in history.reread_days}
            # One that was deleted and is there again may have been forgotten with its day.
            assert {obj.key for obj in {*due} - {*new}} <= again | deleted
            for obj in due[: run["killed_after"]]:
                if obj.key in run["bad"]:
                    continue
                history.add(obj, 1)
                plain, again = {**plain, obj.key: obj.etag}, again - {obj.key}
                if run["saves"]:
                    history.save()
                    saved = round_trip(mark), plain, again
            if run["killed_after"] is None:
                history.save()
                saved = round_trip(mark), plain, again
        state["bookmarks"]["orders"], plain, again = saved
    # A day that was read again is not read again for ever.
    mark, objects = (
        unseal_state(round_trip(seal_state(state)))[0]["bookmarks"]["orders"],
        [*bucket.values()],
    )
    load(mark, objects)
    assert load(round_trip(mark), objects) == []
