from __future__ import annotations

import pytest
from everflow_days import days_ago
from harness.sdk_suite import check_catalog, run_sdk_suite

from signalroom_sandbox.everflow import NETWORK_KEY
from tap_everflow.tap import TapEverflow


@pytest.fixture
def config(sandbox):
    sandbox.control.everflow.limits(per_second=10_000, burst=10_000)
    return {
        "api_key": NETWORK_KEY,
        "api_url": sandbox.everflow_url,
        "start_date": days_ago(30).isoformat(),
        "custom_reports": [{"name": "by_country", "columns": ["offer", "country"]}],
    }


# A record has _extra, or an optional field, only where there is something to put into it.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(TapEverflow, config, subtests)
    assert all(checks.values())


def test_the_catalog_changes_only_on_purpose(config, snapshot, subtests):
    check_catalog(TapEverflow, config, snapshot, subtests)


def test_discovery_needs_no_settings():
    catalog = TapEverflow(config={}, validate_config=False, setup_mapper=False).catalog_dict
    assert len(catalog["streams"]) == 15


def test_deselected_by_default(config):
    streams = TapEverflow(config=config).streams
    off = {name for name, stream in streams.items() if not stream.selected_by_default}
    assert off == {"clicks", "daily_offer_stats"}


def test_no_batches_are_offered():
    assert "batch" not in [str(capability) for capability in TapEverflow.capabilities]
