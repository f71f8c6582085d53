from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from signalroom_singer import TapError
from tap_sticky_s3 import file_history
from tap_sticky_s3.client import S3Object
from tap_sticky_s3.file_filter import FileFilter, date_in_key
from tap_sticky_s3.file_history import FileHistory

NOON = datetime(2025, 12, 18, 12, tzinfo=UTC)
SETTINGS = {"settle_seconds": 0, "max_files_order": "newest"}


def make_object(day, *, key=None, etag="a", size=10, modified=None):
    key = key or f"orders-create/report_2025-12-{day:02}T0600_x.csv"
    modified = modified or datetime(2025, 12, day, 6, tzinfo=UTC) + timedelta(days=1)
    return S3Object(key, etag, size, modified)


def ago(days):
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)


class TestLoadedFiles:
    def test_a_new_file(self):
        assert not FileHistory({}, "orders").is_loaded(make_object(1))

    def test_a_loaded_file(self):
        state = {}
        history = FileHistory(state, "orders")
        history.add(make_object(1), 5)
        history.save()
        assert FileHistory(state, "orders").is_loaded(make_object(1))
        assert FileHistory(state, "orders").row_count(make_object(1).key) == 5

    def test_the_state_is_as_the_readme_says(self):
        state = {}
        history = FileHistory(state, "orders")
        history.add(make_object(1), 5)
        history.save()
        # 18 bytes: the key, ETag and size, LastModified, rows.
        assert state == {"days": ["2025-12-01 6gJaJ7ap7w3IAGkugGAAAAAF"]}

    @pytest.mark.parametrize("changed", ({"etag": "b"}, {"size": 11}))
    def test_another_version_is_another_file(self, changed):
        history = FileHistory({}, "orders")
        history.add(make_object(1), 5)
        assert not history.is_loaded(replace(make_object(1), **changed))

    def test_the_same_bytes_stored_again(self):
        history = FileHistory({}, "orders")
        history.add(make_object(1), 5)
        again = replace(make_object(1), modified=NOON)
        assert history.is_loaded(again)
        assert not history.is_loaded(again, by_time=True)

    def test_two_files_of_one_second(self):
        history = FileHistory({}, "orders")
        history.add(make_object(1, key="a.csv", modified=NOON), 5)
        assert not history.is_loaded(make_object(1, key="b.csv", modified=NOON))

    def test_a_file_that_is_older_than_all_that_are_loaded(self):
        history = FileHistory({}, "orders")
        history.add(make_object(18), 5)
        assert not history.is_loaded(make_object(2))


class TestBookmarksOfOtherPipelines:
    def test_the_date_of_the_dlt_pipeline(self):
        state = {"last_file_date": "2025-12-10"}
        history = FileHistory(state, "orders")
        files = [make_object(day) for day in range(1, 15)]
        assert history.migrate_bookmark(files) == 9
        assert [date_in_key(file.key) for file in files if not history.is_loaded(file)] == [
            f"2025-12-{day}" for day in range(10, 15)
        ]
        history.save()
        assert list(state) == ["days"]

    @pytest.mark.parametrize("time", ("T00:00:00Z", " 23:59:59"))
    def test_a_date_with_a_time(self, time):
        history = FileHistory({"last_file_date": f"2025-12-10{time}"}, "orders")
        assert history.migrate_bookmark([make_object(day) for day in range(1, 15)]) == 9

    def test_nothing_of_a_bookmark_stays(self):
        state = {"replication_key": "modified", "replication_key_value": "2025-12-10T06:00:00Z"}
        history = FileHistory(state, "orders")
        assert history.migrate_bookmark([make_object(7)]) == 1
        history.save()
        assert list(state) == ["days"]

    def test_files_that_the_bookmark_does_not_cover(self):
        history = FileHistory({"last_file_date": "2025-12-10"}, "orders")
        late = make_object(2, modified=datetime(2025, 12, 14, tzinfo=UTC))
        nameless = make_object(2, key="orders-create/all.csv")
        assert history.migrate_bookmark([late, nameless]) == 0

    def test_a_high_water_mark_of_last_modified(self):
        history = FileHistory({"replication_key_value": "2025-12-10T06:00:00+00:00"}, "orders")
        files = [make_object(day) for day in range(7, 12)]
        assert history.migrate_bookmark(files) == 2  # that of the bookmark's second is read again
        assert [history.is_loaded(file) for file in files] == [True, True, False, False, False]

    def test_an_invalid_bookmark(self):
        assert (
            FileHistory({"last_file_date": "yesterday"}, "orders").migrate_bookmark(
                [make_object(1)]
            )
            == 0
        )

    def test_an_overwritten_file_is_found_after_the_migration(self):
        history = FileHistory({"last_file_date": "2025-12-10"}, "orders")
        history.migrate_bookmark([make_object(1)])
        assert not history.is_loaded(make_object(1, etag="b", modified=NOON))


