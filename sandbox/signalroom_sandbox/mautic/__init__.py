"""A mock server of Mautic's API, versions 4 to 7."""

from __future__ import annotations

from signalroom_sandbox.mautic.access import (
    CLIENT_ID,
    CLIENT_SECRET,
    LIMITED_ID,
    NO_GRANT_ID,
    PASSWORD,
    USERNAME,
)
from signalroom_sandbox.mautic.api import Mautic

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "LIMITED_ID",
    "NO_GRANT_ID",
    "PASSWORD",
    "USERNAME",
    "Mautic",
]
