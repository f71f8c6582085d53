"""`signalroom test`: names what is not set, and reads one record per stream."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(project):
    folder = ("--folder", str(project.folder / "clients"))
    printed = project.run("signalroom", "new-client", "acme", "--sources=everflow", *folder)
    assert "signalroom test tap-everflow--acme" in printed
    return "tap-everflow--acme"


def test_a_variable_that_is_not_set_is_named(project, client):
    printed = project.run("signalroom", "test", client, code=1)
    assert printed == (
        f"{client}: not configured (ACME_EVERFLOW_API_KEY is not set). Set what is missing in "
        ".env.\n"
    )


def test_with_all_of_them_it_reads_a_record_per_stream(project, client):
    key = {"ACME_EVERFLOW_API_KEY": project.env["TAP_EVERFLOW_API_KEY"]}
    printed = project.run("signalroom", "test", client, **key)
    assert "daily_stats: ok" in printed
    assert "Connection test passed" in printed
    # Each tap is tried, and one that fails makes the command fail.
    printed = project.run("signalroom", "test", client, "tap-redtrack", code=1)
    assert "daily_spend: ok" in printed


def test_a_tap_that_is_not_there(project):
    printed = project.run("signalroom", "test", "tap-everflo", code=2)
    assert printed.startswith("There is no tap-everflo; there are tap-everflow, ")