@pytest.mark.parametrize(
    "state",
    (
        {"files": ["a.csv"]},
        {"files": {"a.csv": "etag"}},
        {"files": {"a.csv": {"s": 3}}},
        {"files": {"a.csv": {"e": "x", "m": "now"}}},
        {"floor": "long ago"},
        {"floor": 12},
    ),
)
def test_an_invalid_state_is_an_error(state):
    with pytest.raises(TapError, match=r"state of stream orders .*`meltano state clear`"):
        FileHistory(state, "orders")


@pytest.mark.parametrize(("rows", "count"), ((7, 7), (0, 0), (-1, None), ("7", None), (None, None)))
def test_row_counts_of_states_with_an_entry_for_each_file(rows, count):
    entry = {"e": "a", "m": "2025-12-02T06:00:00Z", "s": 10, "n": rows}
    file = make_object(1)
    history = FileHistory({"files": {file.key: entry}}, "orders", [file])
    assert history.is_loaded(file)
    assert history.row_count(file.key) == count
    assert history.row_count("another.csv") is None


def test_files_are_by_themselves_up_to_a_number_the_newest_days_first(monkeypatch):
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", 4)
    state = {}
    history = FileHistory(state, "orders")
    # 5 files are too many; those of the days before are not.
    for day, count in ((1, 1), (2, 2), (3, 2), (4, 5)):
        for number in range(count):
            history.add(make_object(day, key=f"{number}_2025-12-{day:02}.csv"), 1)
    history.save()
    is_digest = {text.split(" ")[0]: text.count(" ") == 3 for text in state["days"]}
    assert is_digest == {
        "2025-12-01": True,
        "2025-12-02": False,
        "2025-12-03": False,
        "2025-12-04": True,
    }


class TestOldFiles:
    def history(self, *days):
        history = FileHistory({}, "orders")
        for day in days:
            history.add(make_object(1, key=f"{day}.csv", modified=ago(day)), 1)
        return history

    def test_they_are_removed_and_count_as_loaded(self):
        history = self.history(500, 401, 399, 1)
        history.prune([], days=400)
        assert len(history) == 2
        assert history.floor is not None
        assert history.is_loaded(make_object(1, key="500.csv", modified=ago(500)))

    def test_the_floor_never_passes_a_file_that_is_not_loaded(self):
        history = self.history(600, 500, 401)
        left_out = make_object(1, key="left-out.csv", modified=ago(550))
        history.prune([left_out], days=400)
        assert not history.is_loaded(left_out)
        assert len(history) == 2

    def test_the_floor_is_in_the_state_in_utc(self):
        state = {}
        history = FileHistory(state, "orders")
        history.add(make_object(1), 1)
        tokyo = timezone(timedelta(hours=9))
        left_out = make_object(1, key="a.csv", modified=datetime(2025, 12, 18, 21, tzinfo=tokyo))
        history.prune([left_out], days=0)
        assert state["floor"] == "2025-12-18T11:59:59Z"

    def test_the_floor_stays_where_nothing_is_old(self):
        history = self.history(399, 1)
        history.prune([], days=400)
        assert history.floor is None

    def test_the_floor_never_falls(self):
        history = self.history(500)
        history.prune([], days=400)
        floor = history.floor
        history.add(make_object(1, key="x.csv", modified=ago(700)), 1)
        history.prune([], days=600)
        assert history.floor == floor

    def test_the_state_is_bounded(self):
        history = self.history(*range(1, 2000))
        history.prune([], days=400)
        assert len(history) in {399, 400}


