"""Credentials go to the vendor alone: over TLS that is checked, and never on to another host."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import partial

import pytest
from harness.chaos.sources import SOURCES
from harness.hostile_servers import ADDRESSES, NAMES, addresses_of, environment, serving

from signalroom_singer import validate_base_url

pytestmark = pytest.mark.e2e

#: What lets a tap trust a certificate that is not in the system's store.
OWN_CERTIFICATE = {"tap-sticky-s3": "AWS_CA_BUNDLE"}
ELSEWHERE = (
    "http://example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://10.0.0.1:9000",
    "http://169.254.169.254",
    "http://0.0.0.0",
)
NO_ADDRESSES = (
    "http://localhost@example.com",
    "http://127.0.0.1\\@example.com",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "http://",
)


@pytest.fixture
def settings(sandbox, tmp_path):
    return partial(environment, sandbox=sandbox, folder=tmp_path)


@pytest.fixture
def run(zygote, tmp_path):
    """Run a tap; gives its exit code, and what it printed and logged."""

    def to_its_end(tap, env):
        return zygote.run(tap, "--config=ENV", folder=tmp_path, env=env)

    return to_its_end


@contextmanager
def stranger():
    """A server to which nobody should come; gives its address, and what it was asked."""
    asked = []

    def answer(handler):
        asked.append((handler.path, dict(handler.headers)))
        handler.send_response(200)
        handler.end_headers()

    with serving(answer) as port:
        # By another name than the sandbox's.
        yield f"http://localhost:{port}", asked


def test_all_taps_are_here():
    assert {tap for tap, _ in ADDRESSES} == {source.tap for source in SOURCES.values()}


@pytest.mark.parametrize(("tap", "setting"), ADDRESSES)
def test_plain_http_is_for_this_machine_alone(run, settings, tap, setting):
    if tap == "tap-gsheets" and setting == "oauth_token_uri":
        signing_in = {"oauth_client_id": "a", "oauth_client_secret": "b", "credentials_json": ""}
    else:
        signing_in = {}
    env = settings(tap, **signing_in, oauth_refresh_token="c", **{setting: ELSEWHERE[0]})
    code, said = run(tap, env)
    assert code != 0
    assert f"Invalid {setting} " in said
    assert "it would send your credentials unencrypted. Use https://" in said


@pytest.mark.parametrize("url", (*ELSEWHERE, *NO_ADDRESSES))
def test_what_is_no_loopback_address_is_not_taken_for_one(url):
    with pytest.raises(Exception, match="unencrypted" if url in ELSEWHERE else "Invalid api_url"):
        validate_base_url(url, setting="api_url")


@pytest.mark.parametrize("tap", NAMES)
@pytest.mark.parametrize("trusted", (False, True))
def test_a_certificate_that_nobody_vouches_for_is_refused(
    run, settings, https_server, tap, trusted
):
    url, certificate = https_server({})
    env = settings(tap, **addresses_of(tap, url))
    if tap == "tap-gsheets":
        key = json.loads(env["TAP_GSHEETS_CREDENTIALS_JSON"]) | {"token_uri": f"{url}/token"}
        env["TAP_GSHEETS_CREDENTIALS_JSON"] = json.dumps(key)
    if trusted:
        env[OWN_CERTIFICATE.get(tap, "REQUESTS_CA_BUNDLE")] = str(certificate)
    code, said = run(tap, env | {"NO_PROXY": "localhost"})
    # It answers, but not as the vendor does.
    assert code != 0
    assert ("certificate" in said) is not trusted
    if not trusted:
        assert re.search(r"_CA_BUNDLE|ca_bundle", said), said[-2000:]


ALL, BUT_TOKENS = "", "^(?!.*token)"
SIGNING_IN = ("tap-gsheets", "tap-mautic")


@pytest.mark.parametrize(
    ("tap", "which"),
    (*((tap, ALL) for tap in NAMES), *((tap, BUT_TOKENS) for tap in SIGNING_IN)),
)
def test_no_redirect_is_followed(run, settings, sandbox, tap, which):
    vendor = next(source.vendor for source in SOURCES.values() if source.tap == tap)
    with stranger() as (elsewhere, asked):
        sandbox.control.fault("redirect", vendor=vendor, match=which, times=99, location=elsewhere)
        code, said = run(tap, settings(tap))
    assert code != 0
    assert asked == []
    assert re.search(r"(redirected|answered 302,) to http://localhost:\d+", said), said[-2000:]
