"""Rate limits of a vendor's account, which processes and machines share."""

from __future__ import annotations
