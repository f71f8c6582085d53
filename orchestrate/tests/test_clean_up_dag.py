"""The weekly clean-up."""

from __future__ import annotations

import pytest
from test_dags import dags_of, run


@pytest.mark.parametrize(
    ("params", "options"),
    (
        ({}, ["--days=30"]),
        ({"days": 60, "rejected_days": 90}, ["--days=60", "--rejected-days=90"]),
    ),
)
def test_the_command_runs_in_the_project(project, params, options):
    dag = dags_of("signalroom_clean_up")["signalroom-clean-up"]
    assert (dag.schedule, dag.max_active_runs, dag.catchup) == ("17 3 * * 0", 1, False)
    assert run(dag, **params) == "success"
    assert project.calls() == [["signalroom", "clean-up", *options, str(project.path)]]


def test_a_failure_of_the_command(project):
    project.fail()
    assert run(dags_of("signalroom_clean_up")["signalroom-clean-up"]) == "failed"
