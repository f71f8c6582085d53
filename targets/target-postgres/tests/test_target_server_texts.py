"""What the server says of errors is repeated without the values that it quotes."""

from __future__ import annotations

import psycopg
import pytest
from warehouse import record, schema

from signalroom_target_postgres.connection.row_errors import reason_of
from signalroom_target_postgres.connection.server_errors import describe_server_error
from signalroom_target_postgres.connection.server_messages import condition
from signalroom_target_postgres.errors import TargetPostgresError

FIELDS = {"id": {"type": "integer"}, "name": "string"}
#: What is made of a text in a constraint.
CASTS = (
    *("regclass", "regtype", "regrole", "regnamespace", "regproc", "regprocedure", "regoper"),
    *("regoperator", "regconfig", "regdictionary", "regcollation", "smallint", "integer", "bigint"),
    *("numeric", "numeric(3,1)", "real", "double precision", "money", "boolean", "date", "time"),
    *("timestamp", "timestamptz", "interval", "inet", "cidr", "macaddr", "uuid", "json", "jsonb"),
    *("xml", "jsonpath", "tsquery", "tsvector", "point", "polygon", "circle", "bit(8)", "bytea"),
    *("oid", "xid8", "pg_lsn", "integer[]", "int4range", "int4multirange", "pg_snapshot"),
)
EXPRESSIONS = {
    **{f"cast to {one}": f"name::{one}::text" for one in CASTS},
    "regular expression": "'x' ~ name",
    "options of one": "regexp_replace('x', 'x', 'y', name)",
    "time zone": "now() AT TIME ZONE name",
    "encoding": "convert_to('x', name)",
    "text encoding": "decode(name, 'hex')",
    "decoding": "decode('x', name)",
    "setting": "current_setting(name)",
    "new setting": "set_config('TimeZone', name, true)",
    "sequence": "nextval(name)",
    "serial": "pg_get_serial_sequence(name, 'id')",
    "column's serial": "pg_get_serial_sequence('orders', name)",
    "date": "to_date(name, 'YYYY-MM-DD')",
    "number": "to_number(name, '99')",
    "unit": "date_trunc(name, now())",
    "part": "date_part(name, now())",
    "format": "format('%' || name)",
    "file": "pg_read_file(name)",
    "right": "has_table_privilege(name, 'select')",
    "query": "query_to_xml(name, true, true, '')",
    "search": "to_tsvector(name::regconfig, 'x')",
    "normal form": "normalize(name)",
    "json key": "jsonb_set('{}', ARRAY[name], NULL)",
    "large object": "lo_get(length(name)::oid)",
}
#: Of one word, quoted in itself, of several parts, of several lines, and more like a statement.
SECRETS = (
    "secret",
    'se"cret secret',
    "secret.a.secret.b.secret",
    "a\nsecret\nb",
    "secret(secret) x",
)
STATEMENTS = {
    "a table": "EXECUTE 'SELECT * FROM ' || NEW.name",
    "a quoted table": "EXECUTE 'SELECT * FROM ' || quote_ident(NEW.name)",
    "a column": "EXECUTE 'SELECT ' || NEW.name",
    "a function": "EXECUTE 'SELECT ' || quote_ident(NEW.name) || '()'",
    "a type": "EXECUTE 'SELECT 1::' || quote_ident(NEW.name)",
    "a role": "EXECUTE 'SET ROLE ' || quote_ident(NEW.name)",
    "a new table": "EXECUTE 'CREATE TABLE ' || quote_ident(NEW.name) || ' (a int, a int)'",
    "an assertion": "ASSERT false, NEW.name",
    "a cast": "PERFORM NEW.name::integer",
    "a table's name": "PERFORM NEW.name::regclass",
    "an exception": "RAISE EXCEPTION '%', NEW.name",
    "an exception's parts": (
        "RAISE foreign_key_violation USING MESSAGE = NEW.name, HINT = NEW.name, DETAIL = NEW.name,"
        " COLUMN = NEW.name, TABLE = NEW.name, SCHEMA = NEW.name, CONSTRAINT = NEW.name,"
        " DATATYPE = NEW.name"
    ),
    "an exception of rights": (
        "RAISE insufficient_privilege USING MESSAGE = 'permission denied for table ' || NEW.name"
    ),
    "a key": "INSERT INTO keys VALUES (NEW.name), (NEW.name)",
    "a function in SQL": "PERFORM casts(NEW.name)",
    "a division": "PERFORM 1 / (length(NEW.name) - length(NEW.name))",
}


def said(warehouse, caplog, name, keys):
    """All that comes of a record."""
    texts = []
    for setting in ("fail", "quarantine"):
        try:
            warehouse.load(schema(FIELDS, keys), record(id=1, name=name), on_bad_record=setting)
        except TargetPostgresError as error:
            texts.append(str(error))
    if warehouse.sql("SELECT to_regclass('orders__rejected') AS there")[0]["there"]:
        texts += [row["reason"] for row in warehouse.rows("orders__rejected")]
    return "\n".join((*texts, caplog.text))


