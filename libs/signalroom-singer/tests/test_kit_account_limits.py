"""One account, several processes: their requests, pauses and slots are counted in one store."""

from __future__ import annotations

import hashlib
import logging
import threading

import pytest
from pyrate_limiter import Rate
from pyrate_limiter.abstracts import AbstractBucket

from signalroom_singer import RateLimiter
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.limits import account as account_module
from signalroom_singer.limits.account import AccountLimits, account_digest, open_store
from signalroom_singer.limits.store import LimitStore, LimitStoreError


class OutageError(Exception):
    """The store does not answer."""


class UnusableError(Exception):
    """The store answers with an error."""


class Bucket(AbstractBucket):
    """A bucket whose answers a test chooses."""

    def __init__(self, rates):
        self.rates, self.waits, self.items = rates, [], []

    def put(self, item):
        self.items.append(item)
        return not self.waits

    def waiting(self, item):
        assert item is self.items[-1]
        return self.waits.pop(0)

    def leak(self, current_timestamp=None):
        return 0

    def flush(self):
        pass

    def count(self):
        return len(self.items)

    def peek(self, index):
        return None


class Store(LimitStore):
    """A store in memory, with a clock that a test moves."""

    title = "Memory"
    outages = (OutageError,)
    errors = (UnusableError,)

    def __init__(self, url="memory://host/limits"):
        super().__init__(url)
        self.now, self.resume_at = 1_000_000, 0
        self.buckets, self.cleaned, self.pauses, self.slots = {}, [], [], []
        self.free_slots, self.failures, self.is_open = 9, [], False

    def _answer(self):
        if self.failures:
            raise self.failures.pop(0)

    def open(self):
        self._answer()
        self.is_open = True

    def close(self):
        self.is_open = False

    def clock(self, name):
        self._answer()
        return self.now, self.resume_at

    def pause(self, name, seconds):
        self._answer()
        self.pauses.append((name, seconds))

    def bucket(self, name, rates):
        return self.buckets.setdefault(name, Bucket(rates))

    def clean(self, bucket, moment, expires_after):
        assert bucket in self.buckets.values()
        self.cleaned.append((moment, expires_after))

    def take_slot(self, name, count, lease):
        self._answer()
        if not self.free_slots:
            self.free_slots += 1
            return None
        self.free_slots -= 1
        self.slots.append((name, count, lease))

        def release():
            self.free_slots += 1

        return release


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def clock(monkeypatch):
    """Waits take no time, but move the clock; gives them. Jitter adds its upper bound."""

    class Clock:
        time, waits, jitter = 0.0, [], []

        def monotonic(self):
            return self.time

        def sleep(self, seconds):
            self.waits.append(seconds)
            self.time += seconds

        def uniform(self, low, high):
            self.jitter.append((low, high))
            return 0

    clock = Clock()
    clock.waits, clock.jitter = [], []
    monkeypatch.setattr(account_module, "time", clock)
    monkeypatch.setattr(account_module, "random", clock)
    return clock


@pytest.fixture
def limit(store, clock):
    """Three requests a second, of an account whose other processes have a limit per minute."""
    return AccountLimits(store, "digest").limit("Read requests!", [Rate(3, 1000)], 60_000)


class TestNames:
    def test_an_account_is_a_slow_hash_of_its_parts(self):
        expected = hashlib.scrypt(
            b"host\0key", salt=b"signalroom rate limits tap-x", n=2**14, r=8, p=1, dklen=16
        )
        assert account_digest("tap-x", ["host", "key"]) == expected.hex()

    def test_limits_have_names_that_stores_can_have(self, store, clock):
        account = AccountLimits(store, "digest")
        account.limit("Read requests, of all reports", [Rate(1, 1)], 1).acquire()
        account.limit("queries", [Rate(1, 1)], 1).acquire()
        digest = hashlib.sha256(b"digest Read requests, of all reports").hexdigest()[:24]
        assert f"readrequestsofallrep_{digest}" in store.buckets
        assert len({*store.buckets}) == 2
        AccountLimits(store, "another").limit("queries", [Rate(1, 1)], 1).acquire()
        assert len({*store.buckets}) == 3


