"""What runs in environments of other people's packages: JSON in, JSON out."""

from __future__ import annotations
