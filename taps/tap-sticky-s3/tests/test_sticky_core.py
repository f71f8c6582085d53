from __future__ import annotations

import json

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from sticky_exports import BUCKET_SETTINGS
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.server import SandboxServer
from tap_sticky_s3.tap import TapStickyS3

# The SDK's suite makes its tap when the module is read.
_server = SandboxServer(scale=0.1)
_config = {
    **BUCKET_SETTINGS,
    "bucket": _server.bucket,
    "endpoint_url": _server.s3_url,
    "prefixes": "orders-create,orders-update",
}


# Not by module: where tests go to whichever worker is free, a module may come twice.
@pytest.fixture(scope="session", autouse=True)
def _serve():
    with _server:
        yield


class Tables(TapStickyS3):
    """The tap without `files`, whose rows come with the tables: the suite wants them of itself."""

    def discover_streams(self):
        files, *tables = super().discover_streams()
        files.selected = False
        return tables


# Every column of the catalog is in the files, and has values, but _extra: few rows do.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestTapStickyS3(
    get_tap_test_class(
        Tables,
        config=_config,
        suite_config=SuiteConfig(max_records_limit=20),
    )
):
    """The SDK's own suite."""


@pytest.mark.parametrize("stream", ("files", "orders_create"))
def test_the_catalog_changes_only_on_purpose(stream, snapshot):
    tap = TapStickyS3(config=_config)
    (entry,) = [item for item in tap.catalog_dict["streams"] if item["stream"] == stream]
    tap.close()
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_it_says_that_it_can_send_batches():
    assert "batch" in [str(capability) for capability in TapStickyS3.capabilities]
