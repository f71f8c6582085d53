"""Many clients in one project: taps of their own, at once, into one table or each into its own."""

from __future__ import annotations

import pytest
from harness.pipelines import ROOT, finished, new_database, new_project
from ruamel.yaml import YAML

from signalroom_cli.clients import main
from signalroom_sandbox.gsheets import service_account

pytestmark = pytest.mark.e2e

CLIENTS = [f"client-{number}" for number in range(3)]
DAYS = {"TAP_EVERFLOW_START_DATE": "2026-01-05", "TAP_EVERFLOW_END_DATE": "2026-01-07"}
KEY = "sandbox-everflow-network-key"


@pytest.fixture
def new_client(capsys, tmp_path, monkeypatch):
    """Make a client in the test's folder, within this process; gives what it printed."""

    def make(*arguments, code=0, folder=ROOT):
        monkeypatch.chdir(folder)
        assert main([*arguments, f"--folder={tmp_path}"]) == code
        printed = capsys.readouterr()
        return printed.out + printed.err

    return make


def variables(name, **values):
    prefix = name.replace("-", "_").upper()
    return {f"{prefix}_{key.upper()}": value for key, value in values.items()}


@pytest.fixture
def clients(project):
    """Three of them, each with a key of its own."""
    for name in CLIENTS:
        project.new_client(name, "--sources=everflow")
        project.env |= variables(name, everflow_api_key=KEY)
    return project


def test_three_at_once_are_as_three_one_after_the_other(
    clients, database, postgres, tmp_path, meltano_template, sandbox, zygote
):
    # The vendor's own limit is not the point: three clients are three accounts.
    sandbox.control.everflow.limits(per_second=1_000, burst=1_000)
    select = {
        f"TAP_EVERFLOW__{name.upper().replace('-', '_')}__SELECT": '["daily_stats.*"]'
        for name in CLIENTS
    }
    at_once = [
        clients.start("run", f"tap-everflow--{name}", "target-postgres", **DAYS, **select)
        for name in CLIENTS
    ]
    for process in at_once:
        finished(process, 0)
    ours = database.contents("everflow.daily_stats")
    with new_database(postgres) as other:
        alone = new_project(tmp_path / "alone", meltano_template, sandbox, other, zygote.bin)
        alone.load("daily_stats", **DAYS, TAP_EVERFLOW_CLIENT_ID="client-0")
        rows = other.query("select * from everflow.daily_stats")
    counts = database.query(
        "select _client_id as client, count(*)::int as rows, sum(payout) as payout"
        " from everflow.daily_stats group by 1 order by 1"
    )
    payout = sum(row["payout"] for row in rows)
    assert [row["client"] for row in counts] == CLIENTS
    assert {(row["rows"], row["payout"]) for row in counts} == {(len(rows), payout)}
    assert len(ours) == len(CLIENTS) * len(rows)
    for name in CLIENTS:
        saved = clients.saved_bookmarks(f"dev:tap-everflow--{name}-to-target-postgres")
        assert saved["daily_stats"]["replication_key_value"] == "2026-01-07"


def test_a_client_whose_key_is_missing_is_not_read_with_anothers(project, database):
    project.new_client("acme", "--sources=everflow")
    # The project's own key, and that of the pipeline before.
    project.env |= {"TAP_EVERFLOW_API_KEY": KEY, "EVERFLOW_API_KEY": KEY}
    output = project.meltano("run", "tap-everflow--acme", "target-postgres", code=1, **DAYS)
    assert "ACME_EVERFLOW_API_KEY" in output
    assert KEY not in output
    assert database.query("select to_regclass('everflow.daily_stats') as made") == [{"made": None}]


#: How the project signs in, in ways that the files of clients do not use.
PROJECT = {
    "TAP_GSHEETS_CREDENTIALS_PATH": "/nowhere/of-the-project.json",
    "TAP_GSHEETS_SUBJECT": "of-the-project@example.com",
    "TAP_GSHEETS_OAUTH_CLIENT_ID": "of-the-project",
    "TAP_GSHEETS_OAUTH_CLIENT_SECRET": "of-the-project",
    "TAP_GSHEETS_OAUTH_REFRESH_TOKEN": "of-the-project",
    "TAP_GSHEETS_API_KEY": "of-the-project",
    "TAP_MAUTIC_USERNAME": "of-the-project",
    "TAP_MAUTIC_PASSWORD": "of-the-project",
    "TAP_STICKY_S3_AWS_SESSION_TOKEN": "of-the-project",
    "TAP_STICKY_S3_AWS_PROFILE": "of-the-project",
    "TAP_STICKY_S3_ROLE_ARN": "arn:aws:iam::111111111111:role/of-the-project",
    "TAP_STICKY_S3_EXTERNAL_ID": "of-the-project",
}


