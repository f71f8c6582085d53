"""What the loader's user may not do, and tables that are not plain ones: what is said of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.engine import make_url
from warehouse import record, schema, state

from signalroom_target_postgres.connection.row_errors import rejects_row
from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.warehouse.rejected import BadRecordError

PROPERTIES = {"id": {"type": "integer"}, "client": "string", "name": "string"}
TABLE = "CREATE TABLE orders (id bigint PRIMARY KEY, client text, name text);"


@pytest.fixture
def limited(warehouse):
    """The same schema as another user sees it, who has no rights yet."""
    user = f"{warehouse.name}_loader"
    warehouse.sql(f"CREATE ROLE {user} LOGIN")
    url = make_url(warehouse.sqlalchemy_url).set(username=user)
    yield replace(warehouse, sqlalchemy_url=url.render_as_string(hide_password=False))
    with suppress(psycopg.Error):
        warehouse.sql(f"DROP OWNED BY {user} CASCADE")
    warehouse.sql(f"DROP ROLE {user}")


def prepared(warehouse, statements):
    """Statements by the owner; `{user}` is the loader's."""
    user = f"{warehouse.name}_loader"
    warehouse.sql(statements.format(user=user, schema=warehouse.name))


ACTIVATION = {"type": "ACTIVATE_VERSION", "stream": "orders"}
ALL = (
    "GRANT ALL ON SCHEMA {schema} TO {user}; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {user};"
)


@pytest.mark.parametrize(
    ("statements", "keys", "advice"),
    (
        pytest.param("SELECT 1", ("id",), "GRANT USAGE, CREATE ON SCHEMA", id="schema"),
        pytest.param(
            "GRANT USAGE ON SCHEMA {schema} TO {user}",
            ("id",),
            "GRANT USAGE, CREATE ON SCHEMA",
            id="new table",
        ),
        pytest.param(
            f"{TABLE} GRANT USAGE ON SCHEMA {{schema}} TO {{user}}",
            ("id",),
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE",
            id="table",
        ),
        pytest.param(
            f"{TABLE} GRANT USAGE ON SCHEMA {{schema}} TO {{user}};"
            "GRANT SELECT, INSERT ON orders TO {user}",
            (),
            None,
            id="enough to append",
        ),
        pytest.param(
            f"CREATE TABLE orders (id bigint PRIMARY KEY); {ALL}",
            ("id",),
            "make the loader's user the owner (ALTER TABLE ... OWNER TO)",
            id="new column",
        ),
        pytest.param(
            f"CREATE TABLE orders (id bigint, client text, name text); {ALL}",
            ("id",),
            "make the loader's user the owner (ALTER TABLE ... OWNER TO)",
            id="new key",
        ),
        pytest.param(
            f"CREATE TABLE orders (n serial, id bigint PRIMARY KEY, client text, name text); {ALL}",
            ("id",),
            "GRANT USAGE ON SEQUENCE",
            id="sequence",
        ),
        pytest.param(
            f"{TABLE} CREATE TABLE audit (id bigint);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO {schema}.audit VALUES (1); RETURN NEW; END $$;"
            "CREATE TRIGGER noting BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note();"
            f"{ALL} REVOKE ALL ON audit FROM {{user}}",
            ("id",),
            "note(), line 1)",
            id="in a trigger",
        ),
    ),
)
def test_a_right_that_is_missing_is_named(warehouse, limited, statements, keys, advice):
    prepared(warehouse, statements)
    run = (schema(PROPERTIES, keys), record(id=1, name="secret"))
    if advice is None:
        limited.load(*run)
        assert [row["id"] for row in warehouse.rows()] == [1]
        return
    with pytest.raises(LoadError) as caught:
        limited.load(*run, on_bad_record="quarantine")
    assert "permission denied" in str(caught.value) or "must be owner" in str(caught.value)
    assert advice in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_new_schema_takes_a_right_on_the_database(limited):
    with pytest.raises(LoadError, match=r"for database .*GRANT CREATE ON DATABASE"):
        limited.load(schema(PROPERTIES), default_target_schema=f"{limited.name}_new")


