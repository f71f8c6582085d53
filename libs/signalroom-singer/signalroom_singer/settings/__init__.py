"""Settings: values as text, environment variables, and messages about what is wrong."""

from __future__ import annotations
