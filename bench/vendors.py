"""Mock vendors for the benchmarks, and catalogs of their taps."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from measure import BIN

from signalroom_sandbox.server import Control


@contextmanager
def sandbox(*, scale: float = 1, latency: float = 0.0):
    """A sandbox in a separate process, so that it does not share the tap's interpreter."""
    command = [BIN / "signalroom-sandbox", "--port=0", f"--scale={scale}", f"--latency={latency}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = (line.strip() for line in process.stdout)
            env = dict(line.split("=", 1) for line in lines_until(lines, "# Stop") if "=" in line)
            yield env, Control(env["EVERFLOW_BASE_URL"].removesuffix("/everflow"))
        finally:
            process.terminate()


def lines_until(lines, mark):
    """Lines up to the first one that begins with a marker."""
    for line in lines:
        if line.startswith(mark):
            return
        if not line.startswith("#"):
            yield line


def catalog(tap: str, stream: str, folder: str | Path, env: dict[str, str]) -> Path:
    """A catalog that selects one stream of a tap."""
    path = Path(folder) / f"{stream}.json"
    if path.exists():
        return path
    command = [BIN / tap, "--config=ENV", "--discover"]
    found = subprocess.run(command, env=os.environ | env, capture_output=True, check=True)
    catalog = json.loads(found.stdout)
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            metadata["metadata"]["selected"] = entry["stream"] == stream
    path.write_text(json.dumps(catalog))
    return path
