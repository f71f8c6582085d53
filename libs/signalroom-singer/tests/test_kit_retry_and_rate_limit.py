from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrate_limiter import InMemoryBucket

from signalroom_singer import RateLimiter, parse_retry_after
from signalroom_singer.http.retry import exponential_wait

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    (
        ("30", 30.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        (" 7 ", 7.0),
        ("999999999", 999999999.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ),
)
def test_retry_after(header, seconds):
    assert parse_retry_after(header, now=NOW) == seconds


@given(st.text())
def test_retry_after_never_fails(header):
    seconds = parse_retry_after(header, now=NOW)
    assert seconds is None or seconds >= 0


def test_waits_grow_to_a_cap():
    assert 0.25 <= exponential_wait(0) <= 0.5
    assert 4 <= exponential_wait(4) <= 8
    assert 30 <= exponential_wait(1000) <= 60


@pytest.fixture
def counted_at(monkeypatch):
    """The milliseconds as which 150 turns of ten threads were counted, at 50 a second."""
    moments = []
    put = InMemoryBucket.put

    def note_turn(bucket, item):
        if is_counted := put(bucket, item):
            moments.append(item.timestamp)
        return is_counted

    monkeypatch.setattr(InMemoryBucket, "put", note_turn)
    limiter = RateLimiter(per_second=50)

    def take_turns():
        for _ in range(15):
            with limiter.slot():
                pass

    threads = [threading.Thread(target=take_turns) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 150
    return sorted(moments)


@pytest.mark.timing
def test_the_rate_is_used(counted_at):
    # The first 50 at once, the rest over two seconds.
    assert counted_at[-1] - counted_at[0] <= 2000 / 0.9


def test_the_rate_is_not_exceeded(counted_at):
    assert all(b - a >= 1000 for a, b in zip(counted_at, counted_at[50:], strict=False))


def test_concurrency_is_shared_with_the_wider_budget():
    account = RateLimiter(concurrency=2)
    reports = RateLimiter(concurrency=5, parent=account)
    under_way = most = 0
    lock = threading.Lock()
    gate = threading.Barrier(2, timeout=120)  # ends a hang

    def ask():
        nonlocal under_way, most
        with reports.slot():
            with lock:
                under_way += 1
                most = max(most, under_way)
            gate.wait()
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_a_pause_holds_everyone_back():
    pacer = RateLimiter()
    pacer.pause(0.2)
    pacer.pause(0.01)
    started = time.monotonic()
    with pacer.slot():
        assert time.monotonic() - started >= 0.19


@pytest.mark.parametrize(
    ("limits", "seconds"),
    (
        # The hour's alone holds back, or the minute's alone.
        ({"per_minute": 230, "per_hour": 3}, 3600),
        ({"per_minute": 3, "per_hour": 3}, 3600),
        ({"per_minute": 3, "per_hour": 1000}, 60),
        ({"per_second": 1000, "per_minute": 3, "per_hour": 100}, 60),
    ),
)
def test_limits_of_which_some_say_nothing(limits, seconds, monkeypatch):
    pacer = RateLimiter(**limits)
    began = time.monotonic()
    for _ in range(3):
        with pacer.slot():
            pass
    slept = []

    def sleep(wait):
        slept.append(wait)
        raise InterruptedError

    monkeypatch.setattr("signalroom_singer.http.rate_limit._PATIENCE", -1)
    monkeypatch.setattr("pyrate_limiter.limiter.sleep", sleep)
    with pytest.raises(InterruptedError), pacer.slot():
        pass
    # The limiter's clock counts milliseconds.
    assert seconds - (time.monotonic() - began) - 0.01 <= slept[0] <= seconds + 1


@pytest.mark.parametrize(
    ("per_minute", "per_hour", "rates"),
    (
        # 120 requests in an hour of two a minute, of which the vendor allows three.
        (2, 3, [(2, 60), (3, 3600)]),
        (2, 119, [(2, 60), (119, 3600)]),
        (2, 120, [(2, 60)]),
        (2, 2, [(2, 3600)]),
    ),
)
def test_limits_that_both_hold_back_are_both_kept(per_minute, per_hour, rates):
    account = Mock()
    RateLimiter(per_minute=per_minute, per_hour=per_hour, account=account)
    (_, limits, _), _ = account.limit.call_args
    assert [(rate.limit, rate.interval / 1000) for rate in limits] == rates


def test_a_long_wait_is_told(monkeypatch, caplog):
    caplog.set_level("INFO")
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if seconds > 1:
            raise InterruptedError

    monkeypatch.setattr("signalroom_singer.http.rate_limit._PATIENCE", 0.05)
    monkeypatch.setattr("pyrate_limiter.limiter.sleep", sleep)
    pacer = RateLimiter(per_minute=1)
    with pacer.slot():
        pass
    with pytest.raises(InterruptedError), pacer.slot():
        pass
    assert "to stay within the rate limit" in caplog.text
    assert "up to 60 s" in caplog.text
    # First for as long as nothing is said, then to the end.
    assert len(waits) == 2
