"""Faults, the journal, the command, and that the README names all of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import requests

from signalroom_sandbox.control import endpoint_table, endpoints
from signalroom_sandbox.everflow import NETWORK_KEY
from signalroom_sandbox.everflow.limits import Limits
from signalroom_sandbox.everflow.switches import Switches
from signalroom_sandbox.faults import known_faults
from signalroom_sandbox.mautic.limits import Limits as MauticLimits
from signalroom_sandbox.mautic.switches import Switches as MauticSwitches
from signalroom_sandbox.plugins import plugins
from signalroom_sandbox.posthog.limits import Limits as PostHogLimits
from signalroom_sandbox.posthog.switches import Switches as PostHogSwitches
from signalroom_sandbox.redtrack.limits import Limits as RedTrackLimits
from signalroom_sandbox.redtrack.switches import Switches as RedTrackSwitches
from signalroom_sandbox.sandbox import Sandbox
from signalroom_sandbox.server import ControlError
from signalroom_sandbox.sticky_s3.errors import FAULTS as S3_FAULTS

FAULTS = known_faults()
VENDORS = ("everflow", "gsheets", "mautic", "posthog", "redtrack", "s3")
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
CUT = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)
COMMAND = (sys.executable, "-m", "signalroom_sandbox")


@pytest.fixture
def server(sandbox):
    return sandbox


@pytest.fixture
def control(server):
    return server.control


@pytest.fixture
def get(server):
    def ask(path="/networks", timeout=30):
        return requests.get(
            f"{server.everflow_url}/v1{path}",
            headers={"X-Eflow-API-Key": NETWORK_KEY},
            allow_redirects=False,
            timeout=timeout,
        )

    return ask


# Faults


#: The status, and what the body says.
ANSWERED = {
    "bigquery_429": (429, "Big Query usage is above limit"),
    "echo_key": (500, NETWORK_KEY),
    "empty_200": (200, ""),
    "error_200": (200, "Something went wrong"),
    "gzip": (200, "Sandbox network"),
    "html_200": (200, "<!doctype html>"),
    "http_401": (401, "No Authentication Method Found"),
    "http_403": (403, "Missing permission"),
    "http_404": (404, "Not found"),
    "http_429": (429, "Rate limit exceeded"),
    "http_500": (500, "Internal error"),
    "http_502": (502, "<!doctype html>"),
    "http_503": (503, "Service unavailable"),
    "null_200": (200, "null"),
    "redirect": (302, ""),
    "truncated_json": (200, '{"network_id"'),
}
#: What requests raises.
RAISED = {
    "connection_reset": requests.exceptions.ConnectionError,
    "cut_body": CUT,
    "timeout": requests.exceptions.ReadTimeout,
}


def test_all_faults_are_tested():
    assert sorted(["answer", *ANSWERED, *RAISED, *S3_FAULTS]) == sorted(FAULTS)


@pytest.mark.parametrize("fault", ANSWERED)
def test_a_fault_that_is_answered(control, get, fault):
    status, said = ANSWERED[fault]
    control.fault(fault)
    response = get()
    assert response.status_code == status
    assert said in response.text
    assert get().json()["name"] == "Sandbox network"


def test_an_answer_as_it_is_told(control, get):
    control.fault("answer", status=418, headers={"X-Pot": "tea"}, body={"short": "stout"})
    response = get()
    assert (response.status_code, response.json()) == (418, {"short": "stout"})
    assert response.headers["X-Pot"] == "tea"


@pytest.mark.parametrize("fault", RAISED)
def test_a_fault_that_raises(control, get, fault):
    control.fault(fault, **({"seconds": 1} if fault == "timeout" else {}))
    with pytest.raises(RAISED[fault]):
        get(timeout=0.2 if fault == "timeout" else 30)
    assert get().json()["name"] == "Sandbox network"


def test_a_client_that_gave_up_is_no_longer_under_way(control, get):
    control.fault("timeout", seconds=60)
    with pytest.raises(requests.exceptions.ReadTimeout):
        get(timeout=0.1)
    control.clear_requests()
    assert get().ok
    assert control.requests()["max_concurrent"] == 1


def test_bodies_that_are_no_answer(control, get):
    for fault in ("empty_200", "html_200", "truncated_json"):
        control.fault(fault)
        response = get()
        assert int(response.headers["Content-Length"]) == len(response.content)
        with pytest.raises(requests.exceptions.JSONDecodeError):
            response.json()
    control.fault("gzip")
    assert get().headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("value", (0, 3600, ""))
def test_retry_after(control, get, value):
    control.fault("http_429", retry_after=value)
    assert get().headers["Retry-After"] == str(value)
    control.fault("http_429")
    assert "Retry-After" not in get().headers


def test_parameters_of_faults(control, get):
    control.fault("http_503", text="Later")
    assert get().json() == {"error": "Later"}
    control.fault("echo_key", status=403)
    assert get().status_code == 403
    control.fault("redirect", location="http://127.0.0.1:9")
    assert get().headers["Location"] == "http://127.0.0.1:9/everflow/v1/networks"
    control.fault("timeout", seconds=0)
    assert get().status_code == 504


def test_times_and_skip(control, get):
    control.fault("http_500", times=2, skip=1)
    assert [get().status_code for _ in range(5)] == [200, 500, 500, 200, 200]


def test_match(control, get):
    control.fault("http_500", match="networks/(offers|campaigns)$", times=2)
    paths = ("/networks", "/networks/offers", "/networks/offerurls", "/networks/campaigns")
    assert [get(path).status_code for path in paths] == [200, 500, 200, 500]


def test_faults_follow_each_other(control, get):
    for fault in ("http_500", "http_503"):
        control.fault(fault)
    assert [get().status_code for _ in range(3)] == [500, 503, 200]
    control.fault("http_500", times=9)
    control.clear_faults()
    assert get().ok


def test_a_vendor_of_its_own(server, get):
    given = {"fault": "http_500", "vendor": "another"}
    assert requests.post(f"{server.url}/control/faults", json=given, timeout=30).ok
    assert get().ok
    told = requests.get(f"{server.url}/control/faults", timeout=30).json()
    assert told == [given | {"match": "", "times": 1, "skip": 0, "params": {}}]


# What the control endpoint refuses


def test_an_unknown_fault_is_refused_with_the_names(control):
    with pytest.raises(ControlError) as refused:
        control.fault("nonsense")
    assert all(name in str(refused.value) for name in FAULTS)


def test_an_unknown_switch_is_refused_with_the_names(control):
    with pytest.raises(ControlError) as refused:
        control.everflow.switches(nonsense=True)
    assert all(item.name in str(refused.value) for item in fields(Switches))


def test_what_else_is_refused(server, control):
    with pytest.raises(ControlError, match="regular expression"):
        control.fault("http_500", match="(")
    with pytest.raises(ControlError, match="nonsense"):
        control.everflow.limits(nonsense=1)
    response = requests.post(f"{server.url}/control/faults", data="{", timeout=30)
    assert response.status_code == 400
    assert "error" in response.json()


# The journal


def test_the_journal_has_every_request_of_a_vendor(server, control, get):
    get("/networks/offers?page=2&filter=time_saved%3E1")
    control.fault("http_429")
    get()
    requests.post(f"{server.everflow_url}/v1/networks/reporting/clicks/stream", "{", timeout=30)
    told = control.requests()
    assert (told["count"], told["refused"], told["max_concurrent"]) == (3, 1, 1)
    assert [entry["status"] for entry in told["requests"]] == [200, 429, 401]
    first, _, last = told["requests"]
    assert (first["vendor"], first["method"], first["path"]) == (
        "everflow",
        "GET",
        "/v1/networks/offers",
    )
    assert first["query"] == "page=2&filter=time_saved%3E1"
    assert first["seconds"] > 0
    assert last["method"] == "POST"
    assert NETWORK_KEY not in json.dumps(told)
    control.clear_requests()
    assert control.requests()["count"] == 0


def test_the_journal_keeps_bodies(server, control):
    requests.post(
        f"{server.everflow_url}/v1/networks/reporting/clicks/stream",
        '{"from": "é"}'.encode(),
        headers={"X-Eflow-API-Key": NETWORK_KEY},
        timeout=30,
    )
    assert control.requests()["requests"][0]["body"] == '{"from": "é"}'


# The command


def test_the_command_prints_the_environment():
    sandbox = Sandbox()
    others = [
        name
        for vendor in plugins().keys() - VENDORS
        for name in plugins()[vendor].variables("", sandbox.vendors[vendor])
    ]
    with subprocess.Popen(
        [*COMMAND, "--port=0", "--scale=0.1"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = [process.stdout.readline().strip() for _ in range(21 + len(others))]
            told = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
            assert sorted(told.keys() - others) == [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "EVERFLOW_API_KEY",
                "EVERFLOW_BASE_URL",
                "MAUTIC_BASE_URL",
                "MAUTIC_CLIENT_ID",
                "MAUTIC_CLIENT_SECRET",
                "POSTHOG_API_KEY",
                "POSTHOG_HOST",
                "POSTHOG_PROJECT_ID",
                "REDTRACK_API_KEY",
                "REDTRACK_BASE_URL",
                "S3_BUCKET_NAME",
                "TAP_GSHEETS_API_KEY",
                "TAP_GSHEETS_DRIVE_API_URL",
                "TAP_GSHEETS_SHEETS_API_URL",
                "TAP_GSHEETS_SPREADSHEETS",
                "TAP_STICKY_S3_ENDPOINT_URL",
            ]
            assert {*others} <= told.keys()
            # The port listens by then, or soon: retries are the client's, nothing sleeps here.
            with requests.Session() as session:
                retry = requests.adapters.Retry(connect=10, backoff_factor=0.05)
                session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
                response = session.get(
                    f"{told['EVERFLOW_BASE_URL']}/v1/networks",
                    headers={"X-Eflow-API-Key": told["EVERFLOW_API_KEY"]},
                    timeout=30,
                )
            assert response.json()["name"] == "Sandbox network"
        finally:
            process.terminate()


def test_a_busy_port_is_said_in_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, f"--port={port}"], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert not done.stdout
    assert f"Port {port} cannot be used" in done.stderr
    assert "--port or SANDBOX_PORT" in done.stderr
    assert "Traceback" not in done.stderr


# The README


def table(title):
    """The first two cells of a section's rows."""
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \|([^|]*)\|", section, re.MULTILINE)
    return {name: second.strip("` ") for name, second in rows}


