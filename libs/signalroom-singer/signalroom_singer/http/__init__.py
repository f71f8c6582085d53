"""How taps talk HTTP: a client made of small parts, and streams that read through it."""

from __future__ import annotations
