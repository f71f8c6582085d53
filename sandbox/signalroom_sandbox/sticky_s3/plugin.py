"""Declares Sticky.io's exports as a vendor of the sandbox."""

from __future__ import annotations

from typing import Any

from signalroom_sandbox.plugins import Plugin
from signalroom_sandbox.sticky_s3.access import ACCESS_KEY, SECRET
from signalroom_sandbox.sticky_s3.actions import Actions
from signalroom_sandbox.sticky_s3.bucket import StickyS3
from signalroom_sandbox.sticky_s3.errors import FAULTS


def _encode_body(values: dict[str, Any]) -> dict[str, Any]:
    body = values["body"]
    return {**values, "body": body.encode() if isinstance(body, str) else body}


PLUGIN = Plugin(
    tap="tap-sticky-s3",
    vendor=StickyS3,
    actions=Actions,
    settings=lambda url, s3: {
        "endpoint_url": url,
        "bucket": s3.bucket,
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET,
    },
    name="s3",
    short_names={
        "bucket": "S3_BUCKET_NAME",
        "aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    },
    faults=FAULTS,
    attributes=lambda s3: {"bucket": s3.bucket},
    controls={"put": _encode_body},
)
