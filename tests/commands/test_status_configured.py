"""What one pipeline lacks is said of that one: all others are shown as ever."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from signalroom_cli.status.command import main
from signalroom_cli.status.model import Condition, Outcome, Pipeline, Run

NOW = datetime(2026, 3, 20, 12, 30, tzinfo=UTC)
LACKS = "not configured (ACME_EVERFLOW_API_KEY is not set)"
CLIENT = """
plugins:
  extractors:
  - name: tap-everflow--{name}
    inherit_from: tap-everflow
    config: {{client_id: {name}, api_key: ${variable}}}
jobs:
- {{name: everflow--{name}, tasks: [tap-everflow--{name} target-postgres]}}
schedules:
- {{name: everflow-hourly--{name}, interval: "6 * * * *", job: everflow--{name}}}
"""


def client(name):
    return CLIENT.format(name=name, variable=f"{name.upper()}_EVERFLOW_API_KEY")


@pytest.fixture
def status(project, monkeypatch, capsys):
    """Ask for the status of a project with the variables given, and no others of the taps."""
    for name, value in project.env.items():
        if not name.startswith("TAP_"):
            monkeypatch.setenv(name, value)
    # The command sets these.
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "")
    monkeypatch.delenv("MELTANO_ENVIRONMENT", raising=False)

    def ask(*arguments, **variables):
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = main([*arguments, "--folder", str(project.folder)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return ask


@pytest.fixture
def clients(project):
    """Write the files of clients: their names, or the text of the file."""
    (project.folder / "clients").mkdir(exist_ok=True)

    def write(*names, **texts):
        for name, text in ({name: client(name) for name in names} | texts).items():
            (project.folder / "clients" / f"{name}.yml").write_text(text)

    return write


def conditions(text):
    found = json.loads(text)["pipelines"]
    assert len({one["tap"] for one in found}) == len(found)
    return {one["tap"]: (one["condition"], one["stale"], one["problem"]) for one in found}


@pytest.mark.e2e
class TestAClientWithoutItsKey:
    @pytest.fixture(autouse=True)
    def _two(self, clients):
        clients("acme", "bolt")

    def test_is_said_of_that_client_in_every_form(self, status, tmp_path):
        keys = {"BOLT_EVERFLOW_API_KEY": "synthetic-key", "EVERFLOW_API_KEY": "synthetic-key"}
        code, text = status("--tap=everflow", **keys)
        assert code == 1
        assert f"tap-everflow--acme: {LACKS}" in text
        assert "Traceback" not in text
        assert text.count("tap-everflow--acme") == 1
        assert text.count("tap-everflow--bolt") == 1
        assert "never" in text
        page = tmp_path / "status.html"
        status("--tap=everflow", "--html", str(page), **keys)
        shown = page.read_text()
        assert LACKS in shown
        assert shown.count('id="tap-everflow--acme"') == shown.count('id="tap-everflow--bolt"') == 1
        _, text = status("--tap=everflow", "--json", **keys)
        assert conditions(text) == {
            "tap-everflow": ("never", True, None),
            "tap-everflow--acme": ("not configured", False, LACKS),
            "tap-everflow--bolt": ("never", True, None),
        }

    def test_so_is_a_variable_that_is_empty(self, status):
        _, text = status("--tap=acme", "--json", ACME_EVERFLOW_API_KEY="")
        assert conditions(text)["tap-everflow--acme"][2] == LACKS

    def test_each_pipeline_is_listed_once_each_time(self, status):
        for _ in range(3):
            _, text = status("--no-rows", "--json", BOLT_EVERFLOW_API_KEY="synthetic-key")
            assert len(conditions(text)) == len(json.loads(text)["pipelines"]) == 8


@pytest.mark.e2e
class TestVendorsThatAreNotUsed:
    def test_are_quiet(self, status, project, tmp_path):
        project.load("offers")
        code, text = status("--no-rows", EVERFLOW_API_KEY="synthetic-key")
        assert code == 0
        shown, _, quiet = text.partition("\n\n")
        assert "tap-everflow  ok" in shown
        assert "tap-mautic" not in shown
        assert "tap-posthog: not configured (POSTHOG_API_KEY is not set)" in quiet
        assert "(MAUTIC_BASE_URL, MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET are not set)" in quiet
        page = tmp_path / "status.html"
        assert status("--html", str(page), EVERFLOW_API_KEY="synthetic-key")[0] == 0
        table, _, rest = page.read_text().partition("</table>")
        assert "tap-posthog" not in table
        assert "<summary>5 not configured</summary>" in rest
        assert "0 of 1 stale" in table

    def test_one_that_is_half_configured_is_not(self, status):
        code, text = status("--tap=mautic", "--json", MAUTIC_BASE_URL="https://m.example.com")
        assert code == 1
        problem = "not configured (MAUTIC_CLIENT_ID and MAUTIC_CLIENT_SECRET are not set)"
        assert conditions(text)["tap-mautic"] == ("not configured", True, problem)
        said = status("--tap=mautic", MAUTIC_BASE_URL="https://m.example.com")[1]
        assert f"tap-mautic: {problem}" in said

    def test_a_project_in_which_meltano_never_ran(self, status, project):
        shutil.rmtree(project.folder / ".meltano")
        code, text = status("--tap=everflow", "--no-rows", EVERFLOW_API_KEY="synthetic-key")
        assert code == 1
        assert "tap-everflow  never" in text

    def test_a_project_without_any_has_no_status(self, status):
        code, text = status("--no-rows")
        assert code == 2
        assert "No pipeline is configured. Set the variables of one in .env:" in text
        assert "tap-redtrack: not configured (REDTRACK_API_KEY is not set)" in text


@pytest.mark.e2e
class TestWhatMeltanoCannotRun:
    def test_is_said_of_that_pipeline(self, status, clients):
        clients(
            "acme",
            gone="schedules: [{name: gone-hourly, interval: '@hourly', job: gone}]",
            lost="jobs: [{name: lost, tasks: [tap-lost target-postgres]}]\n"
            "schedules: [{name: lost-hourly, interval: '@hourly', job: lost}]",
        )
        code, text = status("--no-rows", "--json", ACME_EVERFLOW_API_KEY="synthetic-key")
        found = conditions(text)
        assert code == 1
        assert found["gone-hourly"][:2] == found["tap-lost"][:2] == ("broken", True)
        assert "There is no plugin tap-lost" in found["tap-lost"][2]
        assert found["tap-everflow--acme"][0] == "never"

    def test_a_variable_of_the_loader(self, status, project):
        text = (project.folder / "meltano.yml").read_text()
        text = text.replace("hard_delete: true\n", "hard_delete: true\n      host: $NOWHERE\n", 1)
        (project.folder / "meltano.yml").write_text(text)
        code, text = status("--tap=everflow", EVERFLOW_API_KEY="synthetic-key")
        assert code == 1
        assert "Rows were not counted: target-postgres: not configured (NOWHERE is not set)" in text
        assert "tap-everflow  never" in text

    @pytest.mark.parametrize("text", ("plugins: [", client("one") + "\nplugins: 3", "- a list"))
    def test_a_file_that_cannot_be_read(self, status, clients, text):
        clients("acme", other=text)
        code, said = status("--no-rows", "--tap=o", ACME_EVERFLOW_API_KEY="synthetic-key")
        assert code == 1
        assert re.search(r"^other\.yml +broken", said, re.MULTILINE)
        assert "clients/other.yml cannot be read: " in said
        assert "tap-everflow--acme" in said

    def test_two_files_with_the_same_plugin(self, status, clients):
        clients("acme", x=client("x"), other=client("acme").replace("acme", "x"))
        code, said = status("--no-rows")
        assert code == 2
        assert "Meltano cannot read the project's files: " in said

    @pytest.mark.parametrize("interval", ("'@reboot'", "61 2 3 4 5", "H * * * *", "hourly", "300"))
    def test_an_interval_that_no_scheduler_can_follow(self, status, clients, interval):
        text = client("acme").replace('"6 * * * *"', interval)
        assert text != client("acme")
        clients("acme", acme=text)
        code, printed = status("--no-rows", "--json", ACME_EVERFLOW_API_KEY="synthetic-key")
        assert code == 1
        condition, is_stale, problem = conditions(printed)["everflow-hourly--acme"]
        assert (condition, is_stale) == ("broken", True)
        assert problem.startswith(f"Invalid interval {interval.strip(chr(39))!r}: expected five")

    def test_a_tap_that_inherits_from_none_that_exists(self, status, clients):
        clients("acme", birch=client("birch").replace("from: tap-everflow", "from: tap-everflo"))
        code, printed = status("--no-rows", "--json", ACME_EVERFLOW_API_KEY="synthetic-key")
        assert code == 1
        assert conditions(printed)["tap-everflow--birch"][0] == "broken"
        assert conditions(printed)["tap-everflow--acme"][0] == "never"

    def test_jobs_of_mappers_and_of_several_taps(self, status, clients):
        clients(
            both="jobs: [{name: both, tasks: [[tap-everflow, a-mapper, target-postgres],"
            " tap-redtrack target-postgres]}]\n"
            "schedules: [{name: both-hourly, interval: '@hourly', job: both}]\n"
        )
        found = json.loads(status("--no-rows", "--json", EVERFLOW_API_KEY="x")[1])["pipelines"]
        both = [one["state_id"] for one in found if one["schedule"] == "both-hourly"]
        assert both == [f"dev:tap-{name}-to-target-postgres" for name in ("everflow", "redtrack")]


class TestOneThatRan:
    """What is missing here may be there where it runs, as for cron."""

    @staticmethod
    def pipeline(*, minutes_ago, **values):
        run = Run(NOW - timedelta(minutes=minutes_ago), NOW, Outcome.SUCCESS)
        names = {"tap": "tap-x", "state_id": "x", "schedule": "x", "cron": "5 * * * *"}
        return Pipeline(**names, last=run, last_success=run, unconfigured=LACKS, **values)

    def test_is_judged_by_its_runs_while_they_are_good(self):
        one = self.pipeline(minutes_ago=25)
        assert one.condition(NOW) is Condition.OK
        assert not one.is_stale(NOW)
        assert one.remarks == [LACKS]

    def test_is_stale_once_they_no_longer_are(self):
        one = self.pipeline(minutes_ago=500)
        assert one.condition(NOW) is Condition.NOT_CONFIGURED
        assert one.is_stale(NOW)
        assert not one.is_unused(NOW)


@pytest.mark.e2e
def test_a_client_that_reads_the_projects_variables(status, clients):
    clients("tap")
    _, text = status("--tap=everflow--tap", "--no-rows", TAP_EVERFLOW_API_KEY="synthetic-key")
    assert "Client 'tap' reads TAP_EVERFLOW_API_KEY. Variables that begin with TAP_" in text
