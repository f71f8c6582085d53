from __future__ import annotations

import json

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.gsheets import API_KEY, MAPPINGS
from signalroom_sandbox.server import SandboxServer
from tap_gsheets.tap import TapGsheets

# The SDK's suite makes its tap when the module is read, and this tap reads when it is made.
_server = SandboxServer().__enter__()
_config = {
    "api_key": API_KEY,
    "sheets_api_url": _server.gsheets_url,
    "drive_api_url": _server.gsheets_url,
    "spreadsheets": [{"spreadsheet": MAPPINGS}],
    "max_reads_per_minute": 10**6,
}
_server.control.gsheets.access(per_user=10**6)


# Not by module: where tests go to whichever worker is free, a module may come twice.
@pytest.fixture(scope="session", autouse=True)
def _serve():
    yield
    _server.__exit__(None, None, None)


# _extra stays empty: a tab's schema is made of the tab.
@pytest.mark.filterwarnings("ignore:No records were available to test")
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
class TestTapGsheets(
    get_tap_test_class(TapGsheets, config=_config, suite_config=SuiteConfig(max_records_limit=20))
):
    """The SDK's own suite."""


def test_the_catalog_changes_only_on_purpose(snapshot):
    catalog = TapGsheets(config=_config).catalog_dict
    assert json.loads(json.dumps(catalog)) == snapshot(extension_class=JSONSnapshotExtension)


def test_no_batches_are_offered():
    assert "batch" not in [str(capability) for capability in TapGsheets.capabilities]
