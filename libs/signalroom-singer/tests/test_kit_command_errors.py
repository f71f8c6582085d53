"""What a command says last where it fails: an error in the log, in one record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from kit_vendor import STRUCTURED, RowTap
from singer_sdk.exceptions import ConfigValidationError, RetriableAPIError

import signalroom_singer
from signalroom_singer import (
    ExitCode,
    MalformedResponseError,
    RequestRejectedError,
    TapError,
)
from signalroom_singer.cli import executable
from signalroom_singer.failures import Failures

#: What Meltano's parser asks of a line.
FIELDS = {"level", "pid", "logger_name", "ts", "thread_name", "app_name", "message"}


class FailingTap(RowTap):
    name = "tap-failing"
    config_jsonschema = {"properties": {"api_key": {"type": "string"}}}
    error: BaseException | None = None

    def discover_streams(self):
        if self.error:
            raise self.error
        os.kill(os.getpid(), signal.SIGTERM)
        return []


@pytest.fixture
def under_meltano(tmp_path, monkeypatch, logging_as_it_was):
    """Run the tap with Meltano's log settings; gives its exit code and what it logged."""
    (path := tmp_path / "logging.json").write_text(json.dumps(STRUCTURED))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    monkeypatch.chdir(tmp_path)

    def run(capsys, *arguments, error=None):
        monkeypatch.setattr(FailingTap, "error", error)
        with pytest.raises(SystemExit) as ended:
            FailingTap.cli(arguments)
        # Click ends the line of ^C in a terminal; Meltano passes over empty ones.
        lines = filter(None, capsys.readouterr().err.splitlines())
        records = [json.loads(line) for line in lines]
        assert all(record.keys() >= FIELDS for record in records)
        return ended.value.code, [record for record in records if record["level"] == "error"]

    return run


@pytest.mark.parametrize("flags", ((), ("--discover",), ("--test",)))
@pytest.mark.parametrize(
    ("error", "messages"),
    (
        (TapError("Check the key.\nIt has expired."), ["Check the key.\nIt has expired."]),
        (click.ClickException("Check the server."), ["Check the server."]),
        (ConfigValidationError("bad", errors=["One.", "Two.", "One."]), ["One.", "Two."]),
        (ConfigValidationError("One."), ["One."]),
        (PermissionError(13, "Permission denied", "f"), ["[Errno 13] Permission denied: 'f'"]),
        (MemoryError(), ["MemoryError"]),
        (KeyboardInterrupt(), ["Interrupted before it began. Run it again."]),
    ),
)
def test_every_error_is_a_record_of_its_own(under_meltano, capsys, error, messages, flags):
    code, records = under_meltano(capsys, *flags, error=error)
    assert code == (78 if isinstance(error, ConfigValidationError) else 1)
    assert [record["message"] for record in records] == messages
    # Where only a developer knows what it means, it is in the record, and not in lines of its own.
    traced = [record for record in records if "exception" in record]
    assert bool(traced) == isinstance(error, (PermissionError, MemoryError))


@pytest.mark.parametrize(
    ("error", "expected"),
    (
        (ConfigValidationError("Missing required setting api_key."), 78),
        (RequestRejectedError("GET /orders answered 401", 401), 77),
        (RequestRejectedError("GET /orders answered 403", 403), 77),
        (RequestRejectedError("GET /orders answered 404", 404), 78),
        (RetriableAPIError("GET /orders answered 503 after 5 tries"), 75),
        (MalformedResponseError("orders: unexpected response"), 1),
        (TapError("The file is damaged.", exit_code=ExitCode.DATA), 65),
        (KeyError("id"), 1),
    ),
)
def test_the_exit_code_is_of_the_kind_of_failure(under_meltano, capsys, error, expected):
    code, _ = under_meltano(capsys, error=error)
    assert code == expected


@pytest.mark.parametrize(
    ("errors", "expected"),
    (
        ([RetriableAPIError("down")], 75),
        ([RetriableAPIError("down"), RetriableAPIError("down")], 75),
        ([RetriableAPIError("down"), MalformedResponseError("odd")], 1),
    ),
)
def test_streams_that_failed_by_themselves(under_meltano, capsys, errors, expected):
    """The code is theirs where they failed in one way."""
    failures = Failures()
    failures._errors = {str(number): error for number, error in enumerate(errors)}
    with pytest.raises((RetriableAPIError, TapError)) as ended:
        failures.raise_if_any()
    assert under_meltano(capsys, error=ended.value)[0] == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        (("--nonsense",), "No such option"),
        (("--config=nowhere.json",), "nowhere.json: No such file or directory"),
        (("--state=nowhere.json",), "nowhere.json: No such file or directory"),
        (("--catalog=nowhere.json",), "nowhere.json: No such file or directory"),
    ),
)
def test_what_the_command_is_given_wrongly(under_meltano, capsys, arguments, words):
    code, (record,) = under_meltano(capsys, *arguments)
    assert code == 2
    assert words in record["message"]


