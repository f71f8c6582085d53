from __future__ import annotations

import json

import pytest
from everflow_days import days_ago
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.everflow import NETWORK_KEY
from signalroom_sandbox.server import SandboxServer
from tap_everflow.tap import TapEverflow

# The SDK's suite makes its tap when the module is read.
_server = SandboxServer()
_config = {
    "api_key": NETWORK_KEY,
    "api_url": _server.everflow_url,
    "start_date": days_ago(30).isoformat(),
    "custom_reports": [{"name": "by_country", "columns": ["offer", "country"]}],
}


# Not by module: where tests go to whichever worker is free, a module may come twice.
@pytest.fixture(scope="session", autouse=True)
def _serve():
    with _server:
        _server.control.everflow.limits(per_second=10_000, burst=10_000)
        yield


class EveryStream(TapEverflow):
    """The tap with everything on: the suite wants records of each stream."""

    def discover_streams(self):
        streams = super().discover_streams()
        for stream in streams:
            stream.selected_by_default = True
        return streams


# A record has _extra, or an optional field, only where there is something to put into it.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
class TestTapEverflow(
    get_tap_test_class(
        EveryStream,
        config=_config,
        suite_config=SuiteConfig(max_records_limit=20),
    )
):
    """The SDK's own suite."""


@pytest.mark.parametrize("stream", sorted(TapEverflow(config=_config).streams))
def test_the_catalog_changes_only_on_purpose(stream, snapshot):
    catalog = TapEverflow(config=_config).catalog_dict
    (entry,) = [item for item in catalog["streams"] if item["stream"] == stream]
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_discovery_needs_no_settings():
    catalog = TapEverflow(config={}, validate_config=False, setup_mapper=False).catalog_dict
    assert len(catalog["streams"]) == 15


def test_deselected_by_default():
    streams = TapEverflow(config=_config).streams
    off = {name for name, stream in streams.items() if not stream.selected_by_default}
    assert off == {"clicks", "daily_offer_stats"}


def test_no_batches_are_offered():
    assert "batch" not in [str(capability) for capability in TapEverflow.capabilities]
