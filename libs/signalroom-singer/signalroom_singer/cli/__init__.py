"""The command of a tap or target: start, options, log, exit."""

from __future__ import annotations
