"""What is small when it is sent and large when it is unpacked ends in an error, not in memory."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from harness.hostile_servers import NAMES, addresses_of, environment, serving
from harness.programs.zygote import TAPS

pytestmark = pytest.mark.e2e

MIB = 1 << 20
#: What a tap needs anyway, and twice what it reads of an answer at most.
MOST = (256 + 2 * 512) * MIB
#: Files are read bit by bit: what the largest cell takes, of lines as short as they can be.
OF_FILES = 768 * MIB


def gzip_of(part, times):
    """Gzip of a text that is repeated: a member for each."""
    return gzip.compress(part, 1) * times


@contextmanager
def answering(body, **headers):
    """A server with one answer to everything; gives its address."""

    def answer(handler):
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        try:
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # it was not read to its end

    with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"


#: The kernel's own count of a child's memory has that of the process that forked it.
_TAP = """
import atexit, pathlib, sys
from {module} import {name}
tell = lambda: pathlib.Path(sys.argv[1]).write_bytes(pathlib.Path("/proc/self/status").read_bytes())
atexit.register(tell)
{name}.cli(["--config=ENV"])
"""


@pytest.fixture
def measured(sandbox, tmp_path):
    """Run a tap; gives its exit code, what it logged, and the most memory it had, in bytes."""

    def run(tap, **changes):
        env = environment(tap, sandbox=sandbox, folder=tmp_path, **changes)
        (kind,) = [one for one in TAPS if one.name == tap]
        code = _TAP.format(module=kind.__module__, name=kind.__name__)
        status = tmp_path / "status"
        done = subprocess.run(
            [sys.executable, "-c", code, status],
            check=False,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return done.returncode, done.stderr, int(peak) * 1024

    return run


@pytest.mark.parametrize("tap", [name for name in NAMES if name != "tap-sticky-s3"])
def test_an_answer_that_unpacks_to_gigabytes(measured, tap):
    # Of 4 GiB: JSON that means nothing before its end.
    blanks = gzip_of(b" " * 64 * MIB, 64)
    assert len(blanks) < 32 * MIB
    with answering(blanks, content_encoding="gzip", content_type="application/json") as url:
        signing_in = {"api_key": "a", "credentials_json": ""} if tap == "tap-gsheets" else {}
        code, said, memory = measured(tap, **addresses_of(tap, url), **signing_in)
    assert code == 75
    assert "more than 512 MiB" in said or "ResponseTooLargeError" in said, said[-2000:]
    assert memory < MOST


#: Of 2 GiB: a cell and a header without end, a quote that is never closed; and many columns.
#: As what is repeated begins, what of it is repeated in each part, how often, and how many parts.
FILES = {
    "a cell": (b"a,b\n1,", b"x", 64 * MIB, 32, "a line is longer than 64 MiB"),
    "a header": (b"", b"a", 64 * MIB, 32, "a line is longer than 64 MiB"),
    "a quote": (b'a,b\n1,"', b"x\n", 32 * MIB, 32, "(b) is longer than 10 MiB"),
    "columns": (b"a", b",a", 300_000, 1, "its header has 300001 columns"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_unpacks_to_gigabytes(measured, sandbox, kind):
    begin, repeated, times, parts, complaint = FILES[kind]
    content = gzip_of(begin + repeated * times, parts)
    sandbox.control.s3.clear()
    sandbox.control.s3.put("orders-create/report_2026-03-01T0600_x.csv.gz", content)
    code, said, memory = measured("tap-sticky-s3", start_date="")
    assert code == 65
    assert "orders-create/report_2026-03-01T0600_x.csv.gz" in said
    assert complaint in said
    assert memory < OF_FILES
