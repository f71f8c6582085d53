from __future__ import annotations

import json

import pytest
from harness.sdk_suite import run_sdk_suite
from sticky_exports import BUCKET_SETTINGS
from syrupy.extensions.json import JSONSnapshotExtension

from tap_sticky_s3.tap import TapStickyS3


@pytest.fixture
def config(sandbox):
    return {
        **BUCKET_SETTINGS,
        "bucket": sandbox.bucket,
        "endpoint_url": sandbox.s3_url,
        "prefixes": "orders-create,orders-update",
    }


class Tables(TapStickyS3):
    """The tap without `files`, whose rows come with the tables: the suite wants them of itself."""

    def discover_streams(self):
        files, *tables = super().discover_streams()
        files.selected = False
        return tables


# Every column of the catalog is in the files, and has values, but _extra: few rows do.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(Tables, config, subtests)
    assert all(checks.values())


@pytest.mark.parametrize("stream", ("files", "orders_create"))
def test_the_catalog_changes_only_on_purpose(config, stream, snapshot):
    tap = TapStickyS3(config=config)
    (entry,) = [item for item in tap.catalog_dict["streams"] if item["stream"] == stream]
    tap.close()
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_it_says_that_it_can_send_batches():
    assert "batch" in [str(capability) for capability in TapStickyS3.capabilities]
