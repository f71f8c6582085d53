from __future__ import annotations

import json

import pytest
from harness.sdk_suite import run_sdk_suite
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.gsheets import API_KEY, MAPPINGS
from tap_gsheets.tap import TapGsheets


@pytest.fixture
def config(sandbox):
    sandbox.control.gsheets.access(per_user=10**6)
    return {
        "api_key": API_KEY,
        "sheets_api_url": sandbox.gsheets_url,
        "drive_api_url": sandbox.gsheets_url,
        "spreadsheets": [{"spreadsheet": MAPPINGS}],
        "max_reads_per_minute": 10**6,
    }


# _extra stays empty: a tab's schema is made of the tab.
@pytest.mark.filterwarnings("ignore:No records were available to test")
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(TapGsheets, config, subtests)
    assert all(checks.values())


def test_the_catalog_changes_only_on_purpose(config, snapshot):
    catalog = TapGsheets(config=config).catalog_dict
    assert json.loads(json.dumps(catalog)) == snapshot(extension_class=JSONSnapshotExtension)


def test_no_batches_are_offered():
    assert "batch" not in [str(capability) for capability in TapGsheets.capabilities]
