"""For tests of taps: run a tap in this process, against a server that misbehaves.

`signalroom_singer.testing.plugin`, a pytest plugin, fails tests whose output has a secret. Nothing
else here needs pytest.
"""

from __future__ import annotations

from signalroom_singer.testing.faulty_server import FaultyServer, Reply
from signalroom_singer.testing.tap_runner import SyncResult, select_streams, sync

__all__ = ["FaultyServer", "Reply", "SyncResult", "select_streams", "sync"]
