from __future__ import annotations

import json

import pytest
from posthog_days import UNLIMITED, day
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from signalroom_sandbox.server import SandboxServer
from tap_posthog.tap import TapPostHog

# The SDK's suite makes its tap when the module is read.
_server = SandboxServer()
_config = {
    "api_key": PERSONAL_KEY,
    "api_url": _server.posthog_url,
    "project_id": str(PROJECT),
    "start_date": day(2),
    "include_personal_data": True,
}


# Not by module: where tests go to whichever worker is free, a module may come twice.
@pytest.fixture(scope="session", autouse=True)
def _serve():
    with _server:
        _server.control.posthog.limits(**UNLIMITED)
        yield


class EveryStream(TapPostHog):
    """The tap with everything on: the suite wants records of each stream."""

    def discover_streams(self):
        streams = super().discover_streams()
        for stream in streams:
            stream.selected_by_default = True
        return streams


# A record has _extra, or an optional field, only where there is something to put into it.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestTapPostHog(
    get_tap_test_class(
        EveryStream,
        config=_config,
        suite_config=SuiteConfig(max_records_limit=20),
    )
):
    """The SDK's own suite."""


@pytest.mark.parametrize("stream", sorted(TapPostHog(config=_config).streams))
def test_the_catalog_changes_only_on_purpose(stream, snapshot):
    catalog = TapPostHog(config=_config).catalog_dict
    (entry,) = [item for item in catalog["streams"] if item["stream"] == stream]
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_deselected_by_default():
    streams = TapPostHog(config=_config).streams
    on = {name for name, stream in streams.items() if stream.selected_by_default}
    assert on == {
        "actions",
        "annotations",
        "cohorts",
        "events",
        "experiments",
        "feature_flags",
        "project",
    }


def test_no_batches_are_offered():
    assert "batch" not in [str(capability) for capability in TapPostHog.capabilities]
