from __future__ import annotations

SERVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer

{where}

def test_nothing():
    pass
"""
AT_IMPORT = "server = HTTPServer(('127.0.0.1', 0), BaseHTTPRequestHandler)\nserver.server_close()"
IN_A_TEST = """
def test_server():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        assert server.server_port
"""


def test_a_server_that_is_started_by_an_import_fails(pytester):
    pytester.makepyfile(SERVER.format(where=AT_IMPORT))
    result = pytester.runpytest("-p", "harness.collection")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*start it in a fixture*")


def test_a_server_of_a_test_starts(pytester):
    pytester.makepyfile(SERVER.format(where=IN_A_TEST))
    pytester.runpytest("-p", "harness.collection").assert_outcomes(passed=2)
