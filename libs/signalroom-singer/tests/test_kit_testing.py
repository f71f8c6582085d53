"""What the kit has for tests of taps."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import requests
from singer_sdk.exceptions import RetriableAPIError
from test_kit_example import load_example

from signalroom_singer.testing import FaultyServer, Reply, sync

SECRET = "key-of-a-test-0815"
ACCOUNTS = {"data": [{"id": "a"}, {"id": "b"}]}
#: Replies that the client tries again after.
TRANSIENT = {
    "an error of the server": Reply({"error": "busy"}, status=503),
    "a rate limit": Reply(status=429, headers={"Retry-After": "0"}),
    "a connection that ends": Reply(drop=True),
    "a body that is cut off": Reply(ACCOUNTS, cut_at=9),
    "JSON that ends early": Reply(b'{"data": ['),
    "a proxy's page": Reply(b"<html>please sign in</html>"),
}


def make_tap(server, **config):
    settings = {"api_url": server.url, "api_key": SECRET, "max_retry_wait": 0, "max_tries": 3}
    return load_example().TapOrders(config=settings | config)


@pytest.mark.parametrize("reply", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_a_tap_reads_on_after_a_fault(reply):
    with FaultyServer(reply, Reply(ACCOUNTS)) as server:
        result = sync(make_tap(server), "accounts")
    assert [record["id"] for record in result.records["accounts"]] == ["a", "b"]
    assert server.requests == ["GET /v1/accounts"] * 2
    assert result.schemas["accounts"]["key_properties"] == ["id"]
    assert result.records["orders"] == []
    assert result.error is None


def test_an_expected_error_comes_with_what_was_written_before():
    pages = Reply(ACCOUNTS | {"next_cursor": "2"})
    with FaultyServer(pages, default=Reply(status=500)) as server:
        result = sync(make_tap(server), "accounts", fails=RetriableAPIError)
    assert isinstance(result.error, RetriableAPIError)
    assert len(result.records["accounts"]) == 2
    assert result.state is None or "accounts" in result.state["bookmarks"]


def test_another_error_is_raised():
    with FaultyServer(default=Reply(status=500)) as server, pytest.raises(RetriableAPIError):
        sync(make_tap(server), "accounts")


def test_a_reply_may_be_late():
    with FaultyServer(Reply(ACCOUNTS, delay=0.2)) as server:
        began = time.monotonic()
        assert requests.post(server.url, json=[1], timeout=60).json() == ACCOUNTS
        assert time.monotonic() - began > 0.2
    assert server.requests == ["POST /"]
    assert server.bodies == [b"[1]"]


def test_nothing_but_the_plugin_needs_pytest():
    code = "import sys, signalroom_singer.testing; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
