"""Singer tap for CSV exports on S3."""

from __future__ import annotations