class TestFilter:
    def test_the_newest_files_the_oldest_of_them_first(self):
        actual = FileFilter(SETTINGS | {"max_files": 2}, "csv").select_for_run(
            map(make_object, (3, 1, 2))
        )
        assert actual == [make_object(2), make_object(3)]

    def test_the_oldest_files(self):
        settings = SETTINGS | {"max_files": 2, "max_files_order": "oldest"}
        assert FileFilter(settings, "csv").select_for_run(map(make_object, (3, 1, 2))) == [
            make_object(1),
            make_object(2),
        ]

    def test_no_file_is_lost_whatever_the_order(self):
        for order in ("newest", "oldest"):
            chooser = FileFilter(SETTINGS | {"max_files": 3, "max_files_order": order}, "csv")
            history, files, runs = (
                FileHistory({}, "orders"),
                [make_object(day) for day in range(1, 12)],
                0,
            )
            while due := chooser.select_for_run(
                file for file in files if not history.is_loaded(file)
            ):
                runs += 1
                for file in due:
                    history.add(file, 1)
            assert runs == 4
            assert all(map(history.is_loaded, files))

    def test_dates_of_names(self):
        chooser = FileFilter(
            SETTINGS | {"file_date_from": "2025-12-03", "file_date_to": "2025-12-05"}, "csv"
        )
        days = [day for day in range(1, 9) if chooser.is_in_range(make_object(day))]
        assert days == [3, 4, 5]
        assert chooser.is_in_range(make_object(1, key="no-date.csv"))

    def test_start_date_and_settling(self):
        since = FileFilter(SETTINGS | {"start_date": "2025-12-19"}, "csv")
        assert not since.is_in_range(make_object(1, modified=NOON))
        settled = FileFilter(SETTINGS | {"settle_seconds": 60}, "csv")
        assert not settled.is_in_range(make_object(1, modified=ago(0)))
        assert settled.is_in_range(make_object(1, modified=ago(1)))

    @pytest.mark.parametrize(
        ("key", "matches"),
        (
            ("orders-create/2025-12-18/x.csv", True),
            ("orders-create/x.csv.gz", True),
            ("orders-create/x.csv.tmp", False),
            ("orders-create/x.part", False),
        ),
    )
    def test_the_default_pattern(self, key, matches):
        assert FileFilter(SETTINGS, r"\.csv(\.gz)?$").matches(key) is matches


class TestDatesInKeys:
    @pytest.mark.parametrize(
        ("key", "day"),
        (
            ("orders-create/report_2025-12-18T0600_x.csv", "2025-12-18"),
            ("2026-01-05/report_2026-01-06.csv", "2026-01-05"),
            ("x_10020030-44-55_2026-01-05.csv", "2026-01-05"),
            ("x_10022026-03-04_2026-01-05.csv", "2026-01-05"),
            ("x_2026-13-01_2026-02-30_2026-02-28.csv", "2026-02-28"),
            ("x_0030-04-05_2026-01-05.csv", "2026-01-05"),
            ("x_2025-12-182026-01-05.csv", "2025-12-18"),
            ("x_2026-01-051200_2026-02-01.csv", "2026-01-05"),
            ("x_12026-01-05.csv", "2026-01-05"),
            ("x_2024-02-29.csv", "2024-02-29"),
            ("x_2025-02-29.csv", None),
            ("x_5026-01-05.csv", None),
            ("x_٢٠٢٦-٠١-٠٥.csv", None),  # noqa: RUF001 - the point of it
            ("x_20260105.csv", None),
            ("x.csv", None),
        ),
    )
    def test_the_first_real_day(self, key, day):
        assert date_in_key(key) == day

    @given(
        st.dates(datetime(1900, 1, 1).date(), datetime(2199, 12, 31).date()), st.text(), st.text()
    )
    def test_a_day_is_found_between_any_text(self, day, before, after):
        assume(not re.search("[0-9]", before + after))
        assert date_in_key(f"{before}{day}{after}") == day.isoformat()

    @given(st.text(alphabet="0123456789-", max_size=30))
    def test_the_date_is_a_part_of_the_key(self, key):
        actual = date_in_key(key)
        if actual:
            assert actual in key
            assert 1900 <= datetime.fromisoformat(actual).year <= 2199

    def test_an_id_does_not_hide_the_date_of_a_file(self):
        chooser = FileFilter(SETTINGS | {"file_date_from": "2026-01-01"}, "csv")
        assert chooser.is_in_range(make_object(1, key="x_10020030-44-55_2026-01-05.csv"))
        assert not chooser.is_in_range(make_object(1, key="x_10020030-44-55_2025-12-31.csv"))

    @pytest.mark.parametrize(
        "written", ("2025-12-03", "2025-12-03T00:00:00Z", "2025-12-03T00:00:00")
    )
    def test_a_first_and_a_last_date_as_meltano_writes_them(self, written):
        chooser = FileFilter(SETTINGS | {"file_date_from": written, "file_date_to": written}, "csv")
        assert [chooser.is_in_range(make_object(day)) for day in (2, 3, 4)] == [False, True, False]
