"""A stream that fails for a reason of its own keeps no other stream from its turn."""

from __future__ import annotations

import pytest
from kit_vendor import RowStream, RowTap, answer, ok
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import TapError

NAMES = ("a", "b", "c", "d", "e")


def stream(name):
    return type(name, (RowStream,), {"name": name, "replication_key": "id"})


class FiveTap(RowTap):
    def discover_streams(self):
        return [stream(name)(self, self.client) for name in NAMES]


@pytest.fixture
def make(vendor):
    def make(state=None):
        config = {"api_url": vendor.url, "api_key": "key", "max_retry_wait": 0, "max_tries": 1}
        return FiveTap(config=config, state=state)

    return make


def answers(vendor, *kinds):
    vendor.answers.extend(kinds)


ROWS = ok([{"id": 7}])
BROKEN = answer(500, b'{"error": "of its own"}')


def read(output):
    return [name for name in NAMES if output.records[name]]


def test_the_others_are_read_and_the_run_fails_with_its_error(vendor, make, sync, caplog):
    answers(vendor, ROWS, BROKEN, ROWS, ROWS, ROWS)
    output = sync(make(), fails=RetriableAPIError)
    assert read(output) == ["a", "c", "d", "e"]
    assert "b: GET /rows answered 500" in str(output.error)
    assert "going on without b" in caplog.text
    # What was not read has no bookmark.
    assert output.state["bookmarks"]["a"]["replication_key_value"] == 7
    assert "replication_key_value" not in output.state["bookmarks"].get("b", {})


def test_each_that_failed_is_named(vendor, make, sync):
    answers(vendor, BROKEN, ROWS, BROKEN, ROWS, ok([{"id": "x"}]))
    output = sync(make(), fails=TapError)
    assert read(output) == ["b", "d"]
    assert str(output.error).startswith("a, c, e failed, all other streams were read. a: GET /rows")


def test_a_vendor_that_is_down_is_not_asked_for_each_stream(vendor, make, sync):
    answers(vendor, *[BROKEN] * 9)
    output = sync(make(), fails=RetriableAPIError)
    assert read(output) == []
    assert len(vendor.requests) == 3
    assert "c: GET /rows answered 500" in str(output.error)


@pytest.mark.parametrize("status", (401, 429, 503))
def test_what_concerns_all_streams_ends_the_run(vendor, make, sync, status):
    answers(vendor, ROWS, answer(status, b"{}"), ROWS)
    output = sync(make(), fails=Exception)
    assert read(output) == ["a"]
    assert f"b: GET /rows answered {status}" in str(output.error)


def test_a_connection_test_ends_at_the_first(vendor, make):
    answers(vendor, BROKEN, ROWS)
    with pytest.raises(RetriableAPIError, match="a: GET /rows answered 500"):
        make().run_sync_dry_run(1)
