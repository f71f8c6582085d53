from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from signalroom_target_postgres.cli.commands import main
from signalroom_target_postgres.dlt_adoption.column_types import convert_to
from signalroom_target_postgres.dlt_adoption.report import AdoptionReport, describe
from signalroom_target_postgres.dlt_adoption.take_over import take_over
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.errors import TargetPostgresError

EXECUTABLE = Path(sys.executable).parent / "signalroom-target-postgres"
KEY = ("date", "affiliate_id")
# As dlt makes them: dates are texts, hinted columns and its own are NOT NULL, no primary key.
TABLES = """
CREATE TABLE daily_stats (
    date varchar NOT NULL,
    affiliate_id bigint NOT NULL,
    affiliate_label varchar NOT NULL,
    payout double precision,
    _dlt_load_id varchar NOT NULL,
    _dlt_id varchar NOT NULL UNIQUE
);
CREATE TABLE daily_stats__tags (
    value varchar,
    _dlt_parent_id varchar NOT NULL,
    _dlt_list_idx bigint NOT NULL,
    _dlt_id varchar NOT NULL UNIQUE
);
CREATE TABLE _dlt_loads (load_id varchar NOT NULL, schema_name varchar, status bigint NOT NULL);
INSERT INTO daily_stats VALUES
    ('2024-05-01', 1, 'one', 10.5, '1714556400.5', 'a'),
    ('2024-05-01', 2, 'two', 20, '1714556400.5', 'b'),
    ('2024-05-02', 1, 'one', 30, '1714642800.25', 'c');
INSERT INTO daily_stats__tags VALUES ('vip', 'a', 0, 't');
INSERT INTO _dlt_loads VALUES ('1714556400.5', 'everflow', 0), ('1714642800.25', 'everflow', 0);
CREATE VIEW by_day AS SELECT date, sum(payout) AS payout FROM daily_stats GROUP BY date;
CREATE VIEW everything AS SELECT * FROM daily_stats;
"""
LEGACY_QUERY = """
SELECT s.date, s.affiliate_label, s.payout, l.status, t.value
FROM daily_stats s JOIN _dlt_loads l ON l.load_id = s._dlt_load_id
LEFT JOIN daily_stats__tags t ON t._dlt_parent_id = s._dlt_id
WHERE s.date >= '2024-05-01' ORDER BY s.date, s.affiliate_id
"""
UPSERT = """
INSERT INTO daily_stats (date, affiliate_id, payout)
VALUES ('2024-05-01', 1, 11), ('2024-05-03', 1, 4)
ON CONFLICT (date, affiliate_id) DO UPDATE SET payout = excluded.payout
"""
NEXT_SCHEMA = iter(range(1000))


@pytest.fixture(scope="module")
def server():
    with (
        tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder) / "pg") as embedded,
    ):
        yield embedded


@pytest.fixture
def schema(server):
    return f"legacy_{next(NEXT_SCHEMA)}"


@pytest.fixture
def connection(server, schema):
    with psycopg.connect(server.libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"SET search_path TO {schema}")
        connection.execute(TABLES)
        yield connection


def rows(connection, query):
    return connection.execute(query).fetchall()


