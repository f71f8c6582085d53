"""What is said of long work, and what of the SDK's is not."""

from __future__ import annotations

import json
import logging
from contextlib import suppress

import pytest
from kit_vendor import SECRET, STRUCTURED, RowTap

from signalroom_singer.cli.log_filter import is_for_users
from signalroom_singer.progress import REPORTER, Progress, Reporter, duration

LOGGER = logging.getLogger("tap-rows.days")


@pytest.fixture
def clock(caplog):
    """A clock that stands still, and what was said."""
    caplog.set_level(logging.INFO)

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

        def after(self, seconds):
            caplog.clear()
            self.now += seconds
            self.reporter.tick()
            return caplog.messages

    made = Clock()
    made.reporter = Reporter(made)
    return made


def test_a_line_every_ten_seconds_and_none_for_what_takes_less(clock):
    with clock.reporter.on(Progress("days", LOGGER)) as progress:
        assert clock.after(9) == []
        progress.rows = 1234
        assert clock.after(1) == ["days: 1,234 rows read in 10 s"]
        assert clock.after(9) == []
        progress.rows = 5000
        assert clock.after(2) == ["days: 5,000 rows read in 21 s"]
    assert clock.after(100) == []


def test_parts_say_how_much_time_is_left(clock):
    progress = Progress("days", LOGGER)
    with clock.reporter.on(progress):
        progress.expect(60, "days")
        assert clock.after(10) == ["days: 0 of 60 days, 0 rows read in 10 s"]
        progress.done, progress.rows = 15, 90
        assert clock.after(10) == ["days: 15 of 60 days, 90 rows read in 20 s, about 60 s left"]
        progress.expect(100, "days")
        progress.done = 159.7
        assert clock.after(10) == ["days: 160 of 160 days, 90 rows read in 30 s, about 0 s left"]


def test_where_rows_are_the_parts(clock):
    with clock.reporter.on(Progress("days", LOGGER, "loaded", total=1000)) as progress:
        progress.rows = 250
        assert clock.after(12) == ["days: 250 of 1,000 rows loaded in 12 s, about 36 s left"]


def test_streams_within_others_have_lines_of_their_own(clock):
    with clock.reporter.on(Progress("parents", LOGGER)):
        clock.after(6)
        with suppress(StopIteration), clock.reporter.on(Progress("children", LOGGER)):
            assert clock.after(5) == ["parents: 0 rows read in 11 s"]
            assert clock.after(5) == ["children: 0 rows read in 10 s"]
            raise StopIteration
        assert clock.after(5) == ["parents: 0 rows read in 21 s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    ((0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3600, "60 min"), (9000, "2.5 h")),
)
def test_times_have_a_unit_that_fits(seconds, text):
    assert duration(seconds) == text


def filtered(name, message, *args, level=logging.INFO):
    record = logging.LogRecord(name, level, "", 0, message, args, None)
    return record.getMessage() if is_for_users(record) else None, record.levelname


def test_a_line_begins_with_its_stream():
    assert filtered("tap-rows.days", "%d values", 3) == ("days: 3 values", "INFO")
    assert filtered("tap-rows.days", "100 % of it") == ("days: 100 % of it", "INFO")
    assert filtered("tap-rows.days", "days: 3 values")[0] == "days: 3 values"
    assert filtered("tap-rows.of%s", "%d values", 3)[0] == "of%s: 3 values"
    assert filtered("tap-rows", "3 values")[0] == "3 values"
    assert filtered("urllib3.pool", "3 values")[0] == "3 values"
    assert filtered("tap-rows.days", "3 values", level=logging.ERROR)[0] == "days: 3 values"


@pytest.fixture(autouse=True)
def _metrics_as_they_were(monkeypatch):
    metrics = logging.getLogger("singer_sdk.metrics")
    before = metrics.level
    metrics.setLevel(logging.NOTSET)
    yield
    metrics.setLevel(before)


@pytest.mark.parametrize(
    ("name", "message", "args"),
    (
        ("singer_sdk.metrics", "METRIC: %s", (1,)),
        ("tap-rows.days", "Beginning sync of '%s' in %s mode", ("days", "full_table")),
        ("tap-rows", "Skipping parse of env var settings...", ()),
    ),
)
def test_what_is_for_developers_is_at_the_level_debug(monkeypatch, name, message, args):
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.INFO)
    root.manager._clear_cache()
    assert filtered(name, message, *args)[0] is None
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.manager._clear_cache()
    assert filtered(name, message, *args) == (message % args, "DEBUG")
    root.manager._clear_cache()


def test_a_level_for_metrics_alone(logging_as_it_was):
    logging.getLogger().setLevel(logging.INFO)
    metrics = logging.getLogger("singer_sdk.metrics")
    metrics.setLevel(logging.INFO)
    assert filtered(metrics.name, "METRIC: %s", 1)[0] is None
    metrics.setLevel(logging.DEBUG)
    assert filtered(metrics.name, "METRIC: %s", 1) == ("METRIC: 1", "DEBUG")


def test_a_command_is_quiet_and_reports(vendor, monkeypatch, tmp_path, logging_as_it_was, capsys):
    """As Meltano starts it."""
    (path := tmp_path / "logging.json").write_text(
        json.dumps(STRUCTURED | {"root": {"handlers": ["console"], "level": "INFO"}})
    )
    config = {"api_url": vendor.url, "api_key": SECRET}
    (settings := tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    started = []
    monkeypatch.setattr(REPORTER, "start", lambda: started.append(True))
    with pytest.raises(SystemExit):
        RowTap.cli([f"--config={settings}"])
    said = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert started == [True]
    assert [one for one in said if one.startswith(("METRIC", "Beginning", "Skipping"))] == []
    assert said[0].startswith(RowTap.name)
