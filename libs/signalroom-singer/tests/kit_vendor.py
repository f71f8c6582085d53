"""A vendor whose answers a test scripts, and a tap that reads it."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import suppress
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zoneinfo import ZoneInfo

from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator

from signalroom_singer import (
    COMMON_SETTINGS,
    HTTP_SETTINGS,
    WINDOW_SETTINGS,
    ApiClient,
    ApiStream,
    ErrorMapper,
    SignalRoomTap,
    WindowedStream,
)

#: Log settings, as Meltano 4.4.1 writes them.
STRUCTURED = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"singer_formatter": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "singer_formatter",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
}


class Vendor:
    """Gives the answers that were queued, then ``[]`` for ever."""

    def __init__(self):
        self.answers = deque()
        self.requests = []
        self.bodies = []
        self.signatures = []
        self.ports = set()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.answer_request()

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                vendor.bodies.append(self.rfile.read(length))
                self.answer_request()

            def answer_request(self):
                vendor.requests.append(self.path)
                vendor.ports.add(self.client_address[1])
                vendor.signatures.append(self.headers.get("Authorization"))
                answer = vendor.answers.popleft() if vendor.answers else ok([])
                with suppress(BrokenPipeError):
                    answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """A client that hung up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(status, body=b"", *, headers=None, length=None):
    """An answer; with another ``length`` than the body's the connection is cut there."""

    def send(handler):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = length is not None

    return send


def ok(body, **kwargs):
    return answer(200, body, **kwargs)


def reset(handler):
    """Hang up without an answer."""
    handler.close_connection = True
    handler.connection.close()


SECRET = "s3cret/key+with%odd=characters"


class RowStream(ApiStream):
    name = "rows"
    path = "/rows"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True), th.Property("name", th.StringType)
    ).to_dict()

    def get(self, path="/rows"):
        return self.client.get(path)


class DayStream(WindowedStream, RowStream):
    name = "days"
    replication_key = "date"
    report_zone = ZoneInfo("UTC")
    primary_keys = ("date",)
    lookback_days = 3
    concurrency = 2
    schema = th.PropertiesList(th.Property("date", th.DateType, required=True)).to_dict()

    def read_window(self, window, context):
        self.get()
        yield [{"date": window.start.isoformat()}]


class RowTap(SignalRoomTap):
    name = "tap-rows"
    stream_types = (RowStream, DayStream)
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType),
        th.Property("api_key", th.StringType, secret=True),
        *HTTP_SETTINGS,
        *WINDOW_SETTINGS,
        *COMMON_SETTINGS,
    ).to_dict()

    @cached_property
    def client(self):
        return ApiClient(
            self.client_context,
            base_url=self.config.get("api_url", ""),
            allowed_requests={
                *(("GET", "/rows"), ("GET", "/rows/{}/parts")),
                *(("POST", "/query"), ("POST", "/token")),
            },
            auth=self.auth(),
            errors=ErrorMapper(hints={401: "Check the setting api_key"}),
        )

    def auth(self):
        # In the URL, where a key leaks most easily.
        return APIKeyAuthenticator(
            key="api_key", value=self.config.get("api_key"), location="params"
        )

    def discover_streams(self):
        return [stream(self, self.client) for stream in self.stream_types]
