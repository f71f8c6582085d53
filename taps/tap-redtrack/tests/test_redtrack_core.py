from __future__ import annotations

import json

import pytest
from redtrack_days import days_ago
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.redtrack import API_KEY
from signalroom_sandbox.server import SandboxServer
from tap_redtrack.tap import TapRedTrack

# The SDK's suite makes its tap when the module is read.
_server = SandboxServer()
_config = {
    "api_key": API_KEY,
    "api_url": _server.redtrack_url,
    "start_date": days_ago(5).isoformat(),
    "requests_per_minute": 100_000,
    "custom_reports": [{"name": "by_ad", "group": ["campaign", "sub1"]}],
}


@pytest.fixture(scope="session", autouse=True)
def _serve():
    with _server:
        _server.control.redtrack.limits(per_window=100_000)
        yield


class EveryStream(TapRedTrack):
    """The tap with everything on: the suite wants records of each stream."""

    def discover_streams(self):
        streams = super().discover_streams()
        for stream in streams:
            stream.selected_by_default = True
        return streams


# Accounts have few of the metrics and fields that RedTrack knows.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestTapRedTrack(
    get_tap_test_class(
        EveryStream,
        config=_config,
        suite_config=SuiteConfig(max_records_limit=20),
    )
):
    """The SDK's own suite."""


@pytest.mark.parametrize("stream", sorted(TapRedTrack(config=_config).streams))
def test_the_catalog_changes_only_on_purpose(stream, snapshot):
    catalog = TapRedTrack(config=_config).catalog_dict
    (entry,) = [item for item in catalog["streams"] if item["stream"] == stream]
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_the_columns_of_the_legacy_table_come_first():
    columns = list(TapRedTrack(config=_config).streams["daily_spend"].schema["properties"])
    assert columns[:7] == [
        *("date", "source_id", "source_name", "source_alias"),
        *("clicks", "conversions", "cost"),
    ]


def test_discovery_needs_no_settings():
    catalog = TapRedTrack(config={}, validate_config=False, setup_mapper=False).catalog_dict
    assert len(catalog["streams"]) == 17


def test_deselected_by_default():
    streams = TapRedTrack(config=_config).streams
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
def test_an_unknown_report_is_rejected_at_once(group, said):
    custom = [{"name": "by_x", "group": group}]
    with pytest.raises(ConfigValidationError, match=said):
        _ = TapRedTrack(config=_config | {"custom_reports": custom}).streams


def test_an_unknown_time_zone_is_rejected():
    said = "Invalid timezone 'New York': unknown time zone"
    with pytest.raises(ConfigValidationError, match=said):
        TapRedTrack(config=_config | {"timezone": "New York"})
