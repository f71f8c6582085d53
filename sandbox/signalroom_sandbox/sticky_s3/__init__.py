"""Sticky.io's exports on S3, stood in for by moto."""

from __future__ import annotations

from signalroom_sandbox.sticky_s3.access import ACCESS_KEY, SECRET
from signalroom_sandbox.sticky_s3.bucket import StickyS3

__all__ = ["ACCESS_KEY", "SECRET", "StickyS3"]