def test_merging_takes_the_right_to_temporary_tables(warehouse, limited):
    prepared(warehouse, f"{TABLE} INSERT INTO orders VALUES (1); {ALL}")
    database = make_url(warehouse.sqlalchemy_url).database
    warehouse.sql(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
    try:
        with pytest.raises(LoadError, match="GRANT TEMPORARY ON DATABASE to the loader's user"):
            limited.load(schema(PROPERTIES), record(id=1))
    finally:
        warehouse.sql(f'GRANT TEMPORARY ON DATABASE "{database}" TO PUBLIC')


POLICY = (
    f"{TABLE} INSERT INTO orders VALUES (1, 'birch', 'old');"
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
    "CREATE POLICY own ON orders USING (client = 'acme');"
)


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
@pytest.mark.parametrize("load_method", ("upsert", "append-only", "overwrite"))
@pytest.mark.parametrize("owner", (False, True), ids=("granted", "forced"))
def test_policies_of_row_level_security_are_obeyed(warehouse, limited, keys, load_method, owner):
    """The user sees no row at first, and the table looks empty."""
    by_key = bool(keys) and load_method != "append-only"
    statements = POLICY + ALL
    if owner:
        statements += "ALTER TABLE orders FORCE ROW LEVEL SECURITY;"
        statements += "ALTER TABLE orders OWNER TO {user};"
    if not by_key:
        statements = statements.replace(" PRIMARY KEY", "")
    prepared(warehouse, statements)
    messages = [
        schema(PROPERTIES, keys),
        record(id=2, client="acme", name="a"),
        record(id=3, client="birch", name="b"),
        *([record(id=1, client="acme", name="taken")] if by_key else []),
    ]
    settings = {"load_method": load_method}
    if load_method == "overwrite":
        settings |= {"activate_version": True, "add_record_metadata": True}
        messages.append({"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1})
        prepared(
            warehouse,
            "ALTER TABLE orders OWNER TO {user}; ALTER TABLE orders FORCE ROW LEVEL SECURITY",
        )
    limited.load(*messages, on_bad_record="quarantine", **settings)
    rows = [(row["id"], row["client"], row["name"]) for row in warehouse.rows()]
    assert rows == [(1, "birch", "old"), (2, "acme", "a")]
    refused = warehouse.sql("SELECT record->'id' AS id, reason FROM orders__rejected ORDER BY 1")
    assert [row["id"] for row in refused] == ([1, 3] if by_key else [3])
    assert {row["reason"] for row in refused} == {
        "the table's row-level security policies forbid it"
    }
    with pytest.raises(BadRecordError, match="row-level security policies"):
        limited.load(*messages, **settings)


@pytest.mark.parametrize("hard_delete", (True, False))
@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
def test_rows_that_a_policy_shows_and_keeps_are_an_error(warehouse, limited, keys, hard_delete):
    """PostgreSQL leaves them out of DELETE without a word; old and new rows stood side by side."""
    settings = {"activate_version": True, "add_record_metadata": True, "hard_delete": hard_delete}
    stream = schema(PROPERTIES, keys)
    first = record(id=1) | {"version": 1}, {**ACTIVATION, "version": 1}
    warehouse.load(stream, *first, **settings)
    prepared(
        warehouse,
        f"{ALL} ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY reads ON orders FOR SELECT USING (true);"
        "CREATE POLICY adds ON orders FOR INSERT WITH CHECK (true);",
    )
    missing = "DELETE" if hard_delete else "UPDATE"
    second = record(id=2) | {"version": 2}, {**ACTIVATION, "version": 2}
    with pytest.raises(LoadError, match=f"Row-level security of .* does not let it {missing}"):
        limited.load(stream, *second, **settings)
    prepared(warehouse, f"CREATE POLICY more ON orders FOR {missing} USING (true)")
    limited.load(stream, *second, **settings)
    left = [row["id"] for row in warehouse.rows() if row["_sdc_deleted_at"] is None]
    assert left[-1] == 2
    assert 1 not in left


def with_policies(warehouse, *policies, rows="(1, 'acme', 'old')", key=" PRIMARY KEY"):
    """A table with policies `name FOR ...`, which the loader's user may do all with."""
    table = TABLE.replace(" PRIMARY KEY", key)
    made = "".join(f"CREATE POLICY {policy};" for policy in policies)
    prepared(
        warehouse,
        f"{table} INSERT INTO orders VALUES {rows};"
        f"ALTER TABLE orders ENABLE ROW LEVEL SECURITY; {ALL} {made}",
    )


def nothing_was_set_aside(warehouse):
    return warehouse.sql("SELECT to_regclass('orders__rejected') AS there") == [{"there": None}]


ADDS = "adds ON orders FOR INSERT WITH CHECK (true)"
READS = "reads ON orders FOR SELECT USING (true)"
CHANGES = "changes ON orders FOR UPDATE USING (true)"
OTHERS = "others ON orders FOR ALL TO pg_monitor USING (true)"
NARROWS = "narrows ON orders AS RESTRICTIVE FOR UPDATE USING (true)"


@pytest.mark.parametrize("settings", ({}, {"on_bad_record": "quarantine"}), ids=("fail", "aside"))
@pytest.mark.parametrize(
    ("policies", "missing"),
    (
        ((), "SELECT, INSERT, UPDATE"),
        ((ADDS,), "SELECT, UPDATE"),
        ((ADDS, OTHERS), "SELECT, UPDATE"),
        ((ADDS, READS), "UPDATE"),
        ((ADDS, READS, NARROWS), "UPDATE"),
        ((READS, CHANGES), "INSERT"),
    ),
    ids=("none", "insert", "others'", "no update", "restrictive update", "no insert"),
)
def test_a_policy_that_merging_takes_is_named(warehouse, limited, policies, missing, settings):
    with_policies(warehouse, *policies)
    messages = [
        schema(PROPERTIES),
        *(record(id=number, client="acme", name="secret") for number in (1, 2, 3)),
        state(at=1),
    ]
    with pytest.raises(LoadError, match=f"no policy FOR {missing} that applies") as caught:
        limited.load(*messages, **settings)
    said = str(caught.value)
    assert "needs policies FOR SELECT, INSERT and UPDATE" in said
    assert "secret" not in said
    assert nothing_was_set_aside(warehouse)
    assert [row["name"] for row in warehouse.rows()] == ["old"]
    statements = said[said.index("CREATE POLICY") :].replace("(...)", "(true)")
    warehouse.sql(statements)
    assert limited.load(*messages, **settings) == [{"at": 1}]
    assert [row["name"] for row in warehouse.rows()] == ["secret"] * 3


def test_a_policy_that_keeping_rejected_records_takes_is_named(warehouse, limited):
    with_policies(warehouse, ADDS, READS, CHANGES)
    bad = (schema(PROPERTIES), record(id="secret"))
    limited.load(*bad, on_bad_record="quarantine")
    warehouse.sql(
        "ALTER TABLE orders__rejected ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    with pytest.raises(LoadError, match="orders__rejected has no policy FOR SELECT, INSERT") as e:
        limited.load(*bad, on_bad_record="quarantine")
    said = str(e.value)
    assert "Keeping rejected records needs" in said
    for condition, advice in (("false", "Let its owner CREATE POLICY"), ("true", None)):
        warehouse.sql(said[said.index("CREATE POLICY") :].replace("(...)", f"({condition})"))
        if advice:
            with pytest.raises(LoadError, match=advice):
                limited.load(*bad, on_bad_record="quarantine")
            for command in ("select", "insert", "update"):
                warehouse.sql(f"DROP POLICY loader_{command} ON orders__rejected")
    limited.load(*bad, on_bad_record="quarantine")
    assert [row["times"] for row in warehouse.rows("orders__rejected")] == [2]


def test_a_setting_that_a_policy_reads_is_explained(warehouse, limited):
    with_policies(warehouse, "mine ON orders USING (client = current_setting('app.client'))")
    run = schema(PROPERTIES), record(id=2, client="acme")
    with pytest.raises(LoadError, match=r"reads a setting .*ALTER ROLE \.\.\. SET it"):
        limited.load(*run, on_bad_record="quarantine")
    role = f"{warehouse.name}_loader"
    warehouse.sql(f"ALTER ROLE {role} SET app.client = 'acme'")
    # A role's settings are read by new sessions, and a pooler keeps its own: PgBouncer's RECONNECT.
    warehouse.sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
    )
    limited.load(*run, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1, 2]


def test_rows_that_are_only_added_take_no_more_than_a_policy_for_insert(warehouse, limited):
    with_policies(warehouse, key="")
    messages = schema(PROPERTIES, ()), record(id=1, client="acme"), record(id=2, client="birch")
    with pytest.raises(LoadError, match=r"Adding rows needs a policy FOR INSERT"):
        limited.load(*messages, on_bad_record="quarantine")
    assert nothing_was_set_aside(warehouse)
    warehouse.sql("CREATE POLICY adds ON orders FOR INSERT WITH CHECK (client = 'acme')")
    limited.load(*messages, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1, 1]
    (refused,) = warehouse.rows("orders__rejected")
    assert refused["reason"] == "the table's row-level security policies forbid it"


def test_new_keys_are_added_where_rows_may_not_be_changed(warehouse, limited):
    """A policy for UPDATE is only needed once a row is there."""
    with_policies(warehouse, ADDS, READS)
    limited.load(schema(PROPERTIES), record(id=2), on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == [1, 2]


def test_a_batch_message_that_no_policy_lets_in(warehouse, limited, tmp_path):
    with_policies(warehouse, ADDS)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n')
    encoding = {"format": "jsonl", "compression": "none"}
    batch = {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": [str(path)]}
    with pytest.raises(LoadError, match="no policy FOR SELECT, UPDATE"):
        limited.load(schema(PROPERTIES), batch, on_bad_record="quarantine")
    assert nothing_was_set_aside(warehouse)


@pytest.mark.parametrize("hard_delete", (True, False))
@pytest.mark.parametrize("load_method", ("upsert", "overwrite"))
def test_rows_are_not_replaced_where_no_policy_shows_them(
    warehouse, limited, load_method, hard_delete
):
    """DELETE and UPDATE leave out all rows, without a word."""
    settings = {
        "activate_version": True,
        "add_record_metadata": True,
        "hard_delete": hard_delete,
        "load_method": load_method,
    }
    stream = schema(PROPERTIES, ())
    first = record(id=1) | {"version": 1}, {**ACTIVATION, "version": 1}
    warehouse.load(stream, *first, **settings)
    prepared(
        warehouse,
        f"{ALL} ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY {ADDS};"
        "CREATE POLICY removes ON orders FOR DELETE USING (true);"
        f"CREATE POLICY {CHANGES}",
    )
    second = record(id=2) | {"version": 2}, {**ACTIVATION, "version": 2}
    with pytest.raises(LoadError, match=r"no policy FOR SELECT .* Replacing rows needs"):
        limited.load(stream, *second, **settings)
    assert [row["id"] for row in warehouse.rows()] == [1]
    prepared(warehouse, f"CREATE POLICY {READS}")
    limited.load(stream, *second, **settings)
    gone = {row["id"]: row.get("_sdc_deleted_at") is not None for row in warehouse.rows()}
    is_marked = not hard_delete and load_method == "upsert"
    assert gone == ({1: True, 2: False} if is_marked else {2: False})


FAULTY = {
    "no return": ("BEFORE", "END", r"executed no return statement \(in function \w+\.faulty\(\)\)"),
    "no return for some": (
        "BEFORE",
        "IF NEW.id = 9 THEN RETURN NEW; END IF; END",
        r"executed no return statement \(in function \w+\.faulty\(\)\)",
    ),
    "a column that is missing": ("BEFORE", "NEW.missing := 1; RETURN NEW; END", "undefined column"),
    "a function that is missing": (
        "BEFORE",
        "PERFORM missing(1); RETURN NEW; END",
        "function missing",
    ),
    "a cast that is missing": (
        "AFTER",
        "PERFORM NEW.name + 1; RETURN NEW; END",
        "operator does not exist",
    ),
}


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
@pytest.mark.parametrize(("time", "body", "told"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_function_is_no_fault_of_the_rows(warehouse, keys, time, body, told):
    table = TABLE if keys else TABLE.replace(" PRIMARY KEY", "")
    warehouse.sql(
        f"{table} CREATE FUNCTION faulty() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body} $$;"
        f"CREATE TRIGGER t {time} INSERT ON orders FOR EACH ROW EXECUTE FUNCTION faulty()"
    )
    records = [record(id=number, name="secret") for number in (1, 2, 3)]
    with pytest.raises(LoadError, match=told) as caught:
        warehouse.load(schema(PROPERTIES, keys), *records, on_bad_record="quarantine")
    assert "secret" not in str(caught.value)
    assert nothing_was_set_aside(warehouse)
    assert warehouse.rows() == []
    if "id = 9" in body:
        good = record(id=9, name="good")
        warehouse.load(schema(PROPERTIES, keys), *records, good, on_bad_record="quarantine")
        assert [row["id"] for row in warehouse.rows()] == [9]
        assert len(warehouse.rows("orders__rejected")) == 3


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
def test_a_column_that_only_the_table_wants_is_no_fault_of_the_rows(warehouse, keys):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, _dlt_id text NOT NULL)")
    messages = schema({"id": {"type": "integer"}}, keys), record(id=1), record(id=2)
    with pytest.raises(LoadError, match=r"rejects all 2 records .*'_dlt_id': .* DROP NOT NULL"):
        warehouse.load(*messages, on_bad_record="quarantine")
    assert nothing_was_set_aside(warehouse)


VIEW = "VIEW orders AS SELECT 1 AS id, '' AS client, '' AS name"


@pytest.mark.parametrize(
    ("statements", "keys", "told"),
    (
        pytest.param(f"CREATE {VIEW}", ("id",), "plain table", id="view"),
        pytest.param(f"CREATE {VIEW}", (), "cannot insert", id="keyless view"),
        pytest.param(f"CREATE MATERIALIZED {VIEW}", (), "plain table", id="materialized view"),
        pytest.param(
            "CREATE TABLE orders (id bigint, client text, name text) PARTITION BY LIST (client)",
            ("id",),
            "`load_method` to append-only",
            id="partitioned",
        ),
        pytest.param(
            "CREATE TABLE orders (id bigint PRIMARY KEY, client text,"
            " name text GENERATED ALWAYS AS (client || '!') STORED)",
            ("id",),
            "leave the column out by a stream map",
            id="generated column",
        ),
        pytest.param(
            "CREATE TABLE orders (id bigint PRIMARY KEY DEFERRABLE, client text, name text)",
            ("id",),
            "primary key that is deferrable: make it one that is not",
            id="deferrable key",
        ),
        pytest.param(
            f"{TABLE} CREATE TABLE others (LIKE orders);"
            "CREATE RULE also AS ON INSERT TO orders DO ALSO INSERT INTO others VALUES (NEW.id)",
            ("id",),
            "Drop the table's rules",
            id="rule",
        ),
    ),
)
def test_a_table_that_cannot_be_loaded_is_explained(warehouse, statements, keys, told):
    warehouse.sql(statements)
    with pytest.raises(LoadError, match=told):
        warehouse.load(schema(PROPERTIES, keys), record(id=1), on_bad_record="quarantine")


def test_views_and_partitions_that_take_rows_are_loaded(warehouse):
    warehouse.sql(
        "CREATE TABLE all_orders (id bigint, client text, name text) PARTITION BY LIST (client);"
        "CREATE TABLE acme PARTITION OF all_orders FOR VALUES IN ('acme');"
        "CREATE VIEW orders AS SELECT * FROM all_orders WHERE name <> 'x' WITH CHECK OPTION"
    )
    warehouse.load(
        schema(PROPERTIES, ()),
        record(id=1, client="acme", name="a"),
        record(id=2, client="birch", name="b"),
        record(id=3, client="acme", name="x"),
        on_bad_record="quarantine",
    )
    assert [row["id"] for row in warehouse.rows("acme")] == [1]
    refused = warehouse.sql("SELECT record->'id' AS id, reason FROM orders__rejected ORDER BY 1")
    assert [(row["id"], row["reason"]) for row in refused] == [
        (2, "the table has no partition for it"),
        (3, "the view's check option forbids it"),
    ]


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
def test_a_column_that_only_the_table_wants_is_explained(warehouse, keys):
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, _dlt_id text NOT NULL)")
    with pytest.raises(BadRecordError, match=r"'_dlt_id': .* DROP NOT NULL .*take-over"):
        warehouse.load(schema({"id": {"type": "integer"}}, keys), record(id=1))


def test_rows_that_another_table_refers_to_cannot_be_deleted(warehouse):
    warehouse.sql(
        f"{TABLE} CREATE TABLE items (orders bigint REFERENCES orders);"
        "INSERT INTO orders VALUES (1); INSERT INTO items VALUES (1)"
    )
    with pytest.raises(LoadError, match="ON DELETE CASCADE or SET NULL"):
        warehouse.load(
            schema(PROPERTIES, **{"x-replace-on-activate": True}),
            record(id=2),
            {"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1},
            activate_version=True,
            hard_delete=True,
            add_record_metadata=True,
        )
    assert [row["id"] for row in warehouse.rows()] == [1]


@pytest.mark.parametrize(
    ("setting", "advice"),
    (
        ("statement_timeout = '100ms'", "raise statement_timeout for the loader's user"),
        ("lock_timeout = '100ms'", "raise lock_timeout for the loader's user"),
        ("default_transaction_read_only = on", "connect to the primary"),
    ),
)
def test_limits_of_the_user_are_no_fault_of_a_row(warehouse, limited, setting, advice):
    prepared(warehouse, f"{TABLE} {ALL} ALTER ROLE {{user}} SET {setting}")
    with psycopg.connect(warehouse.libpq_url) as other:
        if "timeout" in setting:
            other.execute(f"LOCK TABLE {warehouse.name}.orders IN SHARE MODE")
        with pytest.raises(LoadError, match=advice):
            limited.load(schema(PROPERTIES), record(id=1), on_bad_record="quarantine")
    assert warehouse.rows() == []
    assert warehouse.sql("SELECT to_regclass('orders__rejected') AS there") == [{"there": None}]


@pytest.mark.parametrize(
    "error",
    (
        *(psycopg.OperationalError, errors.AdminShutdown, errors.ConnectionFailure),
        *(errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded),
        *(errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable),
        *(errors.QueryCanceled, errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction),
        *(errors.InFailedSqlTransaction, errors.UndefinedTable, errors.FeatureNotSupported),
        *(errors.IoError, errors.DataCorrupted, errors.InternalError_, errors.TooManyColumns),
    ),
)
def test_no_row_is_blamed_for_what_befalls_all(error):
    assert not rejects_row(error("anything"))
