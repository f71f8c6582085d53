"""Singer tap for Everflow."""

from __future__ import annotations
