"""The status page as a browser draws it: ``make browser-test``, with Chromium on the PATH."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from signalroom_cli.status.model import Load, Outcome, Pipeline, Rows, Run
from signalroom_cli.status.page import render_page

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
BAR, LATE, OK = (0x5B, 0x8D, 0xEF), (0xC0, 0x26, 0x26), (0x1A, 0x7F, 0x4B)
DARK_BACK, DARK_BAR = (0x14, 0x17, 0x1A), (0x7C, 0xA6, 0xFF)


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, "No Chromium on the PATH: apt-get install chromium"
    return found


@pytest.fixture
def draw(chromium, tmp_path):
    """Take a screenshot of pipelines; gives the pixels by colour, and the picture."""

    def shot(pipelines, *flags, width=1280):
        source, target = tmp_path / "status.html", tmp_path / "status.png"
        source.write_text(render_page(pipelines, NOW, days=14, problem=""), encoding="utf-8")
        subprocess.run(
            [
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--window-size={width},700", f"--screenshot={target}", *flags),
                f"--user-data-dir={tmp_path / 'profile'}",
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
        picture = Image.open(target).convert("RGB")
        return Counter(picture.get_flattened_data()), picture

    return shot


def pipeline(hours_ago, counts=()):
    began = NOW - timedelta(hours=hours_ago)
    run = Run(began, began + timedelta(minutes=2), Outcome.SUCCESS)
    by_day = {(NOW - timedelta(days=ago)).date(): rows for ago, rows in enumerate(counts)}
    return Pipeline(
        tap=f"tap-everflow--{hours_ago}",
        state_id="x",
        schedule="everflow-hourly",
        cron="5 * * * *",
        last=run,
        last_success=run,
        bookmarks={"daily_stats": "2026-03-19"},
        rows=Rows(by_date=by_day, last_run=1234),
    )


def test_bars_are_as_high_as_rows_are_many(draw):
    colours, picture = draw([pipeline(0.2, [100, 50, 100, 0, 100])])
    # Three whole bars of 34 pixels and one of 17, each 9 wide.
    assert colours[BAR] == pytest.approx(9 * (3 * 34 + 17), rel=0.05)
    columns = {
        x
        for x in range(picture.width)
        for y in range(picture.height)
        if picture.getpixel((x, y)) == BAR
    }
    assert len(columns) == pytest.approx(4 * 9, abs=2)


def test_what_is_stale_is_red(draw):
    fine, _ = draw([pipeline(0.2, [1])])
    stale, _ = draw([pipeline(0.2, [1]), pipeline(20, [1])])
    assert fine[LATE] == 0
    assert fine[OK] > 100
    # Its name, and most of a bar that is a day long.
    assert stale[LATE] > 300


def test_in_the_dark(draw):
    colours, _ = draw([pipeline(0.2, [100])], "--blink-settings=preferredColorScheme=0")
    assert colours.most_common(1)[0][0] == DARK_BACK
    assert colours[DARK_BAR] == pytest.approx(9 * 34, rel=0.05)


def test_a_narrow_window_shows_the_condition(draw):
    fine, picture = draw([pipeline(0.2, [1])], width=500)
    stale, _ = draw([pipeline(20, [1])], width=500)
    assert picture.width == 500
    assert fine[OK] > 30
    assert fine[LATE] == 0
    assert stale[LATE] > 30


def test_runs_are_bars_too(draw):
    one = pipeline(0.2)
    loads = ((NOW - timedelta(hours=2), 5), (NOW - timedelta(hours=1), 10))
    runs = [Load(time, 9, rows, rows, 0, 0, 0, 0) for time, rows in loads]
    one.rows = Rows(by_run=runs)
    colours, _ = draw([one])
    assert colours[BAR] == pytest.approx(9 * (34 + 17), rel=0.05)


def test_pipelines_that_are_not_configured_are_folded(draw):
    unused = Pipeline(tap="x", state_id="x", schedule="x", cron="5 * * * *", unconfigured="no key")
    fine, _ = draw([pipeline(0.2, [1]), unused])
    assert fine[LATE] == 0


def test_a_telephone_shows_it_without_scrolling(draw):
    one = pipeline(0.2, [100] * 14)
    one.rows = Rows(
        by_run=[Load(NOW, 9, 9, 9, 0, 0, 0, 0)] * 24, by_date=one.rows.by_date, last_run=1234
    )
    colours, picture = draw([one], width=390)
    assert picture.width == 390
    # Both plots, whole.
    assert colours[BAR] == pytest.approx(9 * 34 * (24 + 14), rel=0.05)
