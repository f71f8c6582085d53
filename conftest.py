"""What tests of several packages share."""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from signalroom_sandbox.server import SandboxServer


@dataclass
class Output:
    """What a tap wrote, message by message."""

    messages: list[dict] = field(default_factory=list)
    error: Exception | None = None

    @property
    def records(self):
        """Records by stream, in order."""
        found = defaultdict(list)
        for message in self.messages:
            if message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
        return found

    @property
    def schemas(self):
        """The last schema of each stream."""
        return {m["stream"]: m for m in self.messages if m["type"] == "SCHEMA"}

    @property
    def state(self):
        """The last state, or none."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else None

    def bookmarks(self, stream):
        """The bookmarks of a stream in the order they were sent."""
        states = [m["value"]["bookmarks"] for m in self.messages if m["type"] == "STATE"]
        found = [state.get(stream, {}).get("replication_key_value") for state in states]
        return [value for value in found if value]


def selecting(tap, streams):
    """The same tap with a catalog, as Meltano makes it, that selects these streams alone."""
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            metadata["metadata"]["selected"] = entry["stream"] in streams
    return type(tap)(config=dict(tap.config), catalog=catalog, state=tap.state)


@pytest.fixture(scope="session")
def sandbox_server():
    """One sandbox for all tests of a worker."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server):
    """The sandbox as new, with limits that no test meets by accident."""
    sandbox_server.control.reset()
    sandbox_server.control.limits(per_second=10_000, burst=10_000)
    return sandbox_server


@pytest.fixture
def sync(monkeypatch):
    """Run a tap in this process: ``sync(tap, "stream", ...)`` gives what it wrote.

    Streams that are not named are deselected; without names the tap's own selection holds.
    """

    def run(tap, *streams, fails=()):
        written = io.BytesIO()
        stdout = io.TextIOWrapper(written)
        if streams:
            tap = selecting(tap, streams)
        error = None
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            try:
                tap.sync_all()
            except fails as caught:
                error = caught
            finally:
                tap.close()
            stdout.flush()
        return Output([json.loads(line) for line in written.getvalue().splitlines()], error)

    return run
