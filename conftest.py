"""What tests of several packages share."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, settings

from signalroom_sandbox.server import SandboxServer
from signalroom_singer.privacy import redaction
from signalroom_singer.settings.variables import Naming, use_naming

ROOT = Path(__file__).parent
# pytest rewrites the assertions of 460 modules, and keeps the result beside them: collecting the
# tests takes 7 CPU seconds instead of 17. PYTHONDONTWRITEBYTECODE, as in many containers, prevents
# it; what tests start writes bytecode in any case (`clean_env`).
sys.dont_write_bytecode = False
# Modules that tests of one package share, and the root for `tools`.
sys.path += [str(ROOT), str(ROOT / "tests"), *map(str, sorted(ROOT.glob("*/*/tests")))]

#: Fails the test whose output has a secret, wherever the test is; `pytester` tests it. It also has
#: the fixture `sync`.
pytest_plugins = [
    "signalroom_singer.testing.plugin",
    "harness.leaks",
    "harness.costs",
    "harness.collection",
    "harness.lanes",
    "harness.midnight",
    "pytester",
]

# On a machine with much else to do an example may take any time.
settings.register_profile("signalroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("signalroom")


def pytest_collection_finish():
    """Let garbage be looked for in what tests make: not again and again in all that is imported.

    The tests of tap-everflow take a quarter less.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


#: Tests between two collections of all garbage. Taps and their streams refer to each other, with
#: all that they have read: without it a worker held 5 GB after 6,000 tests, with it 0.5 GB.
_TESTS_PER_COLLECTION = 50
_tests_done = itertools.count(1)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """Collect what tests have left, now and then: by itself Python looks at the oldest too late.

    What is left then belongs to the session, as the sandbox's data does. Looking through it again
    and again took 0.6 CPU seconds each time.
    """
    if next(_tests_done) % _TESTS_PER_COLLECTION == 0:
        gc.collect()
        gc.freeze()


def pytest_sessionfinish():
    """Let all of it go at the end: extension modules call what stays a leak."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _own_variables():
    """Which variables messages name is the process's, and so of the test that ran a command."""
    use_naming(Naming())


@pytest.fixture(autouse=True)
def _own_secrets():
    """Let each test mask its own secrets alone: a fuzzed token may be a part of another's data."""
    lists = (redaction._secrets, redaction._base64_parts)  # noqa: SLF001 - nothing undoes `protect`
    before = [[*one] for one in lists]
    yield
    for one, known in zip(lists, before, strict=True):
        one[:] = known


@pytest.fixture(autouse=True)
def _own_logging():
    """Take back what commands do to loggers.

    The SDK adds a handler whenever the command of a plugin is made, as in `TapMautic.cli`: after
    6,000 tests each line was written 146 times (singer-sdk 0.54.9, ``_logging.py``).
    `signalroom` raises the level of the loader that it makes.
    """
    root, loader = logging.getLogger(), logging.getLogger("target-postgres")
    handlers, levels = [*root.handlers], (root.level, loader.level)
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, loader), levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def sandbox_server():
    """One sandbox for all tests of a worker."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server):
    """The sandbox as new, with limits that no test meets by accident."""
    sandbox_server.control.reset()
    sandbox_server.control.everflow.limits(per_second=10_000, burst=10_000)
    return sandbox_server


@pytest.fixture(scope="session")
def zygote():
    """Starts Meltano, taps and loader at once."""
    # They import Meltano and all taps, which the tests of one package need not wait for.
    from harness.pipelines import clean_env  # noqa: PLC0415
    from harness.programs import Zygote  # noqa: PLC0415

    with Zygote(clean_env()) as started:
        yield started


@pytest.fixture
def https_server(tmp_path, monkeypatch):
    """Serve one answer over TLS with a certificate that nobody else signed.

    ``https_server({...})`` gives its address and the certificate's path.
    """
    monkeypatch.setenv("NO_PROXY", "localhost")
    servers = []

    def serve(answer):
        certificate = self_signed(tmp_path)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(answer))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"https://localhost:{server.server_port}", certificate

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def self_signed(folder):
    """A certificate of localhost with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def _answering(answer):
    body = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as the server looks for it

        def log_message(self, *_):
            """Nothing: it would stand between the tests' own lines."""

    return Handler
