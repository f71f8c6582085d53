"""``python -m tap_gsheets``."""

from __future__ import annotations

from tap_gsheets.tap import TapGsheets

TapGsheets.cli()