def test_a_client_signs_in_by_none_of_the_projects_ways(project, sandbox):
    project.new_client("acme", "--sources=gsheets,mautic,sticky-s3")
    project.env |= PROJECT
    project.env |= variables(
        "acme",
        gsheets_credentials_json=service_account(sandbox.gsheets_url),
        gsheets_spreadsheets=project.env["TAP_GSHEETS_SPREADSHEETS"],
        mautic_api_url=sandbox.mautic_url,
        mautic_oauth_client_id=project.env["TAP_MAUTIC_OAUTH_CLIENT_ID"],
        mautic_oauth_client_secret=project.env["TAP_MAUTIC_OAUTH_CLIENT_SECRET"],
        sticky_s3_bucket=project.env["TAP_STICKY_S3_BUCKET"],
        sticky_s3_aws_access_key_id=project.env["TAP_STICKY_S3_AWS_ACCESS_KEY_ID"],
        sticky_s3_aws_secret_access_key=project.env["TAP_STICKY_S3_AWS_SECRET_ACCESS_KEY"],
    )
    for source in ("gsheets", "mautic", "sticky-s3"):
        assert "of-the-project" not in project.meltano("config", "print", f"tap-{source}--acme")
        tested = project.meltano("invoke", f"tap-{source}--acme", "--test")
        assert "Connection test passed" in tested


def test_a_schema_of_its_own(project, sandbox, database):
    project.new_client("acme", "--sources=redtrack,everflow", "--schema=own")
    project.env |= variables("acme", redtrack_api_key="no-such-key", everflow_api_key=KEY)
    project.env["TAP_EVERFLOW__ACME__SELECT"] = '["offers.*"]'
    project.meltano("run", "tap-everflow--acme", "target-postgres")
    assert database.query("select distinct _client_id as c from everflow_acme.offers") == [
        {"c": "acme"}
    ]
    jobs = project.meltano("job", "list")
    assert "everflow--acme" in jobs
    assert "redtrack-hourly--acme" in project.meltano("schedule", "list")


def test_every_source_can_be_a_clients(project):
    printed = project.new_client("acme-co")
    with (ROOT / "meltano.yml").open() as file:
        parents = {one["name"]: one for one in YAML().load(file)["plugins"]["extractors"]}
    with (project.folder / "clients/acme-co.yml").open() as file:
        made = YAML().load(file)
    taps = made["plugins"]["extractors"]
    assert {tap["inherit_from"] for tap in taps} == {*parents}
    for tap in taps:
        known = {setting["name"] for setting in parents[tap["inherit_from"]]["settings"]}
        assert {*tap["config"]} <= known
        assert tap["config"]["client_id"] == "acme-co"
    assert "ACME_CO_STICKY_S3_BUCKET=" in printed
    listed = project.meltano(
        "config",
        "list",
        "tap-posthog--acme-co",
        **variables("acme-co", posthog_api_key="phx_synthetic", posthog_project_id="7"),
    )
    assert "client_id" in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (["Acme"], "Invalid client name"),
        (["acme--co"], "Invalid client name"),
        (["../acme"], "Invalid client name"),
        (["acme", "--sources=hubspot"], "There is no source hubspot; there are "),
        (["tap"], "variables that begin with TAP_, which others read"),
        (["target-one"], "with TARGET_"),
        (["google"], "Choose another, as in client-google"),
    ),
)
def test_what_is_refused(new_client, arguments, said):
    assert said in new_client(*arguments, code=1)


def test_sources_may_be_apart_by_blanks_and_have_the_taps_names(new_client, tmp_path):
    new_client("acme", "--sources=everflow tap-redtrack")
    taps = YAML(typ="safe").load(tmp_path / "acme.yml")["plugins"]["extractors"]
    assert [tap["name"] for tap in taps] == ["tap-everflow--acme", "tap-redtrack--acme"]


def test_outside_of_a_project(new_client, tmp_path):
    printed = new_client("acme", folder=tmp_path, code=1)
    assert "meltano.yml not found. Run this command in the" in printed


def test_a_client_is_not_written_over(new_client, tmp_path):
    new_client("acme")
    (tmp_path / "acme.yml").write_text("# changed by hand\n")
    assert "exists already" in new_client("acme", code=1)
    assert (tmp_path / "acme.yml").read_text() == "# changed by hand\n"


def test_two_clients_do_not_read_the_same_variables(new_client, tmp_path):
    new_client("acme", "--sources=everflow")
    (tmp_path / "acme.yml").rename(tmp_path / "other.yml")
    printed = new_client("acme", "--sources=everflow", code=1)
    assert "reads ACME_EVERFLOW_API_KEY too" in printed


def test_a_client_that_was_named_as_the_taps_variables_is_warned_of(project):
    """It is loaded as before; only its variables are to be renamed."""
    project.new_client("acme", "--sources=everflow")
    made = (project.folder / "clients" / "acme.yml").read_text()
    text = made.replace("acme", "tap").replace("ACME_", "TAP_")
    (project.folder / "clients" / "acme.yml").unlink()
    (project.folder / "clients" / "tap.yml").write_text(text)
    project.env["TAP_EVERFLOW__TAP__SELECT"] = '["offers.*"]'
    printed = project.meltano("run", "tap-everflow--tap", "target-postgres", **DAYS)
    warning = "Client 'tap' reads TAP_EVERFLOW_API_KEY. Variables that begin with TAP_ are read by"
    assert warning in printed
    own = text.replace("TAP_EVERFLOW_API_KEY", "CLIENT_TAP_EVERFLOW_API_KEY")
    (project.folder / "clients" / "tap.yml").write_text(own)
    project.env["CLIENT_TAP_EVERFLOW_API_KEY"] = KEY
    printed = project.meltano("run", "tap-everflow--tap", "target-postgres", **DAYS)
    assert "are read by others" not in printed
