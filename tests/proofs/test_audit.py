"""`make audit` finds what the database has, and says what it needs where it cannot read one."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.pipelines import ROOT, clean_env

pytestmark = pytest.mark.proof

HINT = "the database could not be read"


@contextmanager
def osv_mirror(vulnerable):
    """Serve the OSV API, as https://google.github.io/osv.dev/post-v1-query/ describes it.

    Args:
        vulnerable: The package that has a vulnerability in each version.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]
            affected = {
                "package": package,
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
            vulnerability = {
                "id": "OSV-0000-1",
                "modified": "2026-01-01T00:00:00Z",
                "affected": [affected],
            }
            body = {"vulns": [vulnerability]} if package["name"] == vulnerable else {}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            """Nothing: it would stand between pytest's lines."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def audit(url):
    """Run the command against a database; gives its exit code and what it printed."""
    done = subprocess.run(
        ["make", "audit", f"OSV={url}"],
        cwd=ROOT,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_vulnerability_fails_the_command():
    with osv_mirror(vulnerable="requests") as url:
        code, output = audit(url)
    assert code
    assert "OSV-0000-1" in output


def test_no_vulnerability_passes():
    with osv_mirror(vulnerable=None) as url:
        code, output = audit(url)
    assert code == 0, output
    assert HINT not in output


def test_a_database_that_cannot_be_reached_is_named_as_what_is_missing():
    code, output = audit("http://127.0.0.1:9/v1/query")
    assert code
    assert HINT in output
