"""Which files of a listing a run reads, and what it says of the others."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tap_sticky_s3 import file_history
from tap_sticky_s3.client import S3Object
from tap_sticky_s3.run_plan import RunPlanner
from tap_sticky_s3.table_settings import TableSettings, make_dialect

NOON = datetime(2025, 12, 18, 12, tzinfo=UTC)


@dataclass
class Bucket:
    objects: list[S3Object]
    name: str = "exports"

    def list_objects(self, prefix):
        return [obj for obj in self.objects if obj.key.startswith(prefix)]


def file(day, *, prefix="orders-create", suffix="x", **changed):
    key = f"{prefix}/report_2025-12-{day:02}T0600_{suffix}.csv"
    modified = datetime(2025, 12, day, 7, tzinfo=UTC)
    return replace(S3Object(key, "a", 10, modified), **changed)


@pytest.fixture
def planner(make_tap):
    """Make the planner of the table `orders_create`."""

    def make(*objects, **config):
        settings = dict(make_tap(**config).config)

        def table(prefix):
            return TableSettings(
                name=prefix.replace("-", "_"),
                prefix=prefix,
                pattern=settings["pattern"],
                dialect=make_dialect(settings),
                check_header=True,
            )

        tables = [table("orders-create"), table("orders-create-eu")]
        return RunPlanner(
            tables[0], tables, Bucket([*objects]), settings, logging.getLogger("plan")
        )

    return make


def warnings(caplog):
    """What is logged for people to act on, whatever the level of the log is."""
    return [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING]


def load(planner, state):
    """Load what is due; gives the plan."""
    plan = planner.plan(state)
    for obj in plan.due:
        plan.history.add(obj, 1)
    plan.history.save()
    return plan


def test_files_out_of_range_are_not_read(planner):
    files = [file(1), file(5), file(9)]
    assert planner(*files, start_date="2025-12-04").plan({}).due == files[1:]
    assert planner(*files, file_date_to="2025-12-08").plan({}).due == files[:2]


def test_files_are_read_once(planner):
    state, files = {}, [file(1), file(2)]
    assert load(planner(*files), state).due == files
    plan = planner(*files, file(3)).plan(state)
    assert plan.due == [file(3)]
    assert plan.not_loaded() == [file(3)]
    assert plan.objects == [*files, file(3)]


def test_days_of_many_files_are_known_as_well(planner, monkeypatch):
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
    state, files = {}, [file(1), file(2)]
    load(planner(*files), state)
    assert [len(text.split(" ")) for text in state["days"]] == [4, 4]
    assert planner(*files, file(3)).plan(state).due == [file(3)]


@pytest.mark.parametrize(("reload_on", "is_due"), (("last_modified", True), ("content", False)))
def test_the_same_bytes_stored_again(planner, reload_on, is_due):
    state = {}
    load(planner(file(1)), state)
    again = file(1, modified=NOON)
    plan = planner(again, reload_on=reload_on).plan(state)
    assert plan.due == plan.not_loaded() == ([again] if is_due else [])


def test_files_outside_of_the_settings_stay_not_loaded(planner):
    files = [file(day) for day in (1, 2, 3)]
    plan = load(planner(*files, file_date_from="2025-12-02", max_files=1), {})
    assert plan.due == [file(3)]
    assert plan.not_loaded() == [file(1), file(2)]


def test_a_bookmark_of_another_pipeline_stands_for_files(planner, caplog):
    caplog.set_level("INFO")
    plan = planner(file(1), file(10)).plan({"last_file_date": "2025-12-10"})
    assert plan.due == [file(10)]
    assert "The state of an earlier pipeline stands for 1 files: they count as loaded" in (
        caplog.messages
    )


def test_the_log_counts_files(planner, caplog):
    caplog.set_level("INFO")
    planner(file(1), file(2), max_files=1).plan({})
    assert "exports/orders-create: 2 files, 2 not loaded, reading 1" in caplog.messages


def test_an_empty_folder_is_warned_of(planner, caplog):
    planner(file(1, prefix="orders-update")).plan({})
    (message,) = warnings(caplog)
    assert message.startswith("exports/orders-create has no files of this table. If it should,")


def test_files_of_no_table_are_named(planner, caplog):
    others = [file(1, key=f"orders-create/{number}.txt") for number in range(1, 8)]
    # Of the other table, whose prefix begins as this one's does.
    planner(file(1), file(1, prefix="orders-create-eu"), *others).plan({})
    (message,) = [text for text in caplog.messages if "do not match" in text]
    assert "7 files do not match the pattern" in message
    assert message.endswith(
        "are not read: orders-create/1.txt, orders-create/2.txt, orders-create/3.txt, "
        "orders-create/4.txt, orders-create/5.txt and 2 more"
    )


def test_who_sets_a_pattern_is_not_warned_of_other_files(planner, caplog):
    planner(file(1), file(1, key="orders-create/1.txt"), pattern="csv$").plan({})
    assert not warnings(caplog)


@pytest.mark.parametrize(("count", "more"), ((5, ""), (7, " and 2 more days")))
def test_days_that_are_read_again_are_named(planner, caplog, monkeypatch, count, more):
    monkeypatch.setattr(file_history, "_SEPARATE_FILES", 0)
    state, files = {}, [file(day) for day in range(1, count + 1)]
    load(planner(*files), state)
    changed = [replace(obj, etag="b") for obj in files]
    assert planner(*changed).plan(state).due == changed
    (message,) = [text for text in caplog.messages if "read again" in text]
    days = "2025-12-01, 2025-12-02, 2025-12-03, 2025-12-04, 2025-12-05"
    assert message.startswith(
        f"exports/orders-create: files of {days}{more} were overwritten or deleted after they were "
        f"loaded. All {count} files of these days are read again"
    )


def test_dates_of_several_files_are_warned_of_once_they_are_read(planner, caplog):
    files = [file(1), file(1, suffix="y", modified=NOON), file(2)]
    state = {}
    load(planner(*files), state)
    expected = (
        "2 files under orders-create have the date 2025-12-01: "
        "orders-create/report_2025-12-01T0600_x.csv, orders-create/report_2025-12-01T0600_y.csv."
    )
    assert [text.startswith(expected) for text in warnings(caplog)] == [True]
    caplog.clear()
    load(planner(*files, file(3, modified=NOON + timedelta(days=1))), state)
    assert not warnings(caplog)
