"""No output of any part has a secret, whatever goes wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from harness.pipelines import KEY

from signalroom_sandbox.everflow import LIMITED_KEY
from signalroom_singer import ExitCode

pytestmark = pytest.mark.e2e

#: Over in the zone of the account too, which is behind UTC.
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
FAULTS = {
    "echo_key": {},
    "http_401": {},
    "http_403": {},
    "http_429": {"retry_after": "0"},
    "http_503": {},
    "html_200": {},
    "null_200": {},
    "error_200": {},
    "truncated_json": {},
    "cut_body": {},
    "connection_reset": {},
    "redirect": {},
    "timeout": {"seconds": 3},
}
#: What the tap ends with, where it is not 75: a retry would be in vain.
CODES = {
    "http_401": ExitCode.PERMISSION,
    "http_403": ExitCode.PERMISSION,
    "redirect": ExitCode.CONFIGURATION,
}
#: The tap alone says more than Meltano shows; one of each kind goes through Meltano as well.
THROUGH_MELTANO = ("echo_key", "connection_reset")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_key_is_in_no_output(project, sandbox, fault):
    sandbox.control.fault(fault, times=99, match="networks/offers", **FAULTS[fault])
    env = {
        "TAP_EVERFLOW_START_DATE": YESTERDAY.isoformat(),
        "TAP_EVERFLOW_MAX_TRIES": "2",
        "TAP_EVERFLOW_MAX_RETRY_WAIT": "0",
        "TAP_EVERFLOW_REQUEST_TIMEOUT": "1",
        "LOGLEVEL": "DEBUG",
    }
    code = CODES.get(fault, ExitCode.UNAVAILABLE)
    output = project.run("tap-everflow", "--config=ENV", code=code, **env)
    if fault in THROUGH_MELTANO:
        flags = ("--log-level=debug", "run", "--force", "tap-everflow", "target-postgres")
        env["TAP_EVERFLOW__SELECT"] = '["offers.*"]'
        output += project.meltano(*flags, code=1, **env)
    assert "offers: GET /networks/offers" in output
    assert KEY not in output


def test_the_databases_password_is_in_no_output(project):
    url = "postgresql+psycopg://loader:t0p-s3cret@127.0.0.1:9/nowhere"
    output = project.load("timezones", code=1, TARGET_POSTGRES_SQLALCHEMY_URL=url)
    assert "Cannot connect to PostgreSQL at 127.0.0.1:9" in output
    assert "t0p-s3cret" not in output


def test_state_and_listed_settings_have_no_secret(project):
    # Not the sandbox's usual key: that one stands in meltano.yml for everybody to read.
    project.env["TAP_EVERFLOW_API_KEY"] = LIMITED_KEY
    project.load("timezones", "daily_stats")
    state_id = "dev:tap-everflow-to-target-postgres"
    for command in (
        ("state", "get", state_id),
        ("config", "list", "--all", "tap-everflow"),
        ("config", "list", "--all", "target-postgres"),
        ("compile",),
    ):
        assert LIMITED_KEY not in project.meltano(*command)
    left = [path for path in (project.folder / ".meltano").rglob("*.json") if path.is_file()]
    assert not [path for path in left if LIMITED_KEY in path.read_text(errors="replace")]
