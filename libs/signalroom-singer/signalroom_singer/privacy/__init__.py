"""Secrets and personal data: found, left out, hashed, redacted."""

from __future__ import annotations
