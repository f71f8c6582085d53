"""Scripts that run in the environments of third-party packages: JSON in, JSON out."""

from __future__ import annotations
