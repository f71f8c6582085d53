"""The tap against a sandbox, in this process."""

from __future__ import annotations

import pytest
from sticky_exports import BUCKET_SETTINGS

from tap_sticky_s3.tap import TapStickyS3


@pytest.fixture
def s3(sandbox):
    """The sandbox's bucket, empty."""
    sandbox.control.s3.clear()
    return sandbox.control.s3


@pytest.fixture
def make_tap(sandbox, tmp_path):
    """Make the tap; it waits for nothing, and what it leaves behind goes with the test."""
    taps = []

    def make(state=None, catalog=None, **config):
        settings = {
            **BUCKET_SETTINGS,
            "bucket": sandbox.bucket,
            "endpoint_url": sandbox.s3_url,
            "max_retry_wait": 0,
        }
        tap = TapStickyS3(config=settings | config, state=state, catalog=catalog)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


@pytest.fixture(params=["arrow", "parquet"])
def batches(tmp_path, request):
    """The settings of BATCH messages, with a folder of the test's own."""
    storage = {"root": (tmp_path / "batches").as_uri()}
    return {"batch_config": {"encoding": {"format": request.param}, "storage": storage}}
