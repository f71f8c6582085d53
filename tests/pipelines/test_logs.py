"""The last words of taps and loader under Meltano: of level error, so that no option hides them."""

from __future__ import annotations

import re

import psycopg
import pytest
from harness.pipelines import BIN

pytestmark = pytest.mark.e2e

LINE = re.compile(r"^\S+ \[error +\] (\S+) +(.*)$", re.MULTILINE)


def last_words(project, tap="tap-everflow", **env):
    """Run a tap into the loader, and fail; gives the errors that taps and loader end with."""
    flags = ("--log-level=warning", "run", "--force")
    output = project.meltano(*flags, tap, "target-postgres", code=1, **env)
    assert "Traceback" not in output
    return [error for error in LINE.findall(output) if error[0] != "meltano"]


@pytest.mark.parametrize(
    ("env", "words"),
    (
        ({"SQLALCHEMY_URL": "postgresql://u:p@127.0.0.1:1/d"}, "Cannot connect to PostgreSQL at"),
        (
            {"SQLALCHEMY_URL": "mysql://u:p@h/d"},
            "`sqlalchemy_url` (TARGET_POSTGRES_SQLALCHEMY_URL) is not a PostgreSQL address",
        ),
        ({"BATCH_SIZE_ROWS": "0"}, "Invalid batch_size_rows (TARGET_POSTGRES_BATCH_SIZE_ROWS) 0: "),
        ({"STREAM_MAPS": '{"offers": {"x": "no_such()"}}'}, "The stream map of offers"),
    ),
)
def test_the_loader_says_why_as_an_error(project, env, words):
    given = {f"TARGET_POSTGRES_{name}": value for name, value in env.items()}
    (error,) = last_words(project, TAP_EVERFLOW__SELECT='["offers.*"]', **given)
    assert error[0] == "target-postgres"
    assert words in error[1]


def test_what_the_server_refuses_is_an_error(project, database):
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute("create schema everflow create view offers as select 1 as x")
    (error,) = last_words(project, TAP_EVERFLOW__SELECT='["offers.*"]')
    assert error[0] == "target-postgres"
    assert "PostgreSQL refused" in error[1]


#: A setting of each tap that can be set to what its vendor, or the tap itself, refuses.
WRONG = {
    "tap-everflow": {"TAP_EVERFLOW_API_KEY": "no-such-key"},
    "tap-gsheets": {"TAP_GSHEETS_API_KEY": "no-such-key"},
    "tap-mautic": {"TAP_MAUTIC_OAUTH_CLIENT_SECRET": "no-such-secret"},
    "tap-posthog": {"TAP_POSTHOG_API_KEY": "phx_no-such-key"},
    "tap-redtrack": {"TAP_REDTRACK_API_KEY": "no-such-key"},
    "tap-sticky-s3": {"TAP_STICKY_S3_BUCKET": "no-such-bucket"},
}


@pytest.mark.parametrize("tap", WRONG)
def test_a_tap_says_why_as_an_error(project, tap):
    errors = last_words(project, tap, **WRONG[tap])
    assert {name for name, _ in errors} == {tap}
    # The README: the last one says what is wrong.
    assert re.search(r"credential|key|bucket|401|403", errors[-1][1])


def test_a_setting_is_the_last_that_a_tap_names(project):
    errors = last_words(project, TAP_EVERFLOW_API_KEY="")
    assert errors[-1][1].startswith("Missing required setting api_key")


@pytest.mark.parametrize("broken", ("tap-everflow", "signalroom-target-postgres"))
def test_a_missing_package_is_an_error(project, broken):
    """Of the environment: the zygote's programs have imported all that they need."""
    (modules := project.folder / "modules").mkdir()
    (modules / "msgspec.py").write_text("raise ModuleNotFoundError('No module named msgspec')")
    (programs := project.folder / "programs").mkdir()
    (made := programs / broken).write_text(
        f'#!/bin/sh\nPYTHONPATH={modules} exec {BIN}/{made.name} "$@"\n'
    )
    made.chmod(0o755)
    project.env["PATH"] = f"{programs}:{project.env['PATH']}"
    errors = last_words(project, TAP_EVERFLOW__SELECT='["offers.*"]')
    plugin = broken.removeprefix("signalroom-")
    assert [error for name, error in errors if name == plugin and f"{broken} cannot start" in error]
