"""A mock server of Sticky.io's exports on S3, based on moto."""

from __future__ import annotations

from signalroom_sandbox.sticky_s3.access import ACCESS_KEY, SECRET
from signalroom_sandbox.sticky_s3.bucket import StickyS3

__all__ = ["ACCESS_KEY", "SECRET", "StickyS3"]
