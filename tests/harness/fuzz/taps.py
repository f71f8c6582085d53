"""The six taps in this process, reading little from the sandbox and waiting for nothing."""

from __future__ import annotations

import io
import json
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from io import BytesIO
from unittest import mock
from urllib.parse import urlsplit

import requests
from botocore.httpsession import URLLib3Session
from botocore.loaders import JSONFileLoader
from harness.programs.zygote import TAPS
from urllib3.response import HTTPResponse

from signalroom_sandbox.gsheets import MAPPINGS

FEW_DAYS = {
    "start_date": str(datetime.now(UTC).date() - timedelta(days=4)),
    "end_date": str(datetime.now(UTC).date() - timedelta(days=3)),
}
FAST = 10**6
OWN = {
    "tap-everflow": {**FEW_DAYS, "requests_per_second": FAST, "bigquery_requests_per_hour": FAST},
    "tap-gsheets": {
        "max_reads_per_minute": FAST,
        # A tab with dates is read twice, by answers that are put together.
        "spreadsheets": [
            {
                "spreadsheet": MAPPINGS,
                "tabs": [
                    {"name": "Affiliates"},
                    {"name": "Manual costs", "columns": [{"name": "Date", "type": "date"}]},
                ],
            }
        ],
    },
    "tap-mautic": {"page_size": 50},
    "tap-posthog": {
        **FEW_DAYS,
        **dict.fromkeys(
            (
                "query_requests_per_minute",
                "query_requests_per_hour",
                "clickhouse_requests_per_minute",
                "clickhouse_requests_per_hour",
                "requests_per_minute",
                "requests_per_hour",
            ),
            FAST,
        ),
    },
    "tap-redtrack": {**FEW_DAYS, "requests_per_minute": FAST},
    "tap-sticky-s3": {"max_files": 2},
}
BY_NAME = {tap.name: tap for tap in TAPS}


def settings_of(name, sandbox):
    """What the tap is told: what the sandbox says for `.env`, and its own."""
    prefix = f"{name.upper().replace('-', '_')}_"
    found = {
        variable.removeprefix(prefix).lower(): value
        for variable, value in sandbox.dotenv.items()
        if variable.startswith(prefix)
    }
    if "spreadsheets" in found:
        found["spreadsheets"] = json.loads(found["spreadsheets"])
    return found | {"max_tries": 1, "max_retry_wait": 0} | OWN[name]


def patient(sandbox):
    """Let the sandbox be as new, and as fast as it is asked."""
    sandbox.control.reset()
    sandbox.control.everflow.limits(per_second=FAST, burst=FAST)
    sandbox.control.redtrack.limits(per_window=FAST)
    sandbox.control.gsheets.access(per_user=FAST)


def catalog_of(name, sandbox):
    """What the tap offers, asked once."""
    tap = BY_NAME[name](config=settings_of(name, sandbox))
    try:
        return json.loads(json.dumps(tap.catalog_dict, default=str))
    finally:
        tap.close()


@dataclass
class Spoiled:
    """What came of a mutation.

    Attributes:
        path: Of the request that was answered otherwise; none if there were too few requests, or
            the answer stayed as it was.
        requests: How many there were.
    """

    path: str | None = None
    requests: int = 0


#: What botocore has on disk: each client reads a megabyte of it.
_load_once = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))


@contextmanager
def spoiled(mutation):
    """Let one answer of a run be another, or all; gives what came of it."""
    found, lock = Spoiled(), threading.Lock()

    def instead(body, url):
        with lock:
            number, found.requests = found.requests, found.requests + 1
        if mutation is None or mutation.request not in {None, number}:
            return body
        other = mutation.of(body)
        if other != body:
            found.path = urlsplit(url).path
        return other

    send, fetch = requests.adapters.HTTPAdapter.send, URLLib3Session.send

    def over_requests(adapter, request, *arguments, **options):
        response = send(adapter, request, *arguments, **options)
        # As it goes on the wire, no encoding of it is left.
        response._content = instead(response.content, request.url)
        return response

    def over_botocore(session, request):
        answer = fetch(session, request)
        if request.stream_output:
            body = instead(answer.raw.read(), request.url)
            answer.headers["Content-Length"] = str(len(body))
            answer.raw = HTTPResponse(BytesIO(body), preload_content=False)
        else:
            answer._content = instead(answer.content, request.url)
        return answer

    with (
        mock.patch.object(JSONFileLoader, "load_file", lambda _, path: _load_once(path)),
        mock.patch.object(requests.adapters.HTTPAdapter, "send", over_requests),
        mock.patch.object(URLLib3Session, "send", over_botocore),
    ):
        yield found


def read(name, sandbox, catalog, stream, mutation=None, state=None, **settings):
    """Run a tap for one stream; gives the messages it wrote, its error, and what was spoiled."""
    chosen = json.loads(json.dumps(catalog))
    for entry in chosen["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["stream"] == stream
    written = BytesIO()
    stdout = io.TextIOWrapper(written, write_through=True)
    tap, error = None, None
    with spoiled(mutation) as found, mock.patch.object(sys, "stdout", stdout):
        try:
            config = settings_of(name, sandbox) | settings
            tap = BY_NAME[name](config=config, catalog=chosen, state=state)
            tap.sync_all()
        except Exception as caught:  # noqa: BLE001 - which it is, is what is tested
            error = caught
        finally:
            if tap is not None:
                tap.close()
    stdout.flush()
    return [json.loads(line) for line in written.getvalue().splitlines()], error, found


def records_of(messages):
    """The records among them, without the time when each was read."""
    records = [one["record"] for one in messages if one["type"] == "RECORD"]
    kept = [{name: row[name] for name in row if name != "_loaded_at"} for row in records]
    return sorted(json.dumps(row, sort_keys=True) for row in kept)


def state_of(messages):
    """The last state among them."""
    states = [one["value"] for one in messages if one["type"] == "STATE"]
    return states[-1] if states else {}
