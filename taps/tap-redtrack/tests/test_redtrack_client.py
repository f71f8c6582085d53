from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from redtrack_days import by_key, days_ago, expected
from singer_sdk.exceptions import RetriableAPIError

from signalroom_sandbox.redtrack import API_KEY
from signalroom_singer import ForbiddenRequestError, RequestRejectedError
from tap_redtrack.client import find_error

TRANSIENT = (
    *("http_500", "http_502", "http_503", "http_429", "connection_reset", "cut_body"),
    *("truncated_json", "html_200", "null_200", "error_200", "empty_200", "gzip"),
)
WITH_MESSAGES = (
    *("echo_key", "http_429", "http_503", "html_200", "null_200", "cut_body"),
    *("truncated_json", "connection_reset", "timeout"),
)
FORMS = {API_KEY, quote(API_KEY), quote(API_KEY, safe=""), quote_plus(API_KEY)}


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_fault_changes_nothing(make_tap, redtrack, sandbox, sync, fault):
    for path in ("report", "conversions", "offers"):
        sandbox.control.fault(fault, vendor="redtrack", match=f"^{path}", times=2)
    output = sync(make_tap(), "daily_spend", "conversions", "offers")
    assert by_key(output.records["daily_spend"]) == expected(redtrack)
    start, end = str(days_ago(5)), str(days_ago(1))
    wanted = redtrack.conversions(start=start, end=end, timezone="America/New_York")
    assert {row["id"] for row in output.records["conversions"]} == {row["id"] for row in wanted}
    assert len(output.records["offers"]) == 5


@pytest.mark.parametrize("fault", ("null_200", "error_200", "html_200"))
def test_an_error_is_never_mistaken_for_an_empty_list(make_tap, sandbox, sync, fault):
    sandbox.control.fault(fault, vendor="redtrack", match="offers", times=99)
    with pytest.raises(RetriableAPIError, match=r"^offers: GET /offers returned 200"):
        sync(make_tap(max_tries=2), "offers")


@pytest.mark.parametrize("payload", ("text", 7, None, {}, {"items": None}, {"items": 3}))
def test_json_that_is_not_a_list_is_an_error(payload):
    assert find_error(payload)


@pytest.mark.parametrize("payload", ([], {"items": []}, {"items": None, "total": 0}))
def test_an_empty_list_is_not_an_error(payload):
    assert find_error(payload) is None


def test_a_wrong_key_says_what_to_do(make_tap, sync):
    with pytest.raises(
        RequestRejectedError, match=r"offers: GET /offers answered 401.*Check api_key"
    ):
        sync(make_tap(api_key="sandbox-redtrack-revoked"), "offers")


def test_a_version_in_the_address_says_what_to_do(make_tap, sandbox, sync):
    with pytest.raises(RequestRejectedError, match=r"404.*without /v1"):
        sync(make_tap(api_url=f"{sandbox.redtrack_url}/v1"), "offers")


@pytest.mark.parametrize("request_", (("POST", "/conversions"), ("GET", "/tracks/cost")))
def test_nothing_is_written(make_tap, sandbox, request_):
    client = make_tap().streams["conversions"].client
    method, path = request_
    with pytest.raises(ForbiddenRequestError):
        getattr(client, method.lower())(path)
    assert not sandbox.control.requests()["requests"]


def run_tap(sandbox, folder, *arguments):
    """The tap in a process of its own, at its most talkative; gives all it printed."""
    logs = folder / "logs.json"
    everything = {"level": "DEBUG", "handlers": ["all"]}
    handlers = {"all": {"class": "logging.StreamHandler"}}
    settings = {"version": 1, "disable_existing_loggers": False}
    logs.write_text(json.dumps(settings | {"handlers": handlers, "root": everything}))
    environment = sandbox.dotenv | {
        "PATH": os.environ["PATH"],
        "TAP_REDTRACK_MAX_TRIES": "12",
        "TAP_REDTRACK_MAX_RETRY_WAIT": "0",
        "TAP_REDTRACK_REQUEST_TIMEOUT": "1",
        "TAP_REDTRACK_REQUESTS_PER_MINUTE": "100000",
        "TAP_REDTRACK_LOGLEVEL": "DEBUG",
        "SINGER_SDK_LOG_CONFIG": str(logs),
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "tap-redtrack", "--config=ENV", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("end", ("http_401", "redirect"))
def test_the_key_is_in_no_output(sandbox, redtrack, tmp_path, end):
    """Not in records, states, metrics, logs of any library, or tracebacks."""
    # All of them happen to the second report, one after another.
    for fault in WITH_MESSAGES:
        sandbox.control.fault(fault, vendor="redtrack", match="report", skip=1)
    sandbox.control.fault(end, vendor="redtrack", match="report", times=99, skip=1)
    code, said = run_tap(sandbox, tmp_path)
    assert code == (77 if end == "http_401" else 78)
    statuses = [request["status"] for request in sandbox.control.requests()["requests"]]
    assert {200, 429, 500, 503} <= set(statuses)
    # The line that urllib3 logs for each request is there, URL and all.
    assert "/report?group=date" in said
    assert "api_key=<redacted>" in said
    assert not [form for form in FORMS if form in said]


def test_a_connection_test_does_not_show_the_key(sandbox, redtrack, tmp_path):
    code, said = run_tap(sandbox, tmp_path, "--test")
    assert code == 0, said
    assert "api_key=<redacted>" in said
    assert not [form for form in FORMS if form in said]
