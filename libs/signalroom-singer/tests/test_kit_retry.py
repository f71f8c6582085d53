"""How often a request is sent, how long a run waits in between, and how much it requests then."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import AdaptiveLimit, RequestTooLargeError, RetryPolicy, ShrinkInstead
from signalroom_singer.http import retry as retry_module
from signalroom_singer.http.retry import exponential_wait, parse_retry_after

LOGGER = logging.getLogger("retries")


def error(status=None, text="failed", **headers):
    response = status and SimpleNamespace(status_code=status, headers=headers)
    return RetriableAPIError(text, response)


@pytest.fixture
def slept(monkeypatch):
    """The seconds that were waited, without waiting; jitter adds nothing."""
    seconds = []
    monkeypatch.setattr("tenacity.nap.time.sleep", seconds.append)
    monkeypatch.setattr(retry_module.random, "uniform", lambda low, high: high)
    return seconds


def fail(*errors):
    """A request that fails some times, and how often it was sent."""
    queue = [*errors]
    sent = []

    def send():
        sent.append(len(sent))
        if queue:
            raise queue.pop(0)
        return "rows"

    return send, sent


class TestRetries:
    def test_waits_double(self, slept, caplog):
        send, sent = fail(*[error()] * 4)
        policy = RetryPolicy(max_tries=5, max_wait=300)
        assert policy.run(send, logger=LOGGER) == "rows"
        assert slept == [0.5, 1, 2, 4]
        assert len(sent) == 5
        assert caplog.messages[0] == "failed; trying again in 0.5 s (try 1 failed)"
        assert caplog.messages[-1] == "failed; trying again in 4.0 s (try 4 failed)"

    def test_no_wait_is_longer_than_the_setting(self, slept):
        send, _ = fail(error(), error(), error(503, **{"Retry-After": "100"}))
        RetryPolicy(max_tries=4, max_wait=0.75).run(send, logger=LOGGER)
        assert slept == [0.5, 0.75, 0.75]

    @pytest.mark.parametrize(("header", "seconds"), (("30", 30), ("0.1", 0.5), ("", 0.5)))
    def test_the_vendors_wait_counts_where_it_is_longer(self, slept, header, seconds):
        send, _ = fail(error(429, **{"Retry-After": header}))
        RetryPolicy(max_tries=2, max_wait=60).run(send, logger=LOGGER)
        assert slept == [seconds]

    @pytest.mark.parametrize("tries", (1, 3))
    def test_the_last_error_is_raised(self, slept, caplog, tries):
        errors = [error(text=f"failure {number}") for number in range(1, 9)]
        send, sent = fail(*errors)
        with pytest.raises(RetriableAPIError, match=f"failure {tries}"):
            RetryPolicy(max_tries=tries, max_wait=60).run(send, logger=LOGGER)
        assert len(sent) == tries
        assert caplog.messages[-1] == f"Gave up after {tries} tries in 0 s"

    def test_other_errors_are_not_retried(self):
        send, sent = fail(KeyError("id"))
        with pytest.raises(KeyError):
            RetryPolicy(max_tries=5, max_wait=60).run(send, logger=LOGGER)
        assert len(sent) == 1

    def test_settings(self):
        policy = RetryPolicy.from_config({"max_tries": 4, "max_retry_wait": 90})
        assert (policy.max_tries, policy.max_wait) == (4, 90.0)

    @pytest.mark.parametrize(("status", "pauses"), ((429, True), (503, False), (None, False)))
    def test_only_a_429_pauses_the_account(self, status, pauses):
        assert RetryPolicy(max_tries=2, max_wait=1).pauses_account(error(status)) is pauses

    def test_the_first_wait_and_the_longest_can_be_chosen(self, slept):
        waits = [exponential_wait(attempt, first=3, longest=20) for attempt in range(5)]
        assert waits == [3, 6, 12, 20, 20]

    def test_jitter_is_between_half_and_all_of_a_wait(self, monkeypatch):
        bounds = []
        monkeypatch.setattr(retry_module.random, "uniform", lambda *pair: bounds.append(pair) or 1)
        exponential_wait(0)
        assert bounds == [(0.5, 1.0)]

    def test_a_date_without_a_zone_is_utc(self):
        assert parse_retry_after("Thu, 01 Jan 2026 12:00:00 -0000") == 0


class TestShrinking:
    """A smaller request in place of the same again."""

    @pytest.mark.parametrize(
        ("status", "options", "sent_times"),
        (
            (504, {}, 1),
            (504, {"after_tries": 2}, 2),
            (504, {"after_tries": 3}, 3),
            (None, {"also_without_response": True}, 1),
            (None, {"also_without_response": True, "after_tries": 2}, 2),
        ),
    )
    def test_it_is_asked_for(self, slept, caplog, status, options, sent_times):
        send, sent = fail(*[error(status, text="too slow")] * 9)
        shrink = ShrinkInstead(frozenset({504, 413}), **options)
        with pytest.raises(RequestTooLargeError, match="too slow") as caught:
            RetryPolicy(max_tries=5, max_wait=60).run(send, logger=LOGGER, shrink=shrink)
        assert len(sent) == sent_times
        assert (caught.value.response and caught.value.response.status_code) == status
        assert "Gave up" not in caplog.text

    @pytest.mark.parametrize("status", (500, None))
    def test_other_failures_are_retried(self, slept, status):
        send, sent = fail(*[error(status)] * 9)
        with pytest.raises(RetriableAPIError) as caught:
            RetryPolicy(max_tries=3, max_wait=60).run(
                send, logger=LOGGER, shrink=ShrinkInstead(frozenset({504}))
            )
        assert len(sent) == 3
        assert not isinstance(caught.value, RequestTooLargeError)


class TestAdaptiveLimit:
    def test_a_quarter_after_a_failure_and_twice_as_much_after_twenty_successes(self):
        limit = AdaptiveLimit(1000, smallest=10)
        values = [limit.value]
        for _ in range(4):
            limit.shrink()
            values.append(limit.value)
        assert values == [1000, 250, 62, 15, 10]
        assert limit.is_smallest
        for _ in range(19):
            limit.note_success()
        assert limit.value == 10
        limit.note_success()
        assert limit.value == 20
        assert not limit.is_smallest

    def test_successes_count_in_a_row(self):
        limit = AdaptiveLimit(1000, smallest=10, divisor=2, factor=3, successes=2)
        limit.note_success()
        limit.shrink()
        limit.note_success()
        assert limit.value == 500
        limit.note_success()
        assert limit.value == 1000
        limit.shrink(400)
        assert limit.value == 200
        limit.note_success()
        limit.note_success()
        assert limit.value == 600
        # They begin again after each.
        limit.note_success()
        assert limit.value == 600

    def test_growing_begins_the_count_again(self):
        limit = AdaptiveLimit(1000, smallest=10, successes=2)
        limit.shrink()
        limit.note_success()
        limit.grow()
        assert limit.value == 500
        limit.note_success()
        assert limit.value == 500

    def test_times_are_limits_too(self):
        hour = timedelta(hours=1)
        limit = AdaptiveLimit(hour, smallest=2 * hour)
        limit.shrink()
        assert limit.value == hour
        assert limit.is_smallest