def test_the_readme_names_the_faults():
    assert list(table("Faults")) == sorted(FAULTS)


@pytest.mark.parametrize(
    ("title", "kind"),
    (
        ("Switches of Everflow", Switches),
        ("Limits of Everflow", Limits),
        ("Switches of Mautic", MauticSwitches),
        ("Limits of Mautic", MauticLimits),
        ("Switches of PostHog", PostHogSwitches),
        ("Limits of PostHog", PostHogLimits),
        ("Switches of RedTrack", RedTrackSwitches),
        ("Limits of RedTrack", RedTrackLimits),
    ),
)
def test_the_readme_names_the_settings_and_their_defaults(title, kind):
    settings = {item.name: repr(item.default) for item in fields(kind) if item.init}
    assert table(title) == settings


def test_the_readme_has_the_control_endpoints():
    assert endpoint_table() in README


def test_every_vendor_plugs_in_with_its_paths():
    paths = {endpoint.path for endpoint in endpoints()}
    assert plugins().keys() >= {*VENDORS}
    assert {f"/{vendor}/latency" for vendor in plugins()} <= paths


@pytest.mark.parametrize(
    ("vendor", "action", "arguments", "message"),
    (
        ("everflow", "restate", {"timezone": "UTC"}, "missing required field `date`"),
        ("everflow", "restate", {"date": "01/02/2026", "timezone": "UTC"}, "Invalid RFC3339"),
        ("everflow", "restate", {"date": "2026-01-02", "timezone": "Mars"}, "unknown time zone"),
        ("everflow", "latency", {"seconds": "soon"}, "Expected `float`, got `str`"),
        (
            "everflow",
            "latency",
            {"minutes": 1},
            "unknown field `minutes`; arguments of latency: se",
        ),
        ("s3", "versioning", {"on": 1}, "Expected `bool`, got `int`"),
        ("gsheets", "cells", {"id": "nowhere", "gid": 0}, "KeyError: 'nowhere'"),
    ),
)
def test_arguments_of_actions_are_checked(control, vendor, action, arguments, message):
    with pytest.raises(ControlError, match=message.replace("`", ".")):
        control.send("POST", f"/{vendor}/{action}", arguments)


def test_what_only_reads_is_a_get_too(server, control):
    days = {"from": "2026-01-02", "to": "2026-01-02", "timezone": "UTC"}
    got = requests.get(f"{server.url}/control/everflow/clicks", days, timeout=30)
    assert got.json() == control.send("POST", "/everflow/clicks", days)
    assert requests.get(f"{server.url}/control/everflow/restate", timeout=30).status_code == 405
