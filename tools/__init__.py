"""Maintainers' commands for ``make``: generated files, releases, compatibility, new sources."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
