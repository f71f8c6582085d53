"""State that workers share: a run on one machine goes on where one on another ended."""

from __future__ import annotations

import pytest
from harness.pipelines import new_database, new_project

pytestmark = pytest.mark.e2e

DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-01", "TAP_EVERFLOW_LOOKBACK_DAYS": "2"}
STATE_ID = "dev:tap-everflow-to-target-postgres"


@pytest.fixture(params=("postgres", "s3"))
def shared(request, postgres, sandbox):
    """What tells Meltano where the state is."""
    if request.param == "s3":
        yield {
            "MELTANO_STATE_BACKEND_URI": f"s3://{sandbox.bucket}/meltano-state",
            "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": sandbox.s3_url,
            "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": sandbox.dotenv[
                "TAP_STICKY_S3_AWS_ACCESS_KEY_ID"
            ],
            "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": sandbox.dotenv[
                "TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY"
            ],
        }
        return
    with new_database(postgres) as system:
        yield {"MELTANO_DATABASE_URI": system.sqlalchemy_url}


@pytest.fixture
def machine(tmp_path, meltano_template, sandbox, database, shared, zygote):
    """A new project directory, which has nothing but what is shared."""

    def new(name):
        project = new_project(tmp_path / name, meltano_template, sandbox, database, zygote.bin)
        project.env |= shared
        return project

    return new


def days(sandbox):
    """The days that Everflow was asked for, since they were last looked at."""
    asked = [
        one["body"] for one in sandbox.control.requests()["requests"] if "entity" in one["path"]
    ]
    sandbox.control.clear_requests()
    return "".join(asked)


def test_another_machine_goes_on(machine, sandbox, database):
    machine("one").load("daily_stats", **DAYS, TAP_EVERFLOW_END_DATE="2026-01-10")
    first = database.contents("everflow.daily_stats")
    assert "2026-01-01" in days(sandbox)
    two = machine("two")
    two.load("daily_stats", **DAYS, TAP_EVERFLOW_END_DATE="2026-01-12")
    asked = days(sandbox)
    assert "2026-01-01" not in asked
    assert "2026-01-12" in asked
    assert len(database.contents("everflow.daily_stats")) > len(first)
    (found,) = database.query(
        "select count(distinct date)::int as days, min(date)::text as first,"
        " max(date)::text as last from everflow.daily_stats"
    )
    assert found == {"days": 12, "first": "2026-01-01", "last": "2026-01-12"}
    # And what operators do with it.
    assert STATE_ID in two.meltano("state", "list")
    assert '"2026-01-12"' in two.meltano("state", "get", STATE_ID)
    two.meltano("state", "clear", "--force", STATE_ID)
    assert STATE_ID not in machine("three").meltano("state", "list", "--pattern", "dev:*")
