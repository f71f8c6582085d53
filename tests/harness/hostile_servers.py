"""Taps that are pointed at somebody who is not their vendor."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.pipelines import clean_env
from harness.programs.zygote import TAPS
from signalroom_sandbox.gsheets import service_account

NAMES = [tap.name for tap in TAPS]
#: The settings that are addresses, of all taps.
ADDRESSES = [
    (tap.name, name)
    for tap in TAPS
    for name in tap.config_jsonschema["properties"]
    if re.search("url|uri", name)
]


def addresses_of(tap, url):
    """All settings of a tap that are addresses."""
    return {name: url for owner, name in ADDRESSES if owner == tap}


def environment(tap, *, sandbox, folder, **changes):
    """The environment of a tap that reads the sandbox, with no patience; some settings others."""
    prefix = tap.upper().replace("-", "_")
    given = {"MAX_TRIES": "1", "MAX_RETRY_WAIT": "0", "START_DATE": "2025-01-01"}
    if tap == "tap-gsheets":
        given["CREDENTIALS_JSON"] = service_account(sandbox.gsheets_url)
    given |= {name.upper(): value for name, value in changes.items()}
    named = {f"{prefix}_{name}": value for name, value in given.items()}
    return clean_env() | sandbox.dotenv | named | {"TMPDIR": str(folder)}


@contextmanager
def serving(answer):
    """A server that has ``answer(handler)`` answer everything; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_POST = do_HEAD = do_GET  # noqa: N815 - as the server looks for it

        def log_message(self, *_):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()