class TestRates:
    def test_a_request_is_counted_at_the_stores_time(self, limit, store, clock):
        limit.acquire()
        limit.acquire()
        (bucket,) = store.buckets.values()
        assert [(item.name, item.timestamp) for item in bucket.items] == [
            ("request", 1_000_000)
        ] * 2
        # Windows are a little longer than the vendor's.
        assert [(rate.limit, rate.interval) for rate in bucket.rates] == [(3, 1020)]
        assert clock.waits == []

    def test_a_request_waits_as_long_as_the_store_says(self, limit, store, clock):
        limit.acquire()
        (bucket,) = store.buckets.values()
        # Below zero, another process just had the table; no wait is longer than 15 seconds.
        bucket.waits = [250, -1, 40_000]
        limit.acquire()
        assert clock.waits == [0.25, 0, 15]
        assert clock.jitter == [(0, 0.01)] * 3

    def test_a_pause_holds_requests_back(self, limit, store, clock):
        store.resume_at = store.now + 2500
        clock.sleep = lambda seconds: clock.waits.append(seconds) or setattr(store, "resume_at", 0)
        limit.acquire()
        assert clock.waits == [2.5]

    def test_a_pause_that_ends_now_is_over(self, limit, store, clock):
        store.resume_at = store.now
        limit.acquire()
        assert clock.waits == []

    def test_without_rates_it_only_pauses_with_others(self, store, clock):
        AccountLimits(store, "digest").limit("requests", [], 0).acquire()
        assert store.buckets == {}

    @pytest.mark.parametrize(("wait", "is_told"), ((15_000, False), (15_001, True)))
    def test_long_waits_are_in_the_log_once(self, limit, store, clock, caplog, wait, is_told):
        caplog.set_level(logging.INFO)
        limit.acquire()
        (bucket,) = store.buckets.values()
        bucket.waits = [wait, 1] if is_told else [wait]
        limit.acquire()
        told = "Waiting 15 s or more to stay within the account's rate limit"
        assert caplog.messages == [told] * is_told

    def test_old_requests_are_deleted_now_and_then(self, limit, store, clock):
        limit.acquire()
        # Other processes have a window of a minute; a bucket in use is cleaned before it expires.
        assert store.cleaned == [(1_000_000 - 120_000 + 1020, 120_000 + 30_000)]
        clock.time = 15.0
        limit.acquire()
        assert len(store.cleaned) == 1
        clock.time = 15.1
        limit.acquire()
        assert len(store.cleaned) == 2
        clock.time = 30.0
        limit.acquire()
        assert len(store.cleaned) == 2

    def test_the_longest_window_decides_what_is_old(self, store, clock):
        rates = [Rate(3, 1000), Rate(100, 90_000)]
        AccountLimits(store, "digest").limit("requests", rates, 60_000).acquire()
        expires_after = 2 * 90_020
        assert store.cleaned == [(1_000_000 - expires_after + 90_020, expires_after + 30_000)]


class TestPauses:
    def test_all_processes_pause(self, limit, store):
        limit.pause(30)
        ((name, seconds),) = store.pauses
        assert name.startswith("readrequests_")
        assert seconds == 30

    def test_a_store_that_is_down_is_warned_of(self, limit, store, caplog):
        store.failures = [OutageError("first line\nno route to host.\n")]
        limit.pause(30)
        assert caplog.messages == ["Other runs could not be paused (no route to host)"]


class TestSlots:
    def test_a_slot_is_held_within_the_block(self, limit, store, clock):
        store.free_slots = 2
        with limit.slot(2, 600):
            assert store.free_slots == 1
        assert store.free_slots == 2
        ((name, count, lease),) = store.slots
        assert name.startswith("readrequests_")
        assert (count, lease) == (2, 600)

    def test_it_is_released_after_an_error(self, limit, store, clock):
        with pytest.raises(KeyError), limit.slot(2, 600):
            raise KeyError
        assert store.free_slots == 9

    def test_a_request_waits_for_a_slot(self, limit, store, clock):
        store.free_slots = 0
        with limit.slot(2, 600):
            pass
        assert clock.waits == [0.05]

    def test_a_long_wait_says_who_holds_them(self, limit, store, clock, caplog, monkeypatch):
        caplog.set_level(logging.INFO)
        monkeypatch.setattr(account_module, "_PATIENCE", 0)
        store.free_slots = 0
        with limit.slot(2, 600):
            pass
        holders = "other runs hold them, or one that was killed less than 600 s ago"
        assert caplog.messages == [f"Waiting for one of the account's 2 slots: {holders}"]


