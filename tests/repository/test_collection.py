from __future__ import annotations

import socket

import pytest

#: What a module may do only in a test or a fixture, and how the message begins.
SIDE_EFFECTS = {
    "server": (
        "HTTPServer(('127.0.0.1', 0), BaseHTTPRequestHandler).server_close()",
        "A server was started",
    ),
    "connection": (
        "with socket.socket() as client: client.connect(('127.0.0.1', PORT))",
        "A server was connected to",
    ),
    "address": ("socket.getaddrinfo('localhost', 80)", "The address of a server"),
    "process": ("subprocess.run(['true'])", "A process"),
    "fork": ("os.waitpid(os.fork() or os._exit(0), 0)", "A process"),
    "file": ("pathlib.Path('a.txt').write_text('a')", "A file was written"),
    "descriptor": ("os.close(os.open('a.txt', os.O_CREAT))", "A file was written"),
    "folder": ("tempfile.mkdtemp(dir='.')", "A folder"),
    "removal": ("pathlib.Path('tests.txt').unlink(missing_ok=True)", "A file was removed"),
}
MODULE = """
import os, pathlib, socket, subprocess, tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = {port}
{at_import}

def test_nothing():
    {in_test}
"""


@pytest.fixture
def collect(pytester):
    """Run pytest with a module that does something when it is imported, or in its test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def run(at_import="", in_test="pass"):
            text = MODULE.format(port=port, at_import=at_import, in_test=in_test)
            pytester.makepyfile(text)
            return pytester.runpytest("-p", "harness.collection")

        yield run


@pytest.mark.parametrize(("statement", "message"), SIDE_EFFECTS.values(), ids=SIDE_EFFECTS)
def test_a_module_that_does_more_than_to_declare_tests_is_not_imported(collect, statement, message):
    result = collect(at_import=statement)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(f"*{message}*while tests were collected*do so in a fixture*")


@pytest.mark.parametrize("statement", [code for code, _ in SIDE_EFFECTS.values()], ids=SIDE_EFFECTS)
def test_a_test_may_do_all_of_it(collect, statement):
    collect(in_test=statement).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "statement",
    (
        "pathlib.Path(__file__).read_text()",
        "open(os.devnull, 'w').close()",
        "import platform; platform.processor()",
    ),
)
def test_what_changes_nothing_is_allowed(collect, statement):
    collect(at_import=statement).assert_outcomes(passed=1)