class OtherError(psycopg.errors.Error):
    """An error of a server that is nearly PostgreSQL."""

    sqlstate = "XXUUU"


def test_an_error_that_postgresql_does_not_have():
    assert condition(OtherError()) == "an error with SQLSTATE XXUUU"


def insert(cursor, name):
    cursor.execute("INSERT INTO orders VALUES (1, %s)", (name,))


def copy(cursor, name):
    with cursor.copy("COPY orders FROM STDIN") as lines:
        lines.write_row((1, name))


@pytest.mark.parametrize("way", (insert, copy), ids=("INSERT", "COPY"))
def test_a_constraint_that_quotes_a_value(warehouse, way):
    refused = set()
    with (
        psycopg.connect(warehouse.libpq_url, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SET search_path TO {warehouse.name}")
        for what, expression in EXPRESSIONS.items():
            cursor.execute("DROP TABLE IF EXISTS orders")
            check = f"CHECK (({expression}) IS NOT NULL OR id = 0)"
            try:
                cursor.execute(f"CREATE TABLE orders (id bigint, name text, {check})")
            except psycopg.Error:
                continue  # This server does not have it.
            for secret in SECRETS:
                try:
                    way(cursor, secret)
                except psycopg.Error as error:
                    refused.add(what)
                    reasons = (
                        str(reason_of(error)),
                        describe_server_error(error, {"orders", "name"}),
                    )
                    assert "cret" not in "".join(reasons), (what, secret, reasons)
    assert len(refused) > len(EXPRESSIONS) * 0.75, EXPRESSIONS.keys() - refused


@pytest.mark.parametrize("keys", (("id",), ()), ids=("keyed", "keyless"))
@pytest.mark.parametrize("what", ("cast to regclass", "cast to regproc", "time zone", "file"))
def test_a_constraint_that_quotes_a_value_while_loading(warehouse, caplog, what, keys):
    caplog.set_level("INFO")
    key = " PRIMARY KEY" if keys else ""
    check = f"CHECK (({EXPRESSIONS[what]}) IS NOT NULL)"
    warehouse.sql(f"CREATE TABLE orders (id bigint{key}, name text, {check})")
    text = said(warehouse, caplog, "secret", keys)
    assert "reject" in text or "refuse" in text
    assert "cret" not in text


@pytest.mark.parametrize("secret", SECRETS[:2])
@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_function_that_quotes_a_value(warehouse, caplog, statement, secret):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text);"
        "CREATE TABLE keys (key text PRIMARY KEY);"
        "CREATE FUNCTION casts(text) RETURNS date STABLE LANGUAGE sql"
        " AS 'SELECT CASE WHEN length($1) > 0 THEN $1::date END';"
        f"CREATE FUNCTION quotes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement};"
        " RETURN NEW; END $$ SET search_path FROM CURRENT;"
        "CREATE TRIGGER quoting BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION quotes()"
    )
    text = said(warehouse, caplog, secret, ("id",))
    assert "cret" not in text
    # The place is named in its stead.
    assert "quotes(), line 1" in text


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("type_", ("integer", "date", "regclass", "inet", "jsonb", "uuid[]"))
def test_a_column_that_quotes_a_value(warehouse, caplog, type_, secret):
    """COPY names the column and the line, with what is there."""
    warehouse.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, name {type_})")
    warehouse.sql("CREATE VIEW fixing AS SELECT name FROM orders")
    assert "cret" not in said(warehouse, caplog, secret, ("id",))


def test_names_of_the_table_are_repeated(warehouse):
    """What the loader's own statement is refused for is said with its names."""
    warehouse.load(schema(FIELDS))
    warehouse.sql("ALTER TABLE orders DROP COLUMN name")
    warehouse.sql("ALTER TABLE orders ADD COLUMN name text GENERATED ALWAYS AS ('x') STORED")
    with pytest.raises(TargetPostgresError, match='column "name" is a generated column'):
        warehouse.load(schema(FIELDS), record(id=1, name="secret"))


@pytest.mark.parametrize(
    ("statement", "told"),
    (
        ("INSERT INTO missing VALUES (1)", 'relation "missing" does not exist'),
        ("PERFORM missing FROM orders", 'column "missing" does not exist'),
        ("PERFORM missing(1)", "function missing(integer) does not exist"),
        ("EXECUTE 'SELECT missing(1)'", "undefined function"),
        ("FOR row IN EXECUTE 'SELECT missing' LOOP RETURN row; END LOOP", "undefined column"),
    ),
)
def test_names_of_a_functions_own_statements_are_repeated(warehouse, statement, told):
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name text);"
        "CREATE FUNCTION wrong() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE row record;"
        f" BEGIN {statement}; RETURN NEW; END $$ SET search_path FROM CURRENT;"
        "CREATE TRIGGER failing BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION wrong()"
    )
    with pytest.raises(TargetPostgresError) as caught:
        warehouse.load(schema(FIELDS), record(id=1, name="secret"))
    assert f"{told} (in function wrong(), line 1)" in str(caught.value)
