"""The six taps in this process, reading little from the sandbox and waiting for nothing."""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

import requests
from botocore.httpsession import URLLib3Session
from chaos.zygote import TAPS

FEW_DAYS = {
    "start_date": str(datetime.now(UTC).date() - timedelta(days=4)),
    "end_date": str(datetime.now(UTC).date() - timedelta(days=3)),
}
FAST = 10**6
OWN = {
    "tap-everflow": {**FEW_DAYS, "requests_per_second": FAST, "bigquery_requests_per_hour": FAST},
    "tap-gsheets": {"max_reads_per_minute": FAST},
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
    sandbox.control.limits(per_second=FAST, burst=FAST)
    sandbox.control.redtrack.limits(per_window=FAST)
    sandbox.control.gsheets.access(per_user=FAST)


def catalog_of(name, sandbox):
    """What the tap offers, asked once."""
    tap = BY_NAME[name](config=settings_of(name, sandbox))
    try:
        return json.loads(json.dumps(tap.catalog_dict, default=str))
    finally:
        tap.close()


@contextmanager
def spoiled(mutation):
    """Let one answer of a run be another."""
    asked = []

    def turn():
        asked.append(True)
        return mutation is not None and len(asked) - 1 == mutation.request

    send, fetch = requests.adapters.HTTPAdapter.send, URLLib3Session.send

    def over_requests(adapter, *arguments, **options):
        response = send(adapter, *arguments, **options)
        if turn():
            # As it goes on the wire, no encoding of it is left.
            response._content = mutation.of(response.content)
        return response

    def over_botocore(session, request):
        answer = fetch(session, request)
        if turn() and not request.stream_output:
            answer._content = mutation.of(answer.content)
        return answer

    with (
        mock.patch.object(requests.adapters.HTTPAdapter, "send", over_requests),
        mock.patch.object(URLLib3Session, "send", over_botocore),
    ):
        yield


def read(name, sandbox, catalog, stream, mutation):
    """Run a tap for one stream; gives the records it wrote, and its error."""
    chosen = json.loads(json.dumps(catalog))
    for entry in chosen["streams"]:
        for metadata in entry["metadata"]:
            if not metadata["breadcrumb"]:
                metadata["metadata"]["selected"] = entry["stream"] == stream
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, write_through=True)
    tap, error = None, None
    with spoiled(mutation), mock.patch.object(sys, "stdout", stdout):
        try:
            tap = BY_NAME[name](config=settings_of(name, sandbox), catalog=chosen)
            tap.sync_all()
        except Exception as caught:  # noqa: BLE001 - which it is, is what is tested
            error = caught
        finally:
            if tap is not None:
                tap.close()
    stdout.flush()
    messages = [json.loads(line) for line in written.getvalue().splitlines()]
    return [one["record"] for one in messages if one["type"] == "RECORD"], error
