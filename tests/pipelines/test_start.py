"""What installed programs import when they start, and that they have what an option needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from harness.pipelines import KEY, clean_env

pytestmark = pytest.mark.e2e

TAPS = ("everflow", "gsheets", "mautic", "posthog", "redtrack", "sticky_s3")
#: What no program needs to say what it is.
RARELY_NEEDED = {
    "attr",
    "asyncio",
    "backoff",
    "boto3",
    "botocore",
    "cryptography",
    "fsspec",
    "google",
    "joblib",
    "jsonpath_ng",
    "jsonschema",
    "packaging",
    "paramiko",
    "pyarrow",
    "pyrate_limiter",
    "referencing",
    "requests",
    "sqlalchemy",
    "tenacity",
    "upath",
    "urllib3",
}
#: What a loader needs to load.
FOR_LOADING = {"asyncio", "pyarrow", "sqlalchemy"}
MESSAGES = (
    {
        "type": "SCHEMA",
        "stream": "days",
        "schema": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "clicks": {"type": "integer", "minimum": 0}},
        },
        "key_properties": ["id"],
    },
    {"type": "RECORD", "stream": "days", "record": {"id": 1, "clicks": 2}},
    {"type": "STATE", "value": {"bookmarks": {"days": {}}}},
)
LOADER = "signalroom_target_postgres"


@pytest.fixture
def start(tmp_path):
    def start(module, *arguments, code=0, messages=(), **settings):
        """Run a program to its end; gives what it wrote, and the packages that it imported."""
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", module, *arguments],
            input="".join(f"{json.dumps(message)}\n" for message in messages),
            cwd=tmp_path,
            env=clean_env() | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr[-2000:]
        modules = re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE)
        log = re.sub(r"^import time: .*\n", "", done.stderr, flags=re.MULTILINE)
        return done.stdout + log, {name.partition(".")[0] for name in modules}

    return start


@pytest.mark.parametrize("tap", TAPS)
def test_a_tap_says_what_it_is_without_its_libraries(start, tap):
    printed, packages = start(f"tap_{tap}", "--version")
    assert printed.startswith(f"tap-{tap.replace('_', '-')} v")
    assert "singer_sdk" in packages
    assert not packages & RARELY_NEEDED


def test_a_tap_describes_its_streams_without_its_libraries(start):
    settings = {"TAP_EVERFLOW_API_KEY": KEY}
    printed, packages = start("tap_everflow", "--config=ENV", "--discover", **settings)
    assert '"tap_stream_id":"daily_stats"' in printed
    assert not packages & RARELY_NEEDED


def test_settings_that_are_not_valid_are_explained(start):
    settings = {"TAP_EVERFLOW_API_KEY": KEY, "TAP_EVERFLOW_LOOKBACK_DAYS": "400"}
    printed, packages = start("tap_everflow", "--config=ENV", code=78, **settings)
    assert "Invalid lookback_days (TAP_EVERFLOW_LOOKBACK_DAYS) 400: expected " in printed
    assert "jsonschema" in packages


def test_records_are_loaded_without_what_only_options_need(start, database):
    settings = {"TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url}
    printed, packages = start(LOADER, "--config=ENV", messages=MESSAGES, **settings)
    assert '{"bookmarks": {"days": {}}}' in printed or '{"bookmarks":{"days":{}}}' in printed
    assert database.query("select id, clicks from melty.days") == [{"id": 1, "clicks": 2}]
    assert not packages & (RARELY_NEEDED - FOR_LOADING)


def test_records_are_validated_if_the_settings_ask_for_it(start, database):
    settings = {
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url,
        "TARGET_POSTGRES_VALIDATE_RECORDS": "true",
    }
    wrong = {"type": "RECORD", "stream": "days", "record": {"id": 2, "clicks": -1}}
    messages = (*MESSAGES[:2], wrong)
    printed, packages = start(LOADER, "--config=ENV", code=65, messages=messages, **settings)
    assert "it breaks the schema's `minimum`: 0" in printed
    assert "jsonschema" in packages


def test_a_tunnel_is_opened_if_the_settings_ask_for_it(start, database):
    tunnel = {"enable": True, "host": "h", "username": "u", "private_key": "k"}
    settings = {
        "TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url,
        "TARGET_POSTGRES_SSH_TUNNEL": json.dumps(tunnel),
    }
    printed, packages = start(LOADER, "--config=ENV", code=75, messages=MESSAGES, **settings)
    assert "Cannot open the SSH tunnel by h:22: check `ssh_tunnel.host`" in printed
    assert "paramiko" in packages
