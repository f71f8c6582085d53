"""The example of the README is the file that runs here."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kit_vendor import SECRET, answer, ok

from signalroom_singer import RequestRejectedError

PACKAGE = Path(__file__).parent.parent
EXAMPLE = PACKAGE / "examples" / "tap_orders.py"


def load_example():
    spec = importlib.util.spec_from_file_location("tap_orders", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_example(vendor):
    taps = []

    def make(**config):
        settings = {"api_url": vendor.url, "api_key": SECRET, "max_retry_wait": 0}
        tap = load_example().TapOrders(config=settings | config)
        taps.append(tap)
        return tap

    yield make
    for tap in taps:
        tap.close()


def test_the_readme_shows_the_example():
    assert f"```python\n{EXAMPLE.read_text()}```\n" in (PACKAGE / "README.md").read_text()


def test_accounts_are_read_page_by_page(vendor, make_example, sync):
    vendor.answers.append(ok({"data": [{"id": "a"}], "next_cursor": "2"}))
    vendor.answers.append(ok({"data": [{"id": "b"}]}))
    records = sync(make_example(), "accounts").records["accounts"]
    assert [record["id"] for record in records] == ["a", "b"]
    assert [request.partition("?")[2] for request in vendor.requests] == ["", "cursor=2"]
    assert set(vendor.signatures) == {f"Bearer {SECRET}"}


def test_orders_are_read_by_day_and_bookmarked(vendor, make_example, sync):
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    vendor.answers.append(ok({"data": [{"id": "7", "total": 1.5, "created_at": yesterday}]}))
    output = sync(make_example(start_date=yesterday), "orders")
    assert [record["id"] for record in output.records["orders"]] == ["7"]
    assert output.bookmarks("orders")[-1] == yesterday


def test_a_rejected_key_says_what_to_do(vendor, make_example, sync):
    vendor.answers.append(answer(401, {"error": "no such key"}))
    error = sync(make_example(), "accounts", fails=RequestRejectedError).error
    assert str(error) == (
        "accounts: GET /v1/accounts answered 401 Unauthorized: no such key. Check api_key: it may "
        "be mistyped or revoked"
    )
