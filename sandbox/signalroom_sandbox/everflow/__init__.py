"""A mock server of Everflow's network API."""

from __future__ import annotations

from signalroom_sandbox.everflow.api import AFFILIATE_KEY, LIMITED_KEY, NETWORK_KEY, Everflow

__all__ = ["AFFILIATE_KEY", "LIMITED_KEY", "NETWORK_KEY", "Everflow"]
