"""Fingerprints of contents, by which a run recognizes what has not changed."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def fingerprint(*parts: Any) -> str:
    """Hash contents, so that different contents have different hashes.

    Args:
        parts: Values that JSON can hold, and lists of them.
    """
    digest = hashlib.sha256()
    for part in parts:
        for item in part if isinstance(part, list) else (part,):
            digest.update(msgspec.json.encode(item))
            digest.update(b"\n")
    return digest.hexdigest()
