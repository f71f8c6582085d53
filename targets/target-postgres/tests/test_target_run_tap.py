"""`signalroom-run-tap`: a tap's output, and what it adds when the tap has ended well."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.run_tap.tap_streams import TapStreams

RUN_TAP = [sys.executable, "-m", "signalroom_target_postgres.run_tap.command"]
ORDERS = schema({"id": "integer"})
OTHERS = schema({"id": "integer"}, stream="others")
INCREMENTAL = OTHERS | {"bookmark_properties": ["id"]}


def saved(**bookmarks):
    return state(bookmarks=bookmarks)


def complete(*messages, chosen=None, arguments=(), at_once=None):
    """The streams that are complete after these messages, read in parts of a size."""
    streams = TapStreams(arguments)
    data = lines(*messages).encode()
    size = at_once or len(data)
    for first in range(0, len(data), size):
        streams.read(data[first : first + size])
    streams.end()
    return streams.complete(chosen)[0]


class TestWhichStreamsAreComplete:
    @pytest.mark.parametrize("at_once", (None, 1, 7, 100))
    def test_all_where_none_is_incremental(self, at_once):
        messages = ORDERS, activate(1), record(id=1), OTHERS, state(bookmarks={"orders": {}})
        assert complete(*messages, at_once=at_once) == ["orders", "others"]

    @pytest.mark.parametrize(
        "messages",
        (
            (ORDERS, INCREMENTAL),
            (ORDERS, OTHERS, saved(others={"replication_key_value": 1})),
            (ORDERS, OTHERS, saved(others="2026-01-31")),
            (ORDERS, OTHERS, saved(others={"updated_at": "2026-01-31"})),
            (ORDERS, OTHERS, saved(others={"partitions": [{"context": {}, "at": 1}]})),
            (ORDERS, OTHERS, saved(others={"last_replication_method": "LOG_BASED"})),
            # Of a parent that is not selected, or of a tap that does as it likes.
            (ORDERS, OTHERS, saved(parents={"replication_key_value": 1})),
            (ORDERS, OTHERS, state(last_run="2026-01-31")),
            (
                ORDERS,
                OTHERS,
                json.dumps(state(others=1)).replace('"type": "STATE", ', "")[:-1]
                + ', "type": "STATE"}',
            ),
        ),
    )
    def test_none_where_one_may_be_incremental(self, messages):
        """Its child streams come in part, and look as if they were whole."""
        assert complete(*messages) == []

    @pytest.mark.parametrize(
        "value",
        (
            {},
            {"version": 1},
            {"version": 1, "xmin": None, "last_replication_method": "FULL_TABLE"},
            {"partitions": [{"context": {"id": 1}}]},
            {"starting_replication_value": None},
        ),
    )
    def test_what_a_state_may_say_of_a_full_table(self, value):
        assert complete(ORDERS, saved(orders=value), state(currently_syncing="x")) == ["orders"]
        assert complete(ORDERS, saved(orders=value)) == ["orders"]

    def test_the_last_state_counts(self):
        """PipelineWise's taps keep where they are in a full table, and forget it in the end."""
        assert complete(ORDERS, saved(orders={"xmin": 5}), saved(orders={"xmin": None})) == [
            "orders"
        ]

    @pytest.mark.parametrize("option", ("--state={}", "--state {}", "-s {}"))
    def test_a_run_that_goes_on_from_a_state_is_not_whole(self, tmp_path, option):
        path = tmp_path / "state.json"
        path.write_text(json.dumps({"bookmarks": {"orders": {"last_pk_fetched": 5}}}))
        arguments = option.format(path).split()
        assert complete(ORDERS, saved(orders={}), arguments=arguments) == []

    @pytest.mark.parametrize(
        ("method", "found"), (("FULL_TABLE", ["others"]), ("INCREMENTAL", []), (None, []))
    )
    def test_the_catalog_counts_more_than_a_replication_key(self, tmp_path, method, found):
        """An SDK tap names it in the SCHEMA also where it is not to be used."""
        path = tmp_path / "catalog.json"
        entry = {"tap_stream_id": "others", "stream": "others", "metadata": []}
        if method:
            about = {"replication-method": method}
            entry["metadata"] = [{"breadcrumb": [], "metadata": about}]
        path.write_text(json.dumps({"streams": [entry]}))
        assert complete(INCREMENTAL, arguments=["--catalog", str(path)]) == found

    @pytest.mark.parametrize(
        "entry",
        (
            {"replication_key": "updated_at"},
            {"metadata": [{"breadcrumb": [], "metadata": {"replication-key": "updated_at"}}]},
        ),
    )
    def test_a_catalog_with_a_replication_key_and_no_method(self, tmp_path, entry):
        """The SDK reads such a stream incrementally."""
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps({"streams": [{"stream": "orders", **entry}]}))
        assert complete(ORDERS, arguments=["--catalog", str(path)]) == []

    def test_those_that_the_user_names(self):
        chosen = ["orders", "others", "unknown"]
        assert complete(ORDERS, INCREMENTAL, chosen=chosen) == ["orders"]
        assert complete(ORDERS, OTHERS, chosen=["others"]) == ["others"]

    def test_words_in_records_are_none_of_messages(self):
        texts = {"type": "STATE", "value": {"a": 1}, "a": '{"type": "SCHEMA"}', "b": "SCHEMA"}
        one = record(**texts)
        turned = dict(reversed(one.items()))
        assert complete(ORDERS, one, turned, "[" * 20000, '"SCHEMA"', "{") == ["orders"]

    def test_the_version_is_the_taps_own(self):
        streams = TapStreams()
        streams.read(lines(ORDERS, activate(5), record(id=1), OTHERS).encode())
        assert streams.versions == {"orders": 5}


