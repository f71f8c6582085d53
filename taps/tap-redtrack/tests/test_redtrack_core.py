from __future__ import annotations

import pytest
from harness.sdk_suite import check_catalog, run_sdk_suite
from redtrack_days import days_ago
from singer_sdk.exceptions import ConfigValidationError

from signalroom_sandbox.redtrack import API_KEY
from tap_redtrack.tap import TapRedTrack


@pytest.fixture
def config(sandbox):
    sandbox.control.redtrack.limits(per_window=100_000)
    return {
        "api_key": API_KEY,
        "api_url": sandbox.redtrack_url,
        "start_date": days_ago(5).isoformat(),
        "requests_per_minute": 100_000,
        "custom_reports": [{"name": "by_ad", "group": ["campaign", "sub1"]}],
    }


# Accounts have few of the metrics and fields that RedTrack knows.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(TapRedTrack, config, subtests)
    assert all(checks.values())


def test_the_catalog_changes_only_on_purpose(config, snapshot, subtests):
    check_catalog(TapRedTrack, config, snapshot, subtests)


def test_the_columns_of_the_legacy_table_come_first(config):
    columns = list(TapRedTrack(config=config).streams["daily_spend"].schema["properties"])
    assert columns[:7] == [
        *("date", "source_id", "source_name", "source_alias"),
        *("clicks", "conversions", "cost"),
    ]


def test_discovery_needs_no_settings():
    catalog = TapRedTrack(config={}, validate_config=False, setup_mapper=False).catalog_dict
    assert len(catalog["streams"]) == 17


def test_deselected_by_default(config):
    streams = TapRedTrack(config=config).streams
    off = {name for name, stream in streams.items() if not stream.selected_by_default}
    assert off == {
        *("clicks", "offer_daily", "landing_daily", "network_daily"),
        *("currencies", "countries", "timezones"),
    }


@pytest.mark.parametrize(
    ("group", "said"),
    (
        (["campaign", "hour"], "knows no hour; there are .*hour_of_day"),
        (["date"], "is by date and 1 to 9 other"),
        ([f"sub{number}" for number in range(1, 11)], "is by date and 1 to 9 other"),
    ),
)
def test_an_unknown_report_is_rejected_at_once(config, group, said):
    custom = [{"name": "by_x", "group": group}]
    with pytest.raises(ConfigValidationError, match=said):
        _ = TapRedTrack(config=config | {"custom_reports": custom}).streams


def test_an_unknown_time_zone_is_rejected(config):
    said = "Invalid timezone 'New York': unknown time zone"
    with pytest.raises(ConfigValidationError, match=said):
        TapRedTrack(config=config | {"timezone": "New York"})
