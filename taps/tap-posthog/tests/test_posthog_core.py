from __future__ import annotations

import pytest
from harness.sdk_suite import check_catalog, run_sdk_suite
from posthog_days import day

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from tap_posthog.tap import TapPostHog


@pytest.fixture
def config(sandbox, posthog):
    return {
        "api_key": PERSONAL_KEY,
        "api_url": sandbox.posthog_url,
        "project_id": str(PROJECT),
        "start_date": day(2),
        "include_personal_data": True,
    }


# A record has _extra, or an optional field, only where there is something to put into it.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(TapPostHog, config, subtests)
    assert all(checks.values())


def test_the_catalog_changes_only_on_purpose(config, snapshot, subtests):
    check_catalog(TapPostHog, config, snapshot, subtests)


def test_deselected_by_default(config):
    streams = TapPostHog(config=config).streams
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