@pytest.fixture
def tap(tmp_path):
    """A tap that writes a text and ends with a code."""

    def make(text, then="0", before=""):
        path = tmp_path / "tap.py"
        path.write_text(
            f"import os, signal, sys, time\n{before}\nsys.stdout.write({text!r})\n"
            f"sys.stdout.flush()\nsys.exit({then})\n"
        )
        return [*RUN_TAP, sys.executable, str(path)]

    return make


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestTheProgram:
    def test_a_tap_that_ends_well(self, tap):
        text = lines(ORDERS, activate(5), record(id=1), OTHERS, state(a=None))
        began = time.time_ns()
        done = run(tap(text.rstrip()))
        added = done.stdout.removeprefix(text).splitlines()
        own, made = map(json.loads, added)
        assert own == activate(5) | {"x-complete": True}
        assert made["stream"] == "others"
        # Milliseconds, as the SDK's versions are.
        assert began // 10**6 <= made["version"] <= time.time_ns() // 10**6
        assert (done.returncode, done.stderr) == (
            0,
            "signalroom-run-tap: Read in full: orders, others\n",
        )

    @pytest.mark.parametrize(
        ("then", "code"), (("3", 3), ("os.kill(os.getpid(), signal.SIGKILL)", 137))
    )
    def test_a_tap_that_dies(self, tap, then, code):
        text = lines(ORDERS, record(id=1))
        done = run(tap(text, then))
        assert (done.stdout, done.returncode) == (text, code)

    @pytest.mark.parametrize("option", ("--discover", "--about", "--test=schema", "--help"))
    def test_what_is_no_sync(self, tap, option):
        text = lines(ORDERS)
        done = run([*tap(text), option])
        assert (done.stdout, done.stderr, done.returncode) == (text, "", 0)

    @pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
    @pytest.mark.parametrize("code", (7, 0))
    def test_signals_reach_the_tap(self, tap, number, code):
        """Nothing is complete then, even if the tap says that all is well."""
        caught = f"signal.signal({int(number)}, lambda *_: sys.exit({code}))"
        command = tap(lines(ORDERS), "time.sleep(60)", before=caught)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == lines(ORDERS)
            process.send_signal(number)
            assert process.stdout.read() == ""
            assert process.wait() == code

    def test_a_loader_that_has_gone(self, tap):
        with subprocess.Popen(
            tap("x" * 10_000_000), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            process.stdout.close()
            assert process.wait() != 0

    def test_a_tap_that_is_not_there(self):
        done = run([*RUN_TAP, "no-such-tap"])
        assert done.returncode == 127
        assert "no-such-tap cannot be run: No such file or directory" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("arguments", ((), ("--discover",)))
    def test_a_script_without_its_first_line(self, tmp_path, arguments):
        script = tmp_path / "run-tap-shop"
        script.write_text("exec tap-shop")
        script.chmod(0o755)
        done = run([*RUN_TAP, str(script), *arguments])
        assert done.returncode == 126
        assert "begins with a line such as #!/bin/sh" in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_tap(self):
        done = run(RUN_TAP)
        assert done.returncode == 2
        assert "name the tap to run" in done.stderr
