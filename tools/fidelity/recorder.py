"""A sandbox that records requests and its responses."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.server import SandboxServer
from tools.fidelity.environments import BIN, output_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Records = dict[str, list[dict[str, Any]]]


@dataclass
class Exchange:
    """A request and its response.

    Attributes:
        vendor: The first part of the path.
        path: The rest of the path, as it was sent.
        body: The body of the request.
        answer: The body of the response.
    """

    vendor: str
    method: str
    path: str
    query: str
    body: str = ""
    status: int = 0
    answer: str = ""


class Recorder:
    """Records each exchange with the vendors, but not requests to the control endpoints."""

    def __init__(self) -> None:
        """Start without exchanges."""
        self.exchanges: list[Exchange] = []

    def of(self, vendor: str) -> list[dict[str, Any]]:
        """The exchanges with a vendor.

        Args:
            vendor: The first part of the paths of its requests.

        Returns:
            Each as a dict, in order.
        """
        return [asdict(item) for item in self.exchanges if item.vendor == vendor]

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Record what an application receives and sends.

        Args:
            app: The sandbox's ASGI application.

        Returns:
            The application to serve.
        """

        async def record(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith("/control"):
                await app(scope, receive, send)
                return
            raw = scope.get("raw_path") or scope["path"].encode()
            vendor, _, path = raw.decode().lstrip("/").partition("/")
            exchange = Exchange(vendor, scope["method"], f"/{path}", scope["query_string"].decode())
            self.exchanges.append(exchange)

            async def record_receive() -> Message:
                message = await receive()
                exchange.body += message.get("body", b"").decode(errors="replace")
                return message

            await app(scope, record_receive, _Send(send, exchange))

        return record


class _Send:
    """Records the response, and has the connection as ``__self__``, like uvicorn's ``send``."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._exchange = exchange

    @property
    def __self__(self) -> Any:
        return self._send.__self__  # type: ignore[attr-defined]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
        else:
            self._exchange.answer += message.get("body", b"").decode(errors="replace")
        await self._send(message)


def recording_sandbox(scale: float = 0.1) -> tuple[Recorder, SandboxServer]:
    """Create a recorder and a sandbox that is not started yet.

    Args:
        scale: The amount of data, as a factor of the default.

    Returns:
        The recorder and the sandbox.
    """
    recorder = Recorder()
    return recorder, SandboxServer(scale=scale, wrap=recorder.wrap)


def run_tap(
    name: str, sandbox: SandboxServer, streams: tuple[str, ...] = (), **settings: Any
) -> Records:
    """Run one of our taps against the sandbox.

    Args:
        name: The name of the tap's executable.
        sandbox: The running sandbox to read from.
        streams: The streams to select; if empty, the tap's default selection.
        settings: Overrides of the sandbox's own settings; empty values remove a setting.

    Returns:
        Its records by stream.

    Raises:
        FailedError: If the tap fails.
    """
    prefix = name.upper().replace("-", "_")
    changes = {
        f"{prefix}_{key.upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
    env = {key: value for key, value in (sandbox.dotenv | changes).items() if value}
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--catalog={_catalog(name, streams, env, Path(folder))}"] if streams else []
        output = output_of(BIN / name, "--config=ENV", *options, env=env)
    records: Records = defaultdict(list)
    for message in map(json.loads, output.splitlines()):
        if message["type"] == "RECORD":
            records[message["stream"]].append(message["record"])
    return records


def _catalog(name: str, streams: tuple[str, ...], env: dict[str, str], folder: Path) -> Path:
    """Write a catalog in which only these streams are selected."""
    catalog = json.loads(output_of(BIN / name, "--config=ENV", "--discover", env=env))
    for entry in catalog["streams"]:
        for part in entry["metadata"]:
            if not part["breadcrumb"]:
                part["metadata"]["selected"] = entry["stream"] in streams
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalog))
    return path
