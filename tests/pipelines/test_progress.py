"""Each tap that knows how much it reads says how much of it is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tap_everflow.tap import TapEverflow
from tap_mautic.tap import TapMautic
from tap_posthog.tap import TapPostHog
from tap_redtrack.tap import TapRedTrack
from tap_sticky_s3.tap import TapStickyS3

TODAY = datetime.now(UTC).date()
DAYS = {
    "START_DATE": (TODAY - timedelta(days=6)).isoformat(),
    "END_DATE": (TODAY - timedelta(days=3)).isoformat(),
}

BATCHES = {
    "BATCH_CONFIG": '{"encoding": {"format": "parquet"}, "storage": {"root": "file://%s"}}',
    # Few: of many the tap waits for a minute until the first are removed, and here nobody does.
    "FILE_DATE_FROM": (TODAY - timedelta(days=3)).isoformat(),
}


@pytest.mark.parametrize(
    ("tap", "stream", "settings", "unit", "total"),
    (
        (TapEverflow, "conversions", DAYS, "days", 4),
        (TapEverflow, "daily_stats", DAYS, "days", 4),
        (TapRedTrack, "daily_spend", DAYS, "days", 4),
        (TapRedTrack, "conversions", DAYS, "days", 4),
        (TapPostHog, "events", DAYS, "hours", 96),
        (TapMautic, "page_hits", {}, "ids", None),
        (TapStickyS3, "orders_create", {}, "files", None),
        (TapStickyS3, "orders_create", BATCHES, "files", None),
    ),
)
def test_how_much_is_read(sandbox, sync, monkeypatch, tmp_path, tap, stream, settings, unit, total):
    prefix = tap.name.replace("-", "_").upper()
    own = {
        f"{prefix}_{name}": value.replace("%s", str(tmp_path)) for name, value in settings.items()
    }
    for name, value in (sandbox.dotenv | own).items():
        monkeypatch.setenv(name, value)
    made = tap(parse_env_config=True)
    output = sync(made, stream)
    progress = made.streams[stream].progress
    rows = [message for message in output.messages if message["type"] == "RECORD"]
    assert progress.unit == unit
    assert progress.total > 0
    assert total in {None, progress.total}
    assert progress.done == progress.total
    assert progress.rows >= len(rows)
    assert progress.rows > 0
    assert progress.describe(20).startswith(f"{stream}: {progress.done:,.0f} of ")
