"""The list of schedules that Airflow's DAGs are made from, and what in it cannot be run."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module

import pytest
from harness.pipelines import ROOT

from signalroom_cli import schedules

PROJECT = """
default_environment: dev
project_id: 0b3b5f0e-0000-4000-8000-000000000000
environments:
- name: dev
include_paths:
- clients/*.yml
plugins:
  extractors:
  - {name: tap-everflow, namespace: tap_everflow, executable: tap-everflow}
  - {name: tap-redtrack, namespace: tap_redtrack, executable: tap-redtrack}
  mappers:
  - name: meltano-map-transformer
    namespace: meltano_map_transformer
    executable: meltano-map-transform
    mappings:
    - {name: hide-emails, config: {stream_maps: {}}}
  loaders:
  - {name: target-postgres, namespace: target_postgres, executable: target-postgres}
  - {name: target-jsonl, namespace: target_jsonl, executable: target-jsonl}
  utilities:
  - name: dbt-postgres
    namespace: dbt_postgres
    executable: dbt
    commands: {run: run, test: {args: test}}
"""
CLIENT = """
plugins:
  extractors:
  - {name: tap-everflow--acme, inherit_from: tap-everflow}
  - {name: eu-sales, inherit_from: tap-everflow--acme}
jobs:
- {name: acme, tasks: [tap-everflow--acme target-postgres]}
schedules:
- {name: acme hourly, interval: "@hourly", job: acme}
"""
_LOADED = {"name": "tap-everflow", "source": "everflow", "client": ""}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder."""
    (tmp_path / "clients").mkdir()
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)
    # The command names the project in its own environment.
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def listing(project, capsys):
    """Lists a project with a schedule for each job: the exit code, the list, and what was said."""

    def run(*jobs, more=()):
        content = {
            "jobs": [{"name": f"job-{n}", "tasks": tasks} for n, tasks in enumerate(jobs)],
            "schedules": [
                {"name": f"schedule-{n}", "interval": "@daily", "job": f"job-{n}"}
                for n in range(len(jobs))
            ]
            + list(more),
        }
        lines = (f"{name}: {json.dumps(value)}\n" for name, value in content.items())
        (project / "meltano.yml").write_text(PROJECT + "".join(lines))
        code = schedules.main(["--folder", str(project)])
        captured = capsys.readouterr()
        assert code != 2, captured.err
        return code, json.loads(captured.out)["schedules"], captured.err

    return run


def commands(schedule):
    return [" ".join(task["command"]) for task in schedule["tasks"]]


class TestWhatCanBeRun:
    @pytest.mark.parametrize(
        ("tasks", "blocks"),
        (
            (["tap-everflow target-postgres"], ["tap-everflow target-postgres"]),
            (
                ["tap-everflow target-postgres dbt-postgres:run"],
                ["tap-everflow target-postgres", "dbt-postgres:run"],
            ),
            (
                ["tap-everflow  target-postgres", "tap-redtrack target-jsonl"],
                ["tap-everflow target-postgres", "tap-redtrack target-jsonl"],
            ),
            (
                ["tap-everflow target-postgres tap-redtrack target-postgres dbt-postgres"],
                ["tap-everflow target-postgres", "tap-redtrack target-postgres", "dbt-postgres"],
            ),
            (
                [["tap-everflow target-postgres", ["dbt-postgres:run", "dbt-postgres:test"]]],
                ["tap-everflow target-postgres", "dbt-postgres:run", "dbt-postgres:test"],
            ),
            (["tap-everflow", "target-postgres"], ["tap-everflow target-postgres"]),
            (
                ["tap-everflow hide-emails target-postgres"],
                ["tap-everflow hide-emails target-postgres"],
            ),
        ),
        ids=("pair", "dbt after the load", "pairs", "pairs in a task", "nested", "cut", "mapper"),
    )
    def test_a_job(self, listing, tasks, blocks):
        """Its blocks are those of `meltano run`."""
        code, (schedule,), said = listing(tasks)
        assert (code, said, schedule["problem"]) == (0, "", "")
        assert commands(schedule) == [f"run {block}" for block in blocks]

    def test_what_a_schedule_has(self, listing):
        schedule = {
            "name": "everflow, daily",
            "interval": "@daily",
            "job": "job-0",
            "env": {"TAP_EVERFLOW_INCLUDE_TODAY": True, "N": 1},
        }
        _, found, _ = listing(["tap-everflow target-postgres"], more=[schedule])
        assert found[-1] == {
            "name": "everflow, daily",
            "cron": "0 0 * * *",
            "env": {"TAP_EVERFLOW_INCLUDE_TODAY": "True", "N": "1"},
            "tasks": [_LOADED | {"command": ["run", "tap-everflow", "target-postgres"]}],
            "problem": "",
        }

    def test_one_without_an_interval(self, listing):
        schedule = {"name": "by hand", "interval": "@once", "job": "job-0"}
        _, found, _ = listing(["tap-everflow target-postgres"], more=[schedule])
        assert (found[-1]["cron"], found[-1]["problem"]) == (None, "")

    def test_an_extractor_and_a_loader(self, listing):
        """Their state has the schedule's name, as `meltano schedule run` has it."""
        schedule = {
            "name": "pair",
            "interval": "@hourly",
            "extractor": "tap-everflow",
            "loader": "target-postgres",
            "transform": "skip",
        }
        code, (found,), _ = listing(more=[schedule])
        assert code == 0
        command = "elt tap-everflow target-postgres --transform=skip --state-id=pair"
        assert found["tasks"] == [_LOADED | {"command": command.split()}]

    def test_clients(self, project, listing):
        """A tap's vendor is that of the tap that it inherits from, whatever its name."""
        (project / "clients" / "acme.yml").write_text(CLIENT)
        _, found, _ = listing(["eu-sales target-postgres"])
        tasks = {one["name"]: one["tasks"][0] for one in found}
        assert len(found) == 2
        eu, acme = tasks["schedule-0"], tasks["acme hourly"]
        assert (acme["name"], acme["source"], acme["client"]) == (
            *("tap-everflow--acme", "everflow"),
            "acme",
        )
        assert (eu["name"], eu["source"], eu["client"]) == ("eu-sales", "everflow", "")


class TestWhatCannot:
    @pytest.mark.parametrize(
        ("tasks", "problem"),
        (
            (["tap-everflow target-postgres target-jsonl"], "target-jsonl has no tap before it"),
            (["tap-everflow dbt-postgres:run"], "tap-everflow has no loader after it"),
            (["tap-everflow tap-redtrack target-jsonl"], "tap-everflow has no loader after it"),
            (["tap-everflow"], "tap-everflow has no loader after it"),
            (["hide-emails target-jsonl"], "hide-emails has no tap before it"),
            (
                ["tap-everflow meltano-map-transformer target-jsonl"],
                "meltano-map-transformer is a mapper: name one of its mappings instead.",
            ),
            (["tap-other target-jsonl"], "there is no plugin 'tap-other'"),
            (["dbt-postgres:build"], "dbt-postgres has no command 'build' (it has: run, test)."),
            ([], "job 'job-0' has no tasks"),
            ([7], "job 'job-0' has no tasks"),
        ),
    )
    def test_a_job(self, listing, tasks, problem):
        """It is listed with the reason; the next one can be run."""
        code, (bad, good), said = listing(tasks, ["tap-everflow target-postgres"])
        assert code == 1
        assert problem in bad["problem"]
        assert bad["tasks"] == []
        assert said == f"Schedule schedule-0: {bad['problem']}\n"
        assert commands(good) == ["run tap-everflow target-postgres"]

    @pytest.mark.parametrize("interval", ("61 * * * *", "hourly", "* * * *"))
    def test_an_interval(self, listing, interval):
        schedule = {"name": "often", "interval": interval, "job": "job-0"}
        code, found, _ = listing(["tap-everflow target-postgres"], more=[schedule])
        assert code == 1
        assert found[-1]["problem"].startswith(f"Invalid interval {interval!r}: expected")

    def test_no_job(self, listing):
        code, (found,), _ = listing(more=[{"name": "a", "interval": "@daily", "job": "nowhere"}])
        assert code == 1
        assert found["problem"].startswith("there is no job 'nowhere'.")

    def test_a_job_named_as_a_plugin(self, project, listing):
        schedule = {"name": "a", "interval": "@daily", "job": "tap-redtrack"}
        (project / "clients" / "jobs.yml").write_text(
            "jobs:\n- {name: tap-redtrack, tasks: [tap-redtrack target-postgres]}\n"
        )
        code, (found,), _ = listing(more=[schedule])
        assert code == 1
        assert found["problem"] == "'tap-redtrack' is a job and a plugin: rename the job."

    def test_no_project(self, tmp_path, capsys):
        assert schedules.main(["--folder", str(tmp_path)]) == 2
        assert "There is no meltano.yml" in capsys.readouterr().err


def test_a_file(project, listing, capsys):
    """It is there even if a schedule in it cannot be run: the others are."""
    listing([], ["tap-everflow target-postgres"])
    target = project / "schedules.json"
    target.write_text("before")
    assert schedules.main(["--folder", str(project), f"--output={target}"]) == 1
    assert capsys.readouterr().out == ""
    assert [one["name"] for one in json.loads(target.read_text())["schedules"]] == [
        "schedule-0",
        "schedule-1",
    ]
    assert [one.name for one in project.glob("schedules*")] == ["schedules.json"]


def test_airflow_reads_what_the_command_writes(project, listing, monkeypatch):
    """Its environment has not this package, so it declares the classes, too."""
    monkeypatch.syspath_prepend(ROOT / "orchestrate")
    contract = import_module("signalroom_orchestrate.schedules")
    _, expected, _ = listing(
        ["tap-everflow target-postgres", "dbt-postgres:run"], ["tap-everflow"], more=[]
    )
    path = project / "schedules.json"
    schedules.main(["--folder", str(project), f"--output={path}"])
    assert [asdict(schedule) for schedule in contract.read_schedules(path)] == expected
    assert [bool(schedule["problem"]) for schedule in expected] == [False, True]
