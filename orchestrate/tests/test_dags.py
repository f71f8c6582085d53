"""The DAGs of schedules, with a task for each tap and client; and the DAG of backfills."""

from __future__ import annotations

import importlib.util
import json
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

HERE = Path(__file__).parents[1]
POOLS = json.loads((HERE / "pools.json").read_text())


def dags_of(name):
    """Parse a file again and return its DAGs by ID."""
    spec = importlib.util.spec_from_file_location(name, HERE / "dags" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {dag.dag_id: dag for dag in vars(module).values() if isinstance(dag, DAG)}


def run(dag, **params):
    """Run a DAG in this process."""
    # Airflow 3.3 cannot store a deadline without a scheduler.
    dag.deadline = None
    return dag.test(run_conf=params).state


class TestSchedules:
    def test_a_dag_for_each(self, project):
        dags = dags_of("signalroom_schedules")
        assert {*dags} == {"everflow-hourly--acme", "both"}
        dag = dags["everflow-hourly--acme"]
        assert dag.schedule == "6 * * * *"
        assert (dag.max_active_runs, dag.catchup) == (1, False)
        assert dag.tags == {"acme", "everflow"}
        assert dag.deadline[0].interval == timedelta(hours=2)
        (task,) = dag.tasks
        assert task.task_id == "tap-everflow--acme"
        assert task.pool == "everflow"
        assert task.retries == 5
        assert task.retry_exponential_backoff == 2.0
        assert task.on_failure_callback

    def test_tasks_of_a_job_run_in_order(self, project):
        dag = dags_of("signalroom_schedules")["both"]
        assert dag.schedule is None
        assert [task.task_id for task in dag.tasks] == ["tap-sticky-s3", "tap-redtrack"]
        assert dag.task_dict["tap-redtrack"].upstream_task_ids == {"tap-sticky-s3"}

    def test_each_runs_meltano_in_the_project(self, project):
        assert run(dags_of("signalroom_schedules")["both"]) == "success"
        command = ["signalroom", "run", "--log-format=json"]
        assert project.calls() == [
            [*command, "tap-sticky-s3", "target-postgres", str(project.path)],
            [*command, "tap-redtrack", "target-postgres", str(project.path)],
        ]

    def test_a_schedule_of_an_extractor_and_a_loader_keeps_its_state(self, project):
        """Its state ID is the schedule's name, which `meltano elt` gets as an option."""
        command = ["elt", "tap-everflow", "target-postgres", "--transform=skip", "--state-id=pair"]
        project.add("pair", "tap-everflow target-postgres")
        content = json.loads(project.schedules.read_text())
        content["schedules"][-1]["tasks"][0]["command"] = command
        project.schedules.write_text(json.dumps(content))
        assert run(dags_of("signalroom_schedules")["pair"]) == "success"
        assert project.calls() == [["meltano", "--log-format=json", *command, str(project.path)]]

    def test_a_tap_that_fails_stops_those_after_it(self, project):
        project.fail()
        assert run(dags_of("signalroom_schedules")["both"]) == "failed"
        assert {call[3] for call in project.calls()} == {"tap-sticky-s3"}

    def test_each_source_has_a_pool(self, project):
        taps = {path.name.removeprefix("tap-") for path in (HERE.parent / "taps").glob("tap-*")}
        assert {*POOLS} == taps
        used = {task.pool for dag in dags_of("signalroom_schedules").values() for task in dag.tasks}
        assert used <= taps

    def test_parsing_starts_no_program(self, project):
        dags_of("signalroom_schedules")
        dags_of("signalroom_backfill")
        assert project.calls() == []

    def test_a_command_of_a_plugin_is_a_task_of_its_own(self, project):
        project.add("daily", "tap-everflow target-postgres", "dbt-postgres:run", "dbt-postgres:run")
        dag = dags_of("signalroom_schedules")["daily"]
        assert [(task.task_id, task.task_display_name, task.pool) for task in dag.tasks] == [
            ("tap-everflow", "tap-everflow", "everflow"),
            ("dbt-postgres-run", "dbt-postgres:run", "default_pool"),
            ("dbt-postgres-run-2", "dbt-postgres:run", "default_pool"),
        ]
        assert run(dag) == "success"
        assert [call[3:-1] for call in project.calls()] == [
            ["tap-everflow", "target-postgres"],
            ["dbt-postgres:run"],
            ["dbt-postgres:run"],
        ]

    def test_a_tap_without_a_pool_uses_the_default_pool(self, project):
        project.add("github", "tap-github target-postgres")
        (task,) = dags_of("signalroom_schedules")["github"].tasks
        assert task.pool == "default_pool"

    def test_names_that_are_not_valid_ids(self, project):
        project.add("täglich, 6 Uhr", "tap-everflow target-postgres")
        project.add("both ", "tap-everflow target-postgres")
        project.add("both-", "tap-everflow target-postgres")
        dags = dags_of("signalroom_schedules")
        assert {dag.dag_display_name: dag.dag_id for dag in dags.values()} == {
            "everflow-hourly--acme": "everflow-hourly--acme",
            "both": "both",
            "täglich, 6 Uhr": "t-glich-6-Uhr",
            "both ": "both-",
            "both-": "both--2",
        }


class TestScheduleErrors:
    """A schedule that cannot be run becomes a DAG that fails and alerts."""

    def test_other_schedules_run(self, project, hook):
        project.add("two loaders", cron="7 * * * *", problem="target-b has no tap before it.")
        dags = dags_of("signalroom_schedules")
        assert {*dags} == {"everflow-hourly--acme", "both", "two-loaders"}
        dag = dags["two-loaders"]
        assert (dag.schedule, dag.is_paused_upon_creation) == ("7 * * * *", False)
        assert "broken" in dag.tags
        assert run(dag) == "failed"
        (alert,) = hook
        assert alert["text"].startswith("schedule failed (two-loaders, run manual__")
        assert "Schedule two loaders cannot be run: target-b has no tap before it." in alert["text"]
        assert run(dags["both"]) == "success"

    def test_an_interval_that_only_airflow_rejects(self, project):
        project.add("often", "tap-everflow target-postgres", cron="5 * * * * * * *")
        dags = dags_of("signalroom_schedules")
        assert {*dags} == {"everflow-hourly--acme", "both", "often"}
        assert "Schedule often cannot be run:" in dags["often"].doc_md
        dags["often"].validate()

    def test_airflow_imports_all_dags(self, project):
        project.add("often", "tap-everflow target-postgres", cron="5 * * * * * * *")
        project.add("two loaders", problem="target-b has no tap before it.")
        bag = DagBag(HERE / "dags" / "signalroom_schedules.py")
        assert bag.import_errors == {}
        assert {*bag.dags} == {"everflow-hourly--acme", "both", "often", "two-loaders"}

    @pytest.mark.parametrize("text", (None, "", "[]", "{}", '{"schedules": 7}', "Traceback"))
    def test_the_list_is_missing_or_invalid(self, project, hook, text):
        if text is None:
            project.schedules.unlink()
        else:
            project.schedules.write_text(text)
        (dag,) = dags_of("signalroom_schedules").values()
        assert (dag.dag_id, dag.is_paused_upon_creation) == ("signalroom-schedules", False)
        assert run(dag) == "failed"
        (alert,) = hook
        assert "with `make airflow-schedules`" in alert["text"]


class TestBackfill:
    PARAMS = {
        "tap": "tap-everflow--acme",
        "first_day": "2026-01-01",
        "last_day": "2026-01-31",
        "slices": 3,
        "streams": "daily_stats,offers",
    }

    def test_slices_are_tasks(self, project):
        dag = dags_of("signalroom_backfill")["signalroom-backfill"]
        assert run(dag, **self.PARAMS) == "success"
        same = [
            *("signalroom", "backfill", "tap-everflow--acme", "2026-01-01", "2026-01-31"),
            *("--slices=3", "--streams=daily_stats,offers"),
        ]
        plan, *loads, finish = project.calls()
        assert plan == [*same, "--plan", str(project.path)]
        assert sorted(loads) == [[*same, f"--only={n}", str(project.path)] for n in range(3)]
        assert finish == [*same, "--finish", str(project.path)]

    def test_slices_take_slots_of_the_vendors_pool(self, project):
        dag = dags_of("signalroom_backfill")["signalroom-backfill"]
        pools = {task.task_id: task.pool for task in dag.tasks if task.task_id.startswith("load")}
        assert pools == {f"load-{name}": name for name in POOLS}

    def test_a_vendor_without_a_pool_is_an_error(self, project):
        dag = dags_of("signalroom_backfill")["signalroom-backfill"]
        assert run(dag, **self.PARAMS | {"tap": "tap-nowhere"}) == "failed"
        assert not any("--only" in word for call in project.calls() for word in call)

    @pytest.mark.parametrize(
        "params",
        (
            {"tap": "tap-x; rm -rf /"},
            {"first_day": "yesterday"},
            {"slices": 0},
            {"streams": "a b"},
        ),
    )
    def test_invalid_parameters(self, project, params):
        dag = dags_of("signalroom_backfill")["signalroom-backfill"]
        with pytest.raises(ValueError, match="Invalid input for param"):
            run(dag, **self.PARAMS | params)