class TestOutages:
    def test_requests_wait_for_the_store(self, limit, store, clock, caplog):
        store.failures = [OutageError("no route to host")] * 3
        limit.acquire()
        assert clock.waits == [1, 1, 1]
        assert clock.jitter == [(0, 1)] * 3
        assert caplog.messages == [
            "The rate limit store is down (no route to host): requests wait for it, up to 120 s"
        ]

    def test_up_to_two_minutes(self, limit, store, clock):
        store.failures = [OutageError("no route to host")] * 500
        with pytest.raises(LimitStoreError) as caught:
            limit.acquire()
        assert clock.time == 121
        assert str(caught.value) == (
            "The rate limit store, Memory on host, has been unreachable for 120 s: no route to "
            "host. Check the server and rate_limit_store, then run again: it resumes."
        )
        assert caught.value.exit_code == ExitCode.UNAVAILABLE

    def test_an_error_ends_the_run(self, limit, store, clock):
        store.failures = [UnusableError("")]
        with pytest.raises(LimitStoreError) as caught:
            limit.acquire()
        assert "Memory on host, cannot be used: UnusableError. Check the server" in str(
            caught.value
        )
        assert caught.value.exit_code == ExitCode.CONFIGURATION

    @pytest.mark.parametrize(
        ("failure", "code"),
        ((OutageError("a"), ExitCode.UNAVAILABLE), (UnusableError("a"), ExitCode.CONFIGURATION)),
    )
    def test_a_store_that_cannot_be_opened(self, store, monkeypatch, failure, code):
        monkeypatch.setattr(account_module, "new_store", lambda url: store)
        store.failures = [failure]
        store.is_open = True
        with pytest.raises(LimitStoreError) as caught:
            open_store("memory://host")
        assert str(caught.value) == (
            "Cannot use the rate limit store, Memory on host: a. Check rate_limit_store and the "
            "server; without that setting, each run keeps the limits on its own."
        )
        assert caught.value.exit_code == code
        assert not store.is_open

    def test_an_open_store_is_closed_with_the_limits(self, store, monkeypatch):
        urls = []
        monkeypatch.setattr(account_module, "new_store", lambda url: urls.append(url) or store)
        assert open_store("memory://host") is store
        assert urls == ["memory://host"]
        assert store.is_open
        AccountLimits(store, "digest").close()
        assert not store.is_open

    def test_a_url_without_a_host_is_this_machines(self):
        store = Store("memory:///limits")
        assert (store.url, store.place) == ("memory:///limits", "this machine")


class TestRateLimiterOfAnAccount:
    def limiter(self, store, **options):
        return RateLimiter(account=AccountLimits(store, "digest"), **options)

    def test_requests_are_counted_in_the_store(self, store, clock):
        limiter = self.limiter(store, per_second=3, per_minute=0.5, group="queries")
        with limiter.slot():
            pass
        (name, bucket), *_ = store.buckets.items()
        assert name.startswith("queries_")
        assert [(rate.limit, rate.interval) for rate in bucket.rates] == [(1, 120_020)]
        assert store.slots == []
        # Another process may have a limit per minute.
        expires_after = 2 * 120_020
        assert store.cleaned == [(1_000_000 - expires_after + 120_020, expires_after + 30_000)]

    def test_slots_are_those_of_all_processes(self, store, clock):
        limiter = self.limiter(store, account_concurrency=2, longest_request=90)
        with limiter.slot():
            assert store.free_slots == 8
        ((_, count, lease),) = store.slots
        assert (count, lease) == (2, 90)
        assert store.free_slots == 9

    def test_a_pause_is_one_for_all_processes(self, store, clock):
        self.limiter(store).pause(7)
        assert [seconds for _, seconds in store.pauses] == [7]


def test_a_wider_budget_counts_the_same_requests():
    account = RateLimiter(concurrency=1)
    reports = RateLimiter(parent=account)
    entered = threading.Event()

    def request():
        with account.slot():
            entered.set()

    with reports.slot():
        thread = threading.Thread(target=request)
        thread.start()
        assert not entered.wait(0.05)
    thread.join()
    assert entered.is_set()


def test_less_than_one_request_is_one_in_a_longer_time(monkeypatch):
    limiter = RateLimiter(per_minute=0.4)
    (rate,) = limiter._limiter.bucket_factory.bucket.rates
    assert (rate.limit, rate.interval) == (1, 150_000)
    assert limiter._longest == 150


@pytest.mark.parametrize(
    ("limits", "rates"),
    (
        # Sixty a minute are one a second: only the shorter window can be exceeded.
        ({"per_second": 1, "per_minute": 60, "per_hour": 3600}, [(1, 1000)]),
        ({"per_second": 1, "per_minute": 59, "per_hour": 3600}, [(1, 1000), (59, 60_000)]),
        ({"per_second": 9, "per_minute": 9, "per_hour": 540}, [(9, 60_000)]),
        ({"per_second": 9, "per_minute": 8, "per_hour": 7}, [(7, 3_600_000)]),
        ({"per_minute": 2.9}, [(2, 60_000)]),
    ),
)
def test_rates_that_have_an_effect(limits, rates):
    bucket = RateLimiter(**limits)._limiter.bucket_factory.bucket
    assert [(rate.limit, rate.interval) for rate in bucket.rates] == rates