def test_a_signal_is_named_and_no_success(under_meltano, capsys):
    code, (record,) = under_meltano(capsys)
    assert code == 128 + signal.SIGTERM
    assert "Stopped by SIGTERM before everything was read." in record["message"]


EXITING_TAP = """
import atexit, os, signal, sys
from pathlib import Path
from singer_sdk import Stream
from signalroom_singer import SignalRoomTap

class RowStream(Stream):
    name, schema = "rows", {"properties": {"id": {"type": "integer"}}}

    def get_records(self, context):
        if "stop" in sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
        yield {"id": 1}

class ExitingTap(SignalRoomTap):
    name = "tap-exiting"
    config_jsonschema = {"properties": {}}

    def discover_streams(self):
        return [RowStream(self)]

def release():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    sys.stderr.write("released\\n")

atexit.register(release)
Path(sys.argv[1]).write_text("{}")
ExitingTap.cli(["--config", sys.argv[1]])
"""


@pytest.mark.parametrize(
    ("name", "code", "last"), (("end", 0, ""), ("stop", 130, "Stopped by SIGINT before"))
)
def test_signals_after_the_end_of_a_run_change_nothing(tmp_path, name, code, last):
    command = [sys.executable, "-c", EXITING_TAP, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    *_, line, released = done.stderr.splitlines()
    assert (done.returncode, released) == (code, "released")
    assert last in line


def test_alone_it_is_readable(monkeypatch, logging_as_it_was, caplog):
    monkeypatch.setattr(FailingTap, "error", click.ClickException("Check the server."))
    result = CliRunner().invoke(FailingTap.cli)
    assert (result.exit_code, result.output) == (1, "Error: Check the server.\n")
    monkeypatch.setattr(FailingTap, "error", TapError("Check the key."))
    assert CliRunner().invoke(FailingTap.cli).exit_code == 1
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "Check the key."
    ]
    assert not caplog.records[-1].exc_info


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that cannot be imported, as where a package is missing."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("LOGLEVEL", raising=False)

    def make(code):
        (tmp_path / "broken_module.py").write_text(code)
        with pytest.raises(SystemExit) as ended:
            executable.run("tap-broken", "broken_module", "Tap")
        return ended.value.code

    return make


IMPORT_ERRORS = {
    "import no_such_package": "ModuleNotFoundError: No module named 'no_such_package'",
    "from json import nothing": "ImportError: cannot import name 'nothing' from 'json'",
    "raise AttributeError('of\\nanother version')": "AttributeError: of another version",
}


@pytest.mark.parametrize(("code", "reason"), IMPORT_ERRORS.items())
def test_a_package_that_is_missing(module, capsys, code, reason):
    assert module(code) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: tap-broken cannot start ({reason}")
    assert "reinstall tap-broken" in line


def test_a_developer_is_shown_where_it_is_missing(module, monkeypatch):
    monkeypatch.setenv("LOGLEVEL", "debug")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        module("import no_such_package")


def test_log_settings_that_cannot_be_read_leave_the_message_plain(module, capsys, monkeypatch):
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", "/no/such/logging.json")
    module("import no_such_package")
    assert capsys.readouterr().err.startswith("Error: tap-broken cannot start (")


def test_a_package_that_is_missing_under_meltano(module, capsys, tmp_path, monkeypatch):
    (path := tmp_path / "logging.json").write_text(json.dumps(STRUCTURED))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    module("import no_such_package")
    record = json.loads(capsys.readouterr().err)
    assert record.keys() >= FIELDS
    assert (record["level"], record["logger_name"]) == ("error", "tap-broken")
    path.write_text("")
    module("import no_such_package")
    assert capsys.readouterr().err.startswith("Error: ")


def test_an_interrupt_while_it_starts(module, capsys):
    assert module("raise KeyboardInterrupt") == 130
    assert capsys.readouterr().err == ""


def test_the_kit_has_all_that_it_lists():
    found = {name for name in signalroom_singer.__all__ if hasattr(signalroom_singer, name)}
    assert found == {*signalroom_singer.__all__}
    assert not hasattr(signalroom_singer, "nothing")
