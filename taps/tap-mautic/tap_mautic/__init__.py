"""Singer tap for Mautic."""

from __future__ import annotations
