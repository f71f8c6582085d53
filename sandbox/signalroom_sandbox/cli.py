"""``signalroom-sandbox``: run the mock vendors in the foreground."""

from __future__ import annotations

import argparse
import math
import os
import socket
import sys
from importlib import metadata

import uvicorn

from signalroom_sandbox.app import build_app
from signalroom_sandbox.sandbox import Sandbox
from signalroom_sandbox.server import LOOPBACK

PORT = 8642
_LAST_PORT = 65535
_LARGEST_SCALE = 1000


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= _LAST_PORT):
        msg = f"{text!r} (SANDBOX_PORT): expected a port from 0 to {_LAST_PORT}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        msg = f"{text!r} (SANDBOX_SEED): expected a whole number, 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _scale(text: str) -> float:
    if not 0 < _number(text) <= _LARGEST_SCALE:
        msg = f"{text!r} (SANDBOX_SCALE): expected a number above 0, at most {_LARGEST_SCALE}"
        raise argparse.ArgumentTypeError(msg)
    return float(text)


def _seconds(text: str) -> float:
    if not 0 <= _number(text) < math.inf:
        msg = f"{text!r}: expected seconds, 0 or more"
        raise argparse.ArgumentTypeError(msg)
    return float(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def main() -> int:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(prog="signalroom-sandbox", description=__doc__)
    env = os.environ
    # As text: argparse checks defaults from the environment like options.
    parser.add_argument("--port", type=_port, default=env.get("SANDBOX_PORT", str(PORT)))
    parser.add_argument("--seed", type=_seed, default=env.get("SANDBOX_SEED", "713"))
    parser.add_argument("--scale", type=_scale, default=env.get("SANDBOX_SCALE", "1"))
    parser.add_argument(
        "--latency", type=_seconds, default=0.0, help="seconds that each response takes"
    )
    version = f"%(prog)s {metadata.version('signalroom-sandbox')}"
    parser.add_argument("--version", action="version", version=version)
    options = parser.parse_args()
    # Without the protocol, asyncio does not set TCP_NODELAY, and each response takes 40 ms.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, options.port))
        # Before the message: a reader may send a request at once.
        listener.listen()
    except OSError as error:
        sys.stderr.write(
            f"Port {options.port} cannot be used ({error.strerror}): another sandbox may be "
            "running. Choose another with --port or SANDBOX_PORT.\n"
        )
        return 1
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    sandbox = Sandbox(seed=options.seed, scale=options.scale, latency=options.latency)
    lines = [
        "# The sandbox runs. Put these into .env, or use `meltano --environment=sandbox`:",
        *(f"{name}={value}" for name, value in sandbox.variables(url, short=True).items()),
        f"# Faults, restated days, the requests so far: {url}/control (see sandbox/README.md)",
        "# Stop it with Ctrl-C.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        build_app(sandbox), log_level="warning", access_log=False, lifespan="off"
    )
    uvicorn.Server(config).run([listener])
    return 0
