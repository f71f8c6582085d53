from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from kit_vendor import SECRET, RowTap, answer, ok, reset
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.logging import StructuredFormatter

from signalroom_singer import protect, redact
from signalroom_singer.errors import hide_traceback, is_disk_full
from signalroom_singer.privacy.redaction import MASK, redact_exception, secret_values


@pytest.fixture
def log():
    """A logger of its own with a JSON formatter that prints exceptions, and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(StructuredFormatter())
    logger = logging.getLogger("elsewhere")
    logger.addHandler(handler)
    protect([SECRET])
    yield logger, written
    logger.removeHandler(handler)


FORMS = [SECRET, quote(SECRET, safe=""), quote(SECRET)]


@pytest.mark.parametrize("form", FORMS[:2])
def test_messages_arguments_and_fields(log, form):
    logger, written = log
    logger.error("GET /x?api_key=%s", form, extra={"point": {"tags": [f"k={form}"]}})
    assert form not in written.getvalue()
    assert written.getvalue().count(MASK) == 2


@pytest.mark.parametrize(
    ("message", "arguments"),
    (("%s and %s", (SECRET,)), ("%d %%", (SECRET,)), ("%(key)s", ({"other": SECRET},))),
)
def test_arguments_that_do_not_fit_their_message(log, capsys, message, arguments):
    logger, written = log
    logger.error(message, *arguments)
    assert message in written.getvalue()
    assert MASK in written.getvalue()
    assert SECRET not in written.getvalue() + "".join(capsys.readouterr())


def test_exceptions_and_their_causes(log):
    logger, written = log
    try:
        try:
            requests.get(f"http://127.0.0.1:9/x?api_key={SECRET}", timeout=1)
        except requests.ConnectionError as error:
            msg = f"while sending {SECRET}"
            raise RuntimeError(msg) from error
    except RuntimeError:
        logger.exception("failed")
    assert "Max retries exceeded" in written.getvalue()
    assert not [form for form in FORMS if form in written.getvalue()]


def test_exceptions_that_make_their_own_text():
    class StubbornError(Exception):
        def __str__(self):
            return f"key {SECRET}"

    protect([SECRET])
    shown = redact_exception(StubbornError())
    assert str(shown) == f"StubbornError: key {MASK}"


def test_lines_of_a_key_file_are_secret_each():
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"
    protect([f"-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n"])
    assert redact(f"bad line {line}") == f"bad line {MASK}"


def test_short_values_are_left_alone():
    protect(["ab", ""])
    assert redact("cabin") == "cabin"


def test_secrets_are_found_by_the_schema():
    schema = {
        "properties": {
            "api_key": {"secret": True},
            "url": {},
            "accounts": {"items": {"properties": {"token": {"secret": True}, "id": {}}}},
            "key_file": {"secret": True},
        }
    }
    config = {
        "api_key": "k1",
        "url": "u",
        "accounts": [{"token": "t1", "id": 1}, {"token": "t2"}],
        "key_file": {"id": "k2", "scopes": ["s1"], "universe": None},
    }
    assert list(secret_values(schema, config)) == ["k1", "t1", "t2", "k2", "s1"]


def test_an_error_about_the_setting_does_not_quote_it(log):
    logger, written = log
    word = 2**40  # a traceback prints this line: the value must not stand in it
    with pytest.raises(ConfigValidationError) as caught:
        RowTap(config={"api_key": [f"hunter{word}"]})
    logger.error("%s", caught.value.errors, exc_info=caught.value)
    assert f"hunter{word}" not in written.getvalue()
    assert "Invalid api_key: expected text." in written.getvalue()


FAULTS = {
    "500 that echoes the key": lambda: answer(500, {"error": f"bad key {SECRET}"}),
    "401 that echoes the key": lambda: answer(401, {"error": f"bad key {SECRET}"}),
    "page that echoes the URL": lambda: ok(
        f"<title>/rows?api_key={quote(SECRET)}</title>".encode()
    ),
    "redirect to the URL": lambda: answer(302, headers={"Location": f"/rows?api_key={SECRET}"}),
    "connection reset": lambda: reset,
    "cut body": lambda: ok([1], length=99),
    "cut JSON": lambda: ok(b"[1"),
    "error with 200": lambda: ok({"error": f"key {SECRET} unknown"}),
}


@pytest.fixture
def run_tap(vendor, tmp_path):
    """Run the tap's command in a process of its own."""
    env = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent),
        "TAP_ROWS_API_URL": vendor.url,
        "TAP_ROWS_API_KEY": SECRET,
    }
    command = [sys.executable, "-c", "from kit_vendor import RowTap; RowTap.cli()", "--config=ENV"]

    def run(*flags, **more):
        return subprocess.run(
            [*command, *flags],
            env=env | more,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


@pytest.mark.parametrize("flags", ([], ["--test"]), ids=("run", "--test"))
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_output_of_a_run_has_the_key(vendor, run_tap, fault, flags):
    vendor.answers.extend([fault()] * 10)
    settings = {"TAP_ROWS_MAX_TRIES": "2", "TAP_ROWS_MAX_RETRY_WAIT": "0"}
    run = run_tap(*flags, LOGLEVEL="DEBUG", **settings)
    assert run.returncode != 0
    assert "days: GET /rows " in run.stderr
    output = run.stdout + run.stderr
    assert not [form for form in FORMS if form in output]


@pytest.mark.parametrize("flags", ([], ["--test"]), ids=("run", "--test"))
def test_a_setting_that_is_wrong_is_named(run_tap, flags):
    run = run_tap(*flags, TAP_ROWS_MAX_TRIES="0")
    assert run.returncode == 78
    said = "Invalid max_tries (TAP_ROWS_MAX_TRIES) 0: expected a whole number, 1 or more."
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_a_dry_run_says_that_all_is_well(vendor, run_tap):
    vendor.answers.extend([ok([{"id": 1}, {"id": 2}])] * 2)
    run = run_tap("--test")
    assert run.returncode == 0
    assert "Connection test passed: all 2 selected streams are readable" in run.stderr
    assert "ERROR" not in run.stderr
    # No record: it may be a customer's.
    assert run.stdout == "days: ok (a record read)\nrows: ok (empty)\n"


def test_a_dry_run_prints_the_record_only_where_it_is_asked_for(vendor, run_tap):
    vendor.answers.extend([ok([{"id": 1}, {"id": 2}])] * 2)
    run = run_tap("--test=records")
    assert run.returncode == 0
    assert '"type":"RECORD","stream":"days","record":{' in run.stdout
    assert "ok (" not in run.stdout


@pytest.mark.parametrize("flags", ([], ["--test"]), ids=("run", "--test"))
def test_what_users_can_mend_is_a_sentence(vendor, run_tap, flags):
    vendor.answers.extend([answer(401, {"error": "no"})] * 4)
    run = run_tap(*flags)
    assert run.returncode == 77
    said = "days: GET /rows answered 401 Unauthorized: no. Check the setting api_key"
    assert said in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("number", (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
def test_a_full_disk_is_told_without_a_traceback(log, number):
    logger, written = log
    logger.addFilter(hide_traceback)
    error = OSError(number, os.strerror(number))
    logger.error("%s", error.args[0], exc_info=error)
    logger.removeFilter(hide_traceback)
    assert f"This machine's disk is full ([Errno {number}] " in written.getvalue()
    assert is_disk_full(error)
    assert "set TMPDIR" in written.getvalue()
    assert "Traceback" not in written.getvalue()
