"""What a loader that fails does to the tap of its run, and the tap about it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from kit_vendor import STRUCTURED, RowTap

from signalroom_singer.cli import loader_failure
from signalroom_singer.cli.command import LoaderFailedError


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """The folder of a run of Meltano's."""
    folder = tmp_path / ".meltano" / "run"
    path = folder / "tap-rows" / "tap.singer_sdk_logging.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(STRUCTURED))
    monkeypatch.setenv("SINGER_SDK_LOG_CONFIG", str(path))
    monkeypatch.setenv("MELTANO_PARENT_CONTEXT_UUID", "01a22bb0-460c")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def pipe():
    """What the loader reads, and what Meltano writes to."""
    reader, writer = os.pipe()
    yield reader, writer
    for one in (reader, writer):
        with suppress(OSError):
            os.close(one)


@pytest.mark.parametrize(
    ("variable", "value"),
    (
        ("SINGER_SDK_LOG_CONFIG", ""),
        ("SINGER_SDK_LOG_CONFIG", "/etc/logging.yaml"),
        ("SINGER_SDK_LOG_CONFIG", "/etc/mine.singer_sdk_logging.json"),
        ("MELTANO_PARENT_CONTEXT_UUID", ""),
        ("MELTANO_PARENT_CONTEXT_UUID", "../../x"),
    ),
)
def test_without_meltano_there_is_nobody_to_stop(run_folder, monkeypatch, pipe, variable, value):
    monkeypatch.setenv(variable, value)
    assert loader_failure.note_path() is None
    # Nothing is read: it returns though nothing comes, and nothing ends.
    loader_failure.stop_tap(descriptor=pipe[0])
    assert not loader_failure.has_failed()


def test_the_loader_reads_on_until_the_tap_has_stopped(run_folder, pipe):
    reader, writer = pipe
    seen = []

    def tap():
        line = b"x" * 9999 + b"\n"
        while not loader_failure.has_failed():
            os.write(writer, line)
        seen.append([one.name for one in run_folder.glob("loader-failed-*")])
        os.write(writer, line * 50)
        os.close(writer)

    thread = threading.Thread(target=tap)
    thread.start()
    loader_failure.stop_tap(descriptor=reader)
    thread.join()
    assert seen == [["loader-failed-01a22bb0-460c"]]
    assert [*run_folder.glob("loader-failed-*")] == []


def test_a_tap_that_takes_no_notice_is_not_waited_for_without_end(run_folder, pipe):
    times = iter([0.0, 1.0, 29.9, 30.1])
    loader_failure.stop_tap(clock=lambda: next(times), descriptor=pipe[0])
    assert [*times] == []
    assert not loader_failure.has_failed()


TAP = """
import os, sys, time
for _ in range(600):
    sys.stdout.write("x\\n")
    sys.stdout.flush()
    time.sleep(0.1)
"""
LOADER = """
import sys
from signalroom_singer.cli import loader_failure
loader_failure._UNNOTICED = 0.2
loader_failure.stop_tap()
"""
#: Starts a tap and a loader, as Meltano does; gives how they ended. Another run goes on.
RUN = """
import os, subprocess, sys
tap, loader = sys.argv[1:]
other = {**os.environ, "MELTANO_PARENT_CONTEXT_UUID": "another"}
start = lambda code, **options: subprocess.Popen([sys.executable, "-c", code], **options)
others = start(tap, stdout=subprocess.DEVNULL, env=other)
reading = start(tap, stdout=subprocess.PIPE)
loading = start(loader, stdin=reading.stdout)
reading.stdout.close()
print(loading.wait(), reading.wait(), others.poll())
others.kill()
others.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_a_tap_that_takes_no_notice_is_ended(run_folder):
    done = subprocess.run(
        [sys.executable, "-c", RUN, TAP, LOADER], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", str(-signal.SIGTERM), "None"]


def test_a_file_or_a_terminal_is_not_read_to_its_end(run_folder, tmp_path):
    (tmp_path / "messages").write_bytes(b"x\n" * 10)
    with (tmp_path / "messages").open("rb") as file:
        loader_failure.stop_tap(descriptor=file.fileno())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0


def test_a_socket_that_was_reset_has_ended(run_folder):
    ours, theirs = socket.socketpair()
    with ours:
        ours.send(b"nobody reads this")
        theirs.close()
        loader_failure.stop_tap(descriptor=ours.fileno())
    assert [*run_folder.glob("loader-failed-*")] == []


def test_an_input_that_is_closed_has_no_tap(run_folder, pipe):
    os.close(pipe[0])
    loader_failure.stop_tap(descriptor=pipe[0])
    assert [*run_folder.glob("loader-failed-*")] == []


@pytest.mark.parametrize("has_log_settings", (True, False))
def test_the_note_of_an_earlier_run_does_not_count(run_folder, has_log_settings):
    if not has_log_settings:
        (run_folder / "tap-rows" / "tap.singer_sdk_logging.json").unlink()
    note = loader_failure.note_path()
    note.touch()
    assert loader_failure.has_failed()
    os.utime(note, (1, 1))
    assert not loader_failure.has_failed()


def test_a_folder_that_cannot_be_written_to_does_no_harm(run_folder, pipe, monkeypatch):
    monkeypatch.setattr("pathlib.Path.touch", _refused)
    os.close(pipe[1])
    loader_failure.stop_tap(descriptor=pipe[0])


def _refused(*_, **__):
    raise PermissionError


class StoppedTap(RowTap):
    name = "tap-stopped"

    def sync_all(self):
        loader_failure.note_path().touch()
        threading.Event().wait()


def test_a_tap_stops_with_a_word_and_without_an_error(run_folder, logging_as_it_was, capsys):
    with pytest.raises(SystemExit) as ended:
        StoppedTap.cli([])
    assert ended.value.code == 0
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one for one in records if one["level"] != "info"] == []


def test_a_signal_that_somebody_else_sends_is_one_as_before(run_folder, logging_as_it_was):
    tap = StoppedTap()
    with pytest.raises(SystemExit) as ended:
        tap._handle_termination(signal.SIGTERM, None)
    assert ended.value.code == 128 + signal.SIGTERM
    loader_failure.note_path().touch()
    with pytest.raises(LoaderFailedError):
        tap._handle_termination(signal.SIGTERM, None)
