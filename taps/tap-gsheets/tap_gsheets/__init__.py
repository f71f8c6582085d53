"""Singer tap for Google Sheets."""

from __future__ import annotations