def everything_of(connection, schema):
    """All that could have been changed."""
    catalog = """
        SELECT c.relname, a.attname, a.attnotnull, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = %s::regnamespace ORDER BY 1, 2
    """
    constraints = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = %s::regnamespace ORDER BY 1
    """
    return [
        connection.execute(catalog, [schema]).fetchall(),
        connection.execute(constraints, [schema]).fetchall(),
        rows(connection, "SELECT ctid, * FROM daily_stats ORDER BY 1"),
    ]


def refused(connection, schema, table="daily_stats", key=KEY, **options):
    before = everything_of(connection, schema)
    with pytest.raises(TargetPostgresError) as error:
        take_over(connection, schema, table, key, **options)
    assert everything_of(connection, schema) == before
    assert "\n" not in error.value.message
    return error.value.message


def test_queries_answer_as_before(connection, schema):
    queries = [LEGACY_QUERY, "TABLE by_day ORDER BY date", "TABLE everything ORDER BY 1, 2"]
    before = [rows(connection, query) for query in queries]
    result = take_over(connection, schema, "daily_stats", KEY)
    assert [rows(connection, query) for query in queries] == before
    assert result == AdoptionReport(
        table=f"{schema}.daily_stats",
        key=KEY,
        rows=3,
        key_added=True,
        example=("2024-05-01", "1"),
        nullable=("affiliate_label", "_dlt_load_id", "_dlt_id"),
        children=("daily_stats__tags",),
    )
    assert rows(connection, "SELECT to_regclass('daily_stats__duplicates')") == [(None,)]


def test_rows_without_dlts_columns_are_merged(connection, schema):
    take_over(connection, schema, "daily_stats", KEY)
    connection.execute(UPSERT)
    assert rows(connection, "TABLE daily_stats ORDER BY date, affiliate_id") == [
        ("2024-05-01", 1, "one", 11, "1714556400.5", "a"),
        ("2024-05-01", 2, "two", 20, "1714556400.5", "b"),
        ("2024-05-02", 1, "one", 30, "1714642800.25", "c"),
        ("2024-05-03", 1, None, 4, None, None),
    ]
    assert rows(connection, "TABLE by_day ORDER BY date")[0] == ("2024-05-01", 31)


def test_a_second_time_changes_nothing(connection, schema):
    take_over(connection, schema, "daily_stats", KEY, client_id="acme")
    before = everything_of(connection, schema)
    again = take_over(connection, schema, "daily_stats", KEY, client_id="acme")
    assert everything_of(connection, schema) == before
    assert not again.has_changes
    assert "was taken over before: nothing to change" in describe(again)


def test_a_key_that_is_there_is_kept_whatever_its_order(connection, schema):
    connection.execute("ALTER TABLE daily_stats ADD PRIMARY KEY (affiliate_id, date)")
    result = take_over(connection, schema, "daily_stats", KEY)
    assert result.has_changes
    assert not result.key_added
    connection.execute(UPSERT)


@pytest.fixture
def appended(connection):
    """The same key again: loaded later, earlier, at once, and by somebody else."""
    connection.execute("""
        INSERT INTO daily_stats VALUES
            ('2024-05-01', 1, 'newest', 12, '1714642800.25', 'd'),
            ('2024-05-01', 1, 'older, though its text is greater', 11, '999999999.5', 'e'),
            ('2024-05-02', 1, 'the same load, written after', 31, '1714642800.25', 'f'),
            ('2024-05-01', 2, 'no time', 21, 'imported', 'g')
    """)


def test_of_several_rows_with_a_key_the_newest_stays(connection, schema, appended):
    everything = set(rows(connection, "TABLE daily_stats"))
    result = take_over(connection, schema, "daily_stats", KEY)
    assert rows(connection, "SELECT _dlt_id FROM daily_stats ORDER BY 1") == [
        ("b",),
        ("d",),
        ("f",),
    ]
    moved = rows(connection, "TABLE daily_stats__duplicates")
    assert sorted(row[-1] for row in moved) == ["a", "c", "e", "g"]
    assert {*moved, *rows(connection, "TABLE daily_stats")} == everything
    assert (result.rows, result.duplicates) == (3, 4)
    assert f"4 rows older than another of the same key, moved to {schema}.daily_stats__dup" in (
        describe(result)
    )


def test_without_a_load_id_the_row_written_last_stays(connection, schema, appended):
    connection.execute("ALTER TABLE daily_stats DROP COLUMN _dlt_load_id CASCADE")
    take_over(connection, schema, "daily_stats", KEY)
    assert rows(connection, "SELECT _dlt_id FROM daily_stats ORDER BY 1") == [
        ("e",),
        ("f",),
        ("g",),
    ]


def test_duplicates_are_added_to_those_of_the_last_time(connection, schema, appended):
    take_over(connection, schema, "daily_stats", KEY)
    connection.execute("ALTER TABLE daily_stats DROP CONSTRAINT daily_stats_pkey, ADD extra jsonb")
    connection.execute("INSERT INTO daily_stats SELECT * FROM daily_stats WHERE false")
    connection.execute("""
        INSERT INTO daily_stats VALUES ('2024-05-01', 1, '', 1, '1999999999', 'z', '{"n": 1}');
        INSERT INTO daily_stats VALUES ('2024-05-01', 1, '', 1, '1999999998', 'y', '{"n": 2}')
    """)
    result = take_over(connection, schema, "daily_stats", KEY, client_id="acme")
    assert result.duplicates == 2
    archived = rows(connection, "SELECT _dlt_id, extra FROM daily_stats__duplicates ORDER BY 1")
    assert archived[-1] == ("y", {"n": 2})
    assert [name for name, _ in archived] == ["a", "c", "d", "e", "g", "y"]


def test_a_child_table_of_that_name_is_not_used(connection, schema, appended):
    connection.execute("CREATE TABLE daily_stats__duplicates (value varchar)")
    message = refused(connection, schema)
    assert f"{schema}.daily_stats__duplicates, the table for duplicates, exists" in message


def test_long_and_odd_names(connection, schema):
    table = 'Größe 100% "{x}" ' + "é" * 22
    assert len(table.encode()) == 63
    quoted = psycopg.sql.Identifier(table).as_string(connection)
    connection.execute(f"""
        CREATE TABLE {quoted} ("the Key" text NOT NULL, "a%b{{c}}" text NOT NULL);
        INSERT INTO {quoted} VALUES ('k', 'old'), ('k', 'new')
    """)
    result = take_over(connection, schema, table, ["the Key"], client_id="50% O'Neill {}")
    assert rows(connection, f"TABLE {quoted}") == [("k", "new", "50% O'Neill {}")]
    archive = psycopg.sql.Identifier(result.duplicates_table.partition(".")[2]).as_string()
    assert rows(connection, f"TABLE {archive}") == [("k", "old", "50% O'Neill {}")]
    assert "100%" in describe(result)


def test_null_in_a_key_is_refused(connection, schema):
    connection.execute("""
        ALTER TABLE daily_stats ALTER date DROP NOT NULL, ALTER affiliate_id DROP NOT NULL;
        INSERT INTO daily_stats VALUES (NULL, 1, '', 1, '1', 'x'), (NULL, NULL, '', 1, '1', 'y')
    """)
    message = refused(connection, schema)
    assert f"{schema}.daily_stats has NULL in its key (date in 2 rows, affiliate_id in 1 row)" in (
        message
    )
    query = message.partition("run this again; ")[2].partition(" shows them")[0]
    assert len(rows(connection, query)) == 2
    assert "NULL in its key" in refused(connection, schema, client_id="acme")


def test_a_client_is_added_as_the_first_key_column(connection, schema, appended):
    result = take_over(connection, schema, "daily_stats", KEY, client_id="acme")
    assert result.key == ("_client_id", *KEY)
    assert result.client_rows == result.rows == 3
    assert rows(connection, "SELECT DISTINCT _client_id FROM daily_stats") == [("acme",)]
    (definition,) = rows(
        connection,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' "
        "AND conrelid = 'daily_stats'::regclass",
    )
    assert definition == ("PRIMARY KEY (_client_id, date, affiliate_id)",)
    connection.execute("""
        INSERT INTO daily_stats (_client_id, date, affiliate_id, payout)
        VALUES ('acme', '2024-05-01', 1, 1), ('beta', '2024-05-01', 1, 2)
        ON CONFLICT (_client_id, date, affiliate_id) DO UPDATE SET payout = excluded.payout
    """)
    assert rows(
        connection,
        "SELECT _client_id, payout FROM daily_stats"
        " WHERE date = '2024-05-01' AND affiliate_id = 1 ORDER BY 1",
    ) == [("acme", 1), ("beta", 2)]
    # Nothing is given a client unasked.
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO daily_stats (date, affiliate_id) VALUES ('x', 1)")
    assert rows(connection, "SELECT count(*) FROM everything") == [(4,)]


def test_a_client_that_is_there_stays(connection, schema):
    connection.execute("""
        ALTER TABLE daily_stats ADD _client_id varchar;
        UPDATE daily_stats SET _client_id = 'beta' WHERE affiliate_id = 2;
        INSERT INTO daily_stats VALUES
            ('2024-05-01', 1, 'named', 10.5, '1714556400.5', 'd', 'acme'),
            ('2024-05-01', 1, 'beta''s', 10.5, '1714556400.5', 'e', 'beta')
    """)
    result = take_over(connection, schema, "daily_stats", ["_client_id", *KEY], client_id="acme")
    assert (result.rows, result.duplicates, result.client_rows) == (4, 1, 1)
    assert rows(connection, "SELECT _dlt_id, _client_id FROM daily_stats ORDER BY 1") == [
        ("b", "beta"),
        ("c", "acme"),
        ("d", "acme"),
        ("e", "beta"),
    ]


def test_identity_and_generated_columns_are_left_alone(connection, schema, appended):
    connection.execute("""
        ALTER TABLE daily_stats ADD number bigint GENERATED ALWAYS AS IDENTITY,
            ADD cents bigint GENERATED ALWAYS AS (payout * 100) STORED NOT NULL
    """)
    result = take_over(connection, schema, "daily_stats", KEY)
    assert result.nullable == ("affiliate_label", "_dlt_load_id", "_dlt_id")
    connection.execute(UPSERT)
    assert rows(connection, "SELECT number, cents FROM daily_stats WHERE date = '2024-05-03'") == [
        (9, 400)
    ]
    assert rows(connection, "SELECT sum(cents) FROM daily_stats__duplicates") == [(7250,)]


def test_other_unique_columns_are_told(connection, schema):
    connection.execute("""
        ALTER TABLE daily_stats ADD UNIQUE (payout);
        CREATE UNIQUE INDEX folded ON daily_stats (lower(date), affiliate_id)
    """)
    result = take_over(connection, schema, "daily_stats", KEY)
    assert [name.partition(".")[2] or name for name in result.uniques] == [
        "daily_stats_payout_key",
        "folded",
    ]
    assert "unique, and still so: " in describe(result)


def test_another_primary_key_is_refused(connection, schema):
    connection.execute("ALTER TABLE daily_stats ADD PRIMARY KEY (_dlt_id)")
    message = refused(connection, schema)
    assert "another primary key, (_dlt_id), than (date, affiliate_id)" in message
    # What it says helps.
    connection.execute(message.partition("first: ")[2])
    assert take_over(connection, schema, "daily_stats", KEY).key_added


def test_what_is_not_there_is_refused(connection, schema):
    message = refused(connection, schema, key=["date", "offer_id", "Payout"])
    assert f"{schema}.daily_stats has no column offer_id, Payout" in message
    assert "It has: date, affiliate_id, affiliate_label, payout" in message
    assert "does not exist in the database" in refused(connection, schema, table="Daily_Stats")
    assert "is a view or a partitioned table" in refused(connection, schema, table="everything")
    assert "give the stream's key columns" in refused(connection, schema, key=[])
    assert "The client is empty" in refused(connection, schema, client_id="")


def test_a_column_that_can_be_no_key_is_refused(connection, schema):
    connection.execute("ALTER TABLE daily_stats ADD j json DEFAULT '{}'")
    assert "could not identify an equality operator for type json" in (
        refused(connection, schema, key=["j"])
    )


def test_only_the_owner_may(server, connection, schema):
    role = f"reader_of_{schema}"
    connection.execute(f"""
        CREATE ROLE {role} LOGIN;
        GRANT USAGE ON SCHEMA {schema} TO {role};
        GRANT ALL ON daily_stats TO {role}
    """)
    with psycopg.connect(server.libpq_url, user=role, autocommit=True) as other:
        other.execute(f"SET search_path TO {schema}")
        message = refused(other, schema)
        assert f"belongs to 'postgres', and '{role}' may not change it" in message
        connection.execute(message.partition("run: ")[2])
        message = refused(other, schema)
        assert f"permission denied for schema {schema}" in message
        connection.execute(message.partition("grant: ")[2])
        assert take_over(other, schema, "daily_stats", KEY).has_changes


def test_a_table_in_use_is_not_waited_for_forever(server, connection, schema, monkeypatch):
    monkeypatch.setattr(f"{take_over.__module__}._LOCK_TIMEOUT", "50ms")
    with psycopg.connect(server.libpq_url) as other:
        other.execute(f"SELECT count(*) FROM {schema}.daily_stats")
        assert "is in use for more than 50ms" in refused(connection, schema)
    assert rows(connection, "SHOW lock_timeout") == [("0",)]


@pytest.fixture
def command(server, connection, schema, monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("TARGET_POSTGRES_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("SIGNALROOM_PGDATA", str(server.home))

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, ["take-over", *arguments])
        assert result.exit_code == code, result.output
        return result.output.replace(schema, "legacy")

    return run


OPTIONS = ("--key", "date", "--key", "affiliate_id")


def test_the_command_says_what_it_did(command, connection, schema, appended):
    table = f"{schema}.daily_stats"
    before = everything_of(connection, schema)
    tried = command(table, *OPTIONS, "--client-id", "acme", "--dry-run")
    assert everything_of(connection, schema) == before
    assert tried.splitlines() == [
        "legacy.daily_stats can be taken over. This is what would be done:",
        "rows          3",
        "key           _client_id, date, affiliate_id (new primary key)",
        (
            "for example   _client_id = acme, date = 2024-05-01, affiliate_id = 2; the stream's "
            "must look the same"
        ),
        "client        3 rows had none and got it",
        "clients       acme (3 rows); the tap's `client_id` must be the same",
        (
            "duplicates    4 rows older than another of the same key, moved to "
            "legacy.daily_stats__duplicates"
        ),
        "may be NULL   affiliate_label, _dlt_load_id, _dlt_id",
        (
            "not filled    daily_stats__tags: child tables, which stay as they are; new rows have "
            "their lists as JSON in legacy.daily_stats"
        ),
        "This was a dry run: nothing was changed.",
    ]
    done = command(table, *OPTIONS, "--client-id", "acme")
    assert done.splitlines() == ["legacy.daily_stats is taken over.", *tried.splitlines()[1:-1]]
    assert "nothing to change" in command(table, *OPTIONS, "--client-id", "acme")


def test_the_command_goes_where_the_target_loads_to(
    command, server, connection, monkeypatch, schema
):
    monkeypatch.setenv("SIGNALROOM_PGDATA", "/nowhere/at/all")
    monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", server.sqlalchemy_url)
    assert "is taken over" in command(f"{schema}.daily_stats", *OPTIONS)
    monkeypatch.setenv(
        "TARGET_POSTGRES_SQLALCHEMY_URL", "postgresql://u:topsecret@/d?host=/nowhere"
    )
    output = command("s.t", "--key", "id", code=75)
    assert "Error: Cannot connect to PostgreSQL at /nowhere:5432" in output
    assert "topsecret" not in output


def test_the_command_ends_with_a_sentence(command):
    assert "'daily_stats' has no schema" in command("daily_stats", *OPTIONS, code=2)
    output = command("nowhere.daily_stats", *OPTIONS, code=1)
    assert output.startswith(
        "Error: The table nowhere.daily_stats does not exist in the database 'signal"
    )
    assert "with --key, or the tap's catalog with --catalog" in command(
        "everflow.daily_stats", code=2
    )


@pytest.mark.parametrize("client", ({}, {"_client_id": "acme"}), ids=("alone", "with a client"))
def test_the_target_goes_on_loading(command, connection, schema, tmp_path, client):
    command(f"{schema}.daily_stats", *OPTIONS, *(f"--client-id={name}" for name in client.values()))
    settings = {
        "default_target_schema": schema,
        "add_record_metadata": False,
        "activate_version": False,
        "use_copy": True,
        "validate_records": False,
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    stream = {
        "type": "SCHEMA",
        "stream": "daily_stats",
        "key_properties": [*client, *KEY],
        "schema": {
            "properties": {
                **{key: {"type": "string"} for key in client},
                "date": {"type": "string", "format": "date"},
                "affiliate_id": {"type": "integer"},
                "payout": {"type": ["number", "null"]},
                "clicks": {"type": ["integer", "null"]},
            }
        },
    }
    records = [
        {"date": "2024-05-01", "affiliate_id": 1, "payout": 11.5, "clicks": 7},
        {"date": "2024-05-03", "affiliate_id": 1, "payout": 4, "clicks": None},
    ]
    messages = [
        stream,
        *(
            {"type": "RECORD", "stream": "daily_stats", "record": client | record}
            for record in records
        ),
    ]
    for _ in range(2):
        loaded = subprocess.run(
            [EXECUTABLE, "--config", tmp_path / "config.json"],
            input="".join(json.dumps(message) + "\n" for message in messages),
            capture_output=True,
            text=True,
            check=False,
        )
        assert loaded.returncode == 0, loaded.stderr
    assert rows(
        connection,
        "SELECT date, affiliate_id, affiliate_label, payout, clicks, _dlt_id FROM daily_stats"
        " ORDER BY 1, 2",
    ) == [
        ("2024-05-01", 1, "one", 11.5, 7, "a"),
        ("2024-05-01", 2, "two", 20, None, "b"),
        ("2024-05-02", 1, "one", 30, None, "c"),
        ("2024-05-03", 1, None, 4, None, None),
    ]
    assert rows(connection, LEGACY_QUERY)[0] == ("2024-05-01", "one", 11.5, 0, "vip")


@pytest.mark.parametrize(
    ("type_", "actual", "value", "expected"),
    (
        ("jsonb", "text", "'a'", "a"),
        ("json", "bigint[]", "'{1,2}'", [1, 2]),
        ("numeric(38,9)", "text", "'1.5'", Decimal("1.5")),
        ("numeric(38,9)", "jsonb", "'{}'", None),
        ("character varying", "text[]", "'{a,b}'", "a|b"),
        ("bigint", "boolean", "true", 1),
        ("bigint", "double precision", "2", 2),
        ("bigint", "double precision", "2.5", None),
        ("date", "text", "'2026-02-29'", None),
    ),
)
def test_a_value_has_the_type_of_dlts_column(connection, type_, actual, value, expected):
    converted = convert_to(type_, actual, sql.SQL(f"({value}::{actual})"))
    assert connection.execute(sql.SQL("SELECT {}").format(converted)).fetchone() == (expected,)


def test_a_type_that_dlt_does_not_use_is_not_converted_to():
    assert convert_to("interval", "text", sql.SQL("''")) is None
