"""The history of a table: which rows it had at any moment since the history began."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow as pa
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import make_url
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.errors import InputError, LoadError
from signalroom_target_postgres.warehouse.history import History
from signalroom_target_postgres.warehouse.naming import with_suffix

PROPERTIES = {"id": {"type": "integer"}, "day": "integer", "payout": "integer"}
HISTORY = {"history_streams": ["orders"]}
METADATA = {"add_record_metadata": True, "activate_version": True, "hard_delete": True}
CLOSED = "server closed the connection unexpectedly"
AS_OF = "valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)"


def row(number, payout=1, day=1):
    return record(id=number, day=day, payout=payout)


def scoped(properties=PROPERTIES, keys=("id",)):
    return schema(properties, keys, **{"x-complete-scopes": True})


def complete(where=None, **value):
    """A STATE message that says that the records are all of a scope; by default of day 1."""
    scope = {"stream": "orders", "where": {"day": {"in": [1]}} if where is None else where}
    return state(**value) | {"x-complete-scopes": [scope]}


@pytest.fixture
def kept(warehouse):
    """A warehouse whose stream `orders` has a history."""
    warehouse.settings |= HISTORY
    return warehouse


@pytest.fixture
def filled(kept):
    """Rows 1 to 3."""
    kept.load(schema(PROPERTIES), row(1), row(2), row(3))
    return kept


def versions(warehouse, column="payout", table="orders__history"):
    """The values of each key's versions, oldest first; a key that is gone ends with None."""
    result = {}
    for version in warehouse.rows(table, "id, valid_from"):
        values = result.setdefault(version["id"], [])
        assert version["valid_to"] is None or version["valid_from"] < version["valid_to"]
        if values and values[-1][1] != version["valid_from"]:
            values.append((None, None))
        values.append((version[column], version["valid_to"]))
    return {
        key: [value for value, _ in values] + [None] * (values[-1][1] is not None)
        for key, values in result.items()
    }


def now(warehouse):
    return warehouse.sql("SELECT clock_timestamp() AS at")[0]["at"]


def contents(warehouse, table="orders"):
    return {each["id"]: (each["day"], each["payout"]) for each in warehouse.rows(table)}


def as_of(warehouse, moment):
    """The rows that the table had at a moment."""
    rows = warehouse.sql(f"SELECT * FROM orders__history WHERE {AS_OF}", moment, moment)
    by_key = {each["id"]: (each["day"], each["payout"]) for each in rows}
    assert len(by_key) == len(rows), "one version of each row"
    return by_key


def agrees(warehouse, table="orders", history="orders__history", where="true"):
    """Whether the current versions are the rows of the table, by all columns that they share."""
    own = {"valid_from", "valid_to", "_loaded_at"}
    columns = ", ".join(
        f'"{name}"'
        for name in warehouse.types(table)
        if name not in own and not name.startswith("_sdc_")
    )
    rows = f'SELECT {columns} FROM "{table}" WHERE {where}'
    current = f'SELECT {columns} FROM "{history}" WHERE valid_to IS NULL'
    query = f"(({rows}) EXCEPT ALL ({current})) UNION ALL (({current}) EXCEPT ALL ({rows}))"
    return warehouse.sql(query) == []


class TestVersions:
    def test_a_new_row_begins_one(self, kept):
        before = now(kept)
        kept.load(schema(PROPERTIES), row(1, 5))
        (version,) = kept.rows("orders__history")
        assert version.pop("valid_from") > before
        assert version == {"id": 1, "day": 1, "payout": 5, "valid_to": None}
        assert [*kept.types("orders__history")] == [*PROPERTIES, "valid_from", "valid_to"]

    def test_a_change_ends_one_and_begins_another_at_the_same_moment(self, filled):
        filled.load(schema(PROPERTIES), row(2, 5))
        first, second = filled.sql("SELECT * FROM orders__history WHERE id = 2 ORDER BY valid_from")
        assert (first["payout"], second["payout"]) == (1, 5)
        assert first["valid_to"] == second["valid_from"]
        assert second["valid_to"] is None
        assert versions(filled) == {1: [1], 2: [1, 5], 3: [1]}

    def test_an_unchanged_row_begins_none(self, filled):
        before = filled.rows("orders__history")
        filled.load(schema(PROPERTIES), row(1), row(2), row(3))
        assert filled.rows("orders__history") == before

    def test_only_the_last_record_of_a_batch_is_one(self, filled):
        filled.load(schema(PROPERTIES), row(1, 5), row(1, 6), row(2, 5), row(2, 1))
        assert versions(filled) == {1: [1, 6], 2: [1], 3: [1]}

    def test_each_batch_has_its_own(self, filled):
        filled.load(schema(PROPERTIES), row(1, 5), row(2, 5), row(1, 6), batch_size_rows=2)
        assert versions(filled) == {1: [1, 5, 6], 2: [1, 5], 3: [1]}

    def test_null_is_a_value(self, filled):
        filled.load(schema(PROPERTIES), row(1, None), row(2, None))
        filled.load(schema(PROPERTIES), row(1, None), row(2, 1))
        assert versions(filled) == {1: [1, None], 2: [1, None, 1], 3: [1]}

    def test_of_all_streams_that_a_pattern_names(self, warehouse):
        names = ("daily_stats", "daily_costs", "offers")
        messages = [(schema(PROPERTIES, stream=name), record(name, id=1)) for name in names]
        flat = [message for pair in messages for message in pair]
        warehouse.load(*flat, history_streams="daily_*, conversions")
        tables = warehouse.sql(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relname LIKE '%%history' ORDER BY 1",
            warehouse.name,
        )
        assert [each["relname"] for each in tables] == [
            "daily_costs__history",
            "daily_stats__history",
        ]

    def test_what_the_loader_writes_with_each_run_is_no_change(self, kept):
        properties = PROPERTIES | {"_loaded_at": {"type": "string", "format": "date-time"}}
        message = record(id=1, payout=7, _loaded_at="2026-01-01T00:00:01Z")
        for _ in range(2):
            kept.load(schema(properties), message, add_record_metadata=True)
            kept.sql("UPDATE orders SET _loaded_at = now(), _sdc_sequence = 9")
        (version,) = kept.rows("orders__history")
        assert version["_loaded_at"].second == 1
        assert version["_sdc_batched_at"] is not None

    @pytest.mark.parametrize(
        ("type_", "before", "same", "after"),
        (
            ("json", '{"a": [1, 2]}', '{"a": [1, 2]}', '{"a": [2, 1]}'),
            ("jsonb", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": 1}'),
            ("jsonb[]", '{"{\\"a\\": 1}"}', '{"{\\"a\\":1}"}', '{"{\\"a\\": 2}"}'),
            ("numeric", "1.0", "1.00", "1.01"),
            ("double precision", "NaN", "NaN", "0"),
            ("text", "a", "a", "A"),
            ("text[]", "{a,b}", "{a,b}", "{a,B}"),
            ("interval", "1 day", "1 day", "24:00:00"),
            ("point", "(1,2)", "(1,2)", "(2,1)"),
            ("timestamptz", "2026-12-01T00:00Z", "2026-12-01T01:00+01", "2026-12-01T00:00:01Z"),
        ),
    )
    def test_of_a_column_of_any_type(self, kept, type_, before, same, after):
        kept.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, other {type_})")
        kept.load(schema({"id": {"type": "integer"}}), record(id=1))
        for value in (before, same, after):
            kept.sql("UPDATE orders SET other = %s", value)
            kept.load(schema({"id": {"type": "integer"}}), record(id=1))
        texts = kept.sql(
            "SELECT other::text AS other FROM orders__history WHERE other IS NOT NULL "
            "ORDER BY valid_from"
        )
        assert len(texts) == 2
        assert texts[0] != texts[1]


class TestRemovedRows:
    @pytest.mark.parametrize("method", ("delete", "mark", "archive"))
    def test_they_end_and_begin_again(self, filled, method):
        settings = {"removed_rows": method}
        filled.load(scoped(), row(1), row(3, 5), complete(), **settings)
        assert versions(filled) == {1: [1], 2: [1, None], 3: [1, 5]}
        filled.load(scoped(), row(1), row(3, 5), complete(), **settings)
        assert versions(filled) == {1: [1], 2: [1, None], 3: [1, 5]}
        filled.load(scoped(), row(1), row(2), row(3, 5), complete(), **settings)
        assert versions(filled) == {1: [1], 2: [1, None, 1], 3: [1, 5]}
        if method == "archive":
            assert [each["id"] for each in filled.rows("orders__removed")] == [2]

    def test_those_that_are_kept_do_not_end(self, filled):
        filled.load(scoped(), row(1), complete(), removed_rows="keep")
        assert versions(filled) == {1: [1], 2: [1], 3: [1]}

    def test_of_a_scope_of_few_rows(self, filled):
        filled.load(scoped(), row(1, day=2), row(9, day=2), complete({"day": {"in": [2]}}))
        assert contents(filled) == {1: (2, 1), 9: (2, 1), 2: (1, 1), 3: (1, 1)}
        assert versions(filled, "day") == {1: [1, 2], 2: [1], 3: [1], 9: [2]}

    @pytest.mark.parametrize("hard_delete", (True, False))
    def test_of_an_earlier_version(self, kept, hard_delete):
        settings = METADATA | {"hard_delete": hard_delete}
        first = [row(number) | {"version": 1} for number in (1, 2, 3)]
        kept.load(schema(PROPERTIES), *first, activate(1), **settings)
        later = [row(1) | {"version": 2}, row(3, 5) | {"version": 2}]
        kept.load(schema(PROPERTIES), *later, activate(2), **settings)
        assert len(kept.rows()) == 2 if hard_delete else 3
        assert versions(kept) == {1: [1], 2: [1, None], 3: [1, 5]}

    @pytest.mark.parametrize("empties", (True, False))
    def test_of_a_full_refresh(self, filled, empties):
        full = schema(PROPERTIES, **{"x-replace-on-activate": True})
        rows = [] if empties else [row(1), row(3, 5)]
        filled.load(full, *rows, activate(2), **METADATA)
        assert len(filled.rows()) == len(rows)
        expected = {key: [1, None] for key in (1, 2, 3)}
        if not empties:
            expected |= {1: [1], 3: [1, 5]}
        assert versions(filled) == expected

    def test_where_the_runs_rows_replace_the_tables(self, filled):
        settings = {"load_method": "overwrite"}
        filled.load(schema(PROPERTIES), row(1), row(3, 5), row(4), activate(1), **settings)
        assert contents(filled).keys() == {1, 3, 4}
        assert versions(filled) == {1: [1], 2: [1, None], 3: [1, 5], 4: [1]}

    def test_of_one_client(self, kept):
        def stream(client, **more):
            constant = {"_client_id": {"type": "string", "const": client}}
            return schema(PROPERTIES | constant, ("_client_id", "id"), **more)

        for client in ("acme", "birch"):
            rows = [record(_client_id=client, id=number, payout=1) for number in (1, 2)]
            kept.load(stream(client), *rows)
        full = stream("acme", **{"x-replace-on-activate": True})
        kept.load(full, record(_client_id="acme", id=1, payout=5), activate(2), **METADATA)
        query = "SELECT * FROM orders__history WHERE _client_id = %s ORDER BY id, valid_from"
        assert [
            (each["id"], each["payout"], each["valid_to"] is None)
            for each in kept.sql(query, "acme")
        ] == [(1, 1, False), (1, 5, True), (2, 1, False)]
        assert all(each["valid_to"] is None for each in kept.sql(query, "birch"))
        assert agrees(kept)


@pytest.mark.parametrize("seed", range(6))
def test_as_of_any_moment_it_has_the_rows_of_then(kept, seed):
    """Random batches, changes, removals and returns, by each way that rows are removed."""
    chance = random.Random(seed)
    method = chance.choice(("delete", "mark", "archive"))
    commits = []
    source = {}
    for _ in range(12):
        for _ in range(chance.randrange(8)):
            number = chance.randrange(12)
            if number in source and chance.random() < 0.4:
                del source[number]
            else:
                source[number] = (chance.randrange(3), chance.randrange(4))
        rows = [row(number, payout, day) for number, (day, payout) in source.items()]
        chance.shuffle(rows)
        settings = {"removed_rows": method} | chance.choice(({}, {"batch_size_rows": 3}))
        kind = chance.choice(("scopes", "full refresh", "some"))
        if kind == "scopes":
            kept.load(scoped(), *rows, complete({}), **settings)
        elif kind == "full refresh":
            full = schema(PROPERTIES, **{"x-replace-on-activate": True})
            kept.load(full, *rows, activate(1), **settings, **METADATA)
        else:
            kept.load(schema(PROPERTIES), *rows[: chance.randrange(12)], **settings)
        marked = "_sdc_deleted_at" in kept.types()
        where = "WHERE _sdc_deleted_at IS NULL" if marked else ""
        table = {
            each["id"]: (each["day"], each["payout"])
            for each in kept.sql(f"SELECT * FROM orders {where}")
        }
        assert kind == "some" or table == source
        commits.append((now(kept), table))
    for moment, table in commits:
        assert as_of(kept, moment) == table


class TestBeginning:
    def test_the_rows_that_are_there_are_its_first_versions(self, warehouse):
        properties = PROPERTIES | {"_loaded_at": {"type": "string", "format": "date-time"}}
        loaded_at = datetime(2026, 1, 1, tzinfo=UTC)
        times = (loaded_at, loaded_at + timedelta(days=1), None)
        for number, time in enumerate(times):
            text = None if time is None else time.isoformat()
            warehouse.load(schema(properties), record(id=number, payout=1, _loaded_at=text))
        before = now(warehouse)
        warehouse.load(schema(properties), record(id=1, payout=5), **HISTORY)
        assert versions(warehouse) == {0: [1], 1: [1, 5], 2: [1]}
        first = warehouse.rows("orders__history", "id, valid_from")
        assert [each["valid_from"] for each in first][:2] == [*times[:2]]
        assert first[-1]["valid_from"] > before
        assert agrees(warehouse)

    def test_a_time_in_the_future_is_not_one(self, warehouse):
        properties = PROPERTIES | {"_loaded_at": {"type": "string", "format": "date-time"}}
        warehouse.load(schema(properties), record(id=1, _loaded_at="2999-01-01T00:00:00Z"))
        warehouse.load(schema(properties), record(id=2), **HISTORY)
        assert all(
            each["valid_from"] < now(warehouse) for each in warehouse.rows("orders__history")
        )

    def test_after_runs_without_it(self, filled):
        off = {"history_streams": []}
        filled.load(schema(PROPERTIES), row(1, 5), row(4), **off)
        filled.load(scoped(), row(1, 5), row(3), row(4), complete(), **off)
        assert versions(filled) == {1: [1], 2: [1], 3: [1]}
        before = now(filled)
        filled.load(schema(PROPERTIES), row(1, 6))
        assert versions(filled) == {1: [1, 5, 6], 2: [1, None], 3: [1], 4: [1]}
        noticed = filled.sql("SELECT valid_to FROM orders__history WHERE id = 2")
        assert noticed[0]["valid_to"] > before
        assert agrees(filled)

    def test_what_others_changed_is_noticed_with_the_row(self, filled):
        filled.sql("UPDATE orders SET payout = 8")
        filled.load(schema(PROPERTIES), row(1, 8), row(2, 9))
        assert versions(filled) == {1: [1, 8], 2: [1, 9], 3: [1]}

    def test_all_rows_are_compared_on_request(self, filled):
        filled.sql("UPDATE orders SET payout = 8 WHERE id = 2; DELETE FROM orders WHERE id = 3")
        filled.sql("COMMENT ON TABLE orders__history IS NULL")
        filled.load(schema(PROPERTIES), row(4))
        assert versions(filled) == {1: [1], 2: [1, 8], 3: [1, None], 4: [1]}

    @pytest.mark.parametrize("statement", ("TRUNCATE orders", "DROP TABLE orders"))
    def test_of_a_table_that_was_emptied(self, filled, statement):
        filled.sql(statement)
        filled.load(schema(PROPERTIES), row(2), row(3, 5))
        assert versions(filled) == {1: [1, None], 2: [1, None, 1], 3: [1, None, 5]}

    def test_a_run_without_it_writes_nothing_of_it(self, warehouse):
        warehouse.load(schema(PROPERTIES), row(1))
        assert warehouse.types().keys() == PROPERTIES.keys()
        with pytest.raises(psycopg.errors.UndefinedTable):
            warehouse.rows("orders__history")


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "settings"), (((), {}), (("id",), {"load_method": "append-only"}))
    )
    def test_without_them_there_is_none(self, kept, caplog, keys, settings):
        kept.load(schema(PROPERTIES, keys), row(1), row(1), **settings)
        assert len(kept.rows()) == 2
        assert "orders has no history, though history_streams names it" in caplog.text

    def test_of_several_columns(self, kept):
        stream = schema({"a": "string", "b": "integer", "c": "string"}, ("a", "b"))
        kept.load(stream, record(a="x", b=1, c="1"), record(a="x", b=2, c="1"))
        kept.load(stream, record(a="x", b=2, c="2"), record(a="y", b=2, c="1"))
        ended = kept.sql("SELECT a, b, c FROM orders__history WHERE valid_to IS NOT NULL")
        assert ended == [{"a": "x", "b": 2, "c": "1"}]
        assert agrees(kept)

    def test_of_as_many_columns_as_an_index_has(self, kept):
        names = [f"k{number}" for number in range(32)]
        stream = schema({name: {"type": "integer"} for name in names} | {"v": "integer"}, names)
        for value in (1, 2):
            kept.load(stream, record(**dict.fromkeys(names, 1), v=value))
        assert [each["v"] for each in kept.rows("orders__history", "valid_from")] == [1, 2]

    def test_alone(self, kept):
        stream = scoped({"id": {"type": "integer"}})
        kept.load(stream, record(id=1), record(id=2))
        kept.load(stream, record(id=1), complete({}))
        current = kept.sql("SELECT id FROM orders__history WHERE valid_to IS NULL")
        assert current == [{"id": 1}]

    def test_a_column_that_the_key_gets_later(self, filled):
        filled.sql("ALTER TABLE orders ADD COLUMN _client_id text NOT NULL DEFAULT 'acme'")
        client = {"_client_id": {"type": "string"}}
        stream = schema(PROPERTIES | client, ("_client_id", "id"))
        filled.load(stream, record(_client_id="acme", id=1, day=1, payout=5))
        assert agrees(filled)
        assert len(filled.sql("SELECT id FROM orders__history WHERE _client_id IS NULL")) == 3


class TestColumns:
    def test_they_are_added(self, filled):
        wider = schema(PROPERTIES | {"note": "string"})
        filled.load(wider, record(id=1, day=1, payout=1, note="new"))
        assert versions(filled, "note") == {1: [None, "new"], 2: [None], 3: [None]}
        assert agrees(filled)

    def test_they_are_added_with_values(self, filled):
        filled.sql("ALTER TABLE orders ADD COLUMN country text DEFAULT 'US'")
        filled.load(schema(PROPERTIES), row(9))
        assert agrees(filled)
        assert versions(filled, "country")[1] == [None, "US"]

    def test_they_become_wider(self, filled):
        filled.load(schema(PROPERTIES | {"payout": "number"}), row(1, 1.5))
        assert filled.types("orders__history")["payout"] == "numeric"
        filled.load(schema(PROPERTIES | {"payout": "string"}), row(2, "many"))
        filled.load(schema(PROPERTIES | {"payout": "object"}), row(3, {"a": 1}))
        assert filled.types("orders__history")["payout"] == filled.types()["payout"]
        assert versions(filled) == {1: ["1", "1.5"], 2: ["1", "many"], 3: ["1", '{"a": 1}']}
        assert agrees(filled)

    def test_they_become_wider_by_a_value(self, filled):
        filled.load(schema(PROPERTIES), row(1, 5), row(2, 2**70))
        assert versions(filled) == {1: [1, 5], 2: [1, 2**70], 3: [1]}

    def test_a_view_that_depends_on_one_is_named(self, filled):
        filled.sql("CREATE VIEW monday AS SELECT payout FROM orders__history")
        with pytest.raises(LoadError, match="Drop what depends on it") as raised:
            filled.load(schema(PROPERTIES | {"payout": "number"}), row(1, 1.5))
        assert "orders__history cannot become it (it is bigint)" in str(raised.value)
        filled.sql("DROP VIEW monday")
        filled.load(schema(PROPERTIES | {"payout": "number"}), row(1, 1.5))
        assert agrees(filled)

    def test_they_are_renamed(self, filled):
        filled.sql("ALTER TABLE orders RENAME payout TO revenue")
        filled.load(schema(PROPERTIES), row(1, 5))
        assert agrees(filled)
        # What the new column has is noticed, and then the row that came is loaded.
        assert versions(filled) == {1: [1, None, 5], 2: [1, None], 3: [1, None]}
        assert versions(filled, "revenue") == {1: [None, 1, 1], 2: [None, 1], 3: [None, 1]}

    def test_they_are_dropped(self, filled):
        filled.sql("ALTER TABLE orders DROP day")
        smaller = schema({"id": {"type": "integer"}, "payout": "integer"})
        filled.load(smaller, record(id=1, payout=5))
        assert versions(filled, "day") == {1: [1, None], 2: [1], 3: [1]}
        assert versions(filled) == {1: [1, 5], 2: [1], 3: [1]}

    def test_one_of_the_historys_own_is_an_error(self, kept):
        with pytest.raises(LoadError, match="has the column valid_from, which is the history's"):
            kept.load(schema(PROPERTIES | {"valid_from": "string"}), row(1))


class TestOtherTables:
    def test_a_partitioned_one(self, kept):
        kept.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, day bigint, payout bigint) "
            "PARTITION BY RANGE (id);"
            "CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (2);"
            "CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM (2) TO (9)"
        )
        kept.load(scoped(), row(1), row(2), row(3))
        kept.load(scoped(), row(1, 5), row(3), complete())
        assert versions(kept) == {1: [1, 5], 2: [1, None], 3: [1]}

    def test_names_of_63_bytes(self, warehouse):
        stream = "ä" * 31 + "o"
        for payout in (1, 2):
            messages = schema(PROPERTIES, stream=stream), record(stream, id=1, payout=payout)
            warehouse.load(*messages, history_streams=[stream])
        table = with_suffix(stream, "__history")
        assert len(table.encode()) <= 63
        assert versions(warehouse, table=table) == {1: [1, 2]}

    def test_another_schema_and_quoted_names(self, warehouse):
        names = {"history_streams": ["*"], "default_target_schema": f"{warehouse.name} x%y"}
        properties = PROPERTIES | {'pay"out %s': "integer"}
        for value in (1, 2):
            values = {"id": 1, 'pay"out %s': value}
            warehouse.load(
                schema(properties, stream="Or-ders"), record("Or-ders", **values), **names
            )
        name = f'"{names["default_target_schema"]}"."Or_ders__history"'.replace("%", "%%")
        query = f'SELECT "pay""out %%s" AS value FROM {name} ORDER BY valid_from'
        assert [each["value"] for each in warehouse.sql(query + " LIMIT %s", 9)] == [1, 2]
        warehouse.sql(f'DROP SCHEMA "{names["default_target_schema"]}" CASCADE')

    def test_a_table_of_its_name_stays(self, kept):
        kept.sql("CREATE TABLE orders__history (id bigint)")
        with pytest.raises(LoadError, match="orders__history is another table"):
            kept.load(schema(PROPERTIES), row(1))

    def test_a_stream_of_its_name_is_an_error(self, kept):
        with pytest.raises(InputError, match="needs for its rejected, removed or earlier rows"):
            kept.load(schema(PROPERTIES), schema(PROPERTIES, stream="orders__history"))

    def test_triggers_decide_on_the_values(self, kept):
        kept.load(schema(PROPERTIES))
        kept.sql(
            "CREATE FUNCTION double() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.payout = NEW.payout * 2; RETURN NEW; END $$;"
            "CREATE TRIGGER doubles BEFORE INSERT OR UPDATE ON orders "
            "FOR EACH ROW EXECUTE FUNCTION double()"
        )
        kept.load(schema(PROPERTIES), row(1, 1))
        kept.load(schema(PROPERTIES), row(1, 2))
        assert versions(kept) == {1: [2, 8]}


def test_rows_of_batch_files(kept, tmp_path):
    stream = schema(PROPERTIES)
    for payouts in ([1, 1, 1], [1, 5, 1]):
        path = tmp_path / "rows.arrow"
        table = pa.table({"id": [1, 2, 3], "day": [1, 1, 1], "payout": payouts})
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)
        files = {"encoding": {"format": "arrow"}, "manifest": [path.as_uri()]}
        kept.load(stream, {"type": "BATCH", "stream": "orders"} | files)
    assert versions(kept) == {1: [1], 2: [1, 5], 3: [1]}


class TestRowsThatAreRejected:
    @pytest.mark.parametrize("deferrable", ("", "DEFERRABLE INITIALLY DEFERRED"))
    def test_they_have_none(self, filled, deferrable):
        filled.sql(
            "CREATE TABLE days (day bigint PRIMARY KEY); INSERT INTO days VALUES (1);"
            f"ALTER TABLE orders ADD FOREIGN KEY (day) REFERENCES days {deferrable}"
        )
        rows = row(1, 5), row(2, 5, day=7), row(4)
        filled.load(scoped(), *rows, complete(), on_bad_record="quarantine")
        assert versions(filled) == {1: [1, 5], 2: [1], 3: [1], 4: [1]}
        assert agrees(filled)

    def test_one_that_is_loaded_later_begins_one(self, filled):
        filled.sql("ALTER TABLE orders ADD FOREIGN KEY (day) REFERENCES orders (id)")
        messages = schema(PROPERTIES), row(4, day=5), row(6), row(5)
        filled.load(*messages, on_bad_record="quarantine", batch_size_rows=2)
        assert versions(filled) == {key: [1] for key in range(1, 7)}


class TestOneTransaction:
    def test_a_session_that_ends_before_the_commit(self, filled, monkeypatch):
        write, ended = History.write, []

        def end_once(self, cursor):
            write(self, cursor)
            if not ended:
                ended.append(cursor.connection.info.backend_pid)
                filled.sql("SELECT pg_terminate_backend(%s)", *ended)

        monkeypatch.setattr(History, "write", end_once)
        filled.load(schema(PROPERTIES), row(1, 5))
        assert ended
        assert versions(filled) == {1: [1, 5], 2: [1], 3: [1]}

    def test_a_commit_without_a_response(self, filled, monkeypatch):
        transaction, lost = psycopg.Connection.transaction, []
        query = f"SELECT FROM {filled.name}.orders__history WHERE payout = 5"

        @contextmanager
        def lose_once(connection, *arguments, **options):
            with transaction(connection, *arguments, **options) as opened:
                yield opened
            if not lost and connection.info.transaction_status == TransactionStatus.IDLE:
                if connection.execute(query).fetchone() is not None:
                    lost.append(True)
                    connection.close()
                    raise psycopg.OperationalError(CLOSED)
                connection.rollback()

        monkeypatch.setattr(psycopg.Connection, "transaction", lose_once)
        filled.load(schema(PROPERTIES), row(1, 5))
        assert lost
        assert versions(filled) == {1: [1, 5], 2: [1], 3: [1]}

    def test_a_batch_that_fails_leaves_both_as_they_were(self, filled):
        filled.sql("CREATE TABLE refers (id bigint REFERENCES orders)")
        filled.sql("INSERT INTO refers VALUES (2)")
        before = filled.rows("orders__history")
        with pytest.raises(LoadError, match="refers"):
            filled.load(scoped(), row(1, 5), complete())
        assert filled.rows("orders__history") == before
        assert contents(filled) == dict.fromkeys((1, 2, 3), (1, 1))

    @pytest.mark.parametrize("seed", range(3))
    def test_a_kill_leaves_table_and_history_in_agreement(self, kept, zygote, tmp_path, seed):
        steps, rows = 12, 50
        chance = random.Random(seed)
        victim_after = chance.randrange(1, steps)
        command = kept.command(tmp_path, zygote.bin, batch_size_rows=rows)

        def step(number, payout):
            first = number * rows // 2  # half of the rows are those of the step before
            messages = (row(each, payout) for each in range(first, first + rows))
            return lines(*messages, state(at=number + 1))

        def run(kill_after=None):
            """Load all steps; return the last state."""
            at = 0
            with subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as process:
                feed = threading.Thread(target=send, args=(process,))
                feed.start()
                for line in process.stdout:
                    at = json.loads(line)["at"]
                    if at == kill_after:
                        process.kill()
                feed.join()
            return at

        def send(process):
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(lines(schema(PROPERTIES)))
                for number in range(steps):
                    process.stdin.write(step(number, chance.randrange(3)))
                    process.stdin.flush()

        run(victim_after)
        assert len(kept.rows()) >= victim_after * rows // 2
        assert agrees(kept)
        assert run() == steps
        assert len(kept.rows()) == (steps + 1) * rows // 2
        assert agrees(kept)

    def test_two_loaders_at_once(self, kept, zygote, tmp_path):
        def messages(loader):
            rows = [row(number, payout) for payout in range(4) for number in range(200)]
            random.Random(loader).shuffle(rows)
            return lines(schema(PROPERTIES), *rows)

        loaders = [
            subprocess.Popen(
                kept.command(tmp_path, zygote.bin, batch_size_rows=50),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        errors = []
        threads = [
            threading.Thread(
                target=lambda *pair: errors.append(pair[0].communicate(pair[1])[1]),
                args=(loader, messages(number)),
            )
            for number, loader in enumerate(loaders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [loader.returncode for loader in loaders] == [0, 0], errors
        assert agrees(kept)
        gaps = kept.sql(
            "SELECT FROM (SELECT valid_from, lag(valid_to) OVER (PARTITION BY id ORDER BY "
            "valid_from) AS before, row_number() OVER (PARTITION BY id ORDER BY valid_from) AS n "
            "FROM orders__history) AS version WHERE n > 1 AND valid_from IS DISTINCT FROM before"
        )
        assert gaps == []


class TestRights:
    @pytest.fixture
    def limited(self, kept):
        """The same schema as another user sees it, who has only rights on the table."""
        user = f"{kept.name}_loader"
        kept.load(schema(PROPERTIES), row(1), row(2), history_streams=[])
        kept.sql(
            f"CREATE ROLE {user} LOGIN; GRANT USAGE ON SCHEMA {kept.name} TO {user};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO {user}"
        )
        url = make_url(kept.sqlalchemy_url).set(username=user)
        yield replace(kept, sqlalchemy_url=url.render_as_string(hide_password=False))
        kept.sql(f"DROP OWNED BY {user} CASCADE; DROP ROLE {user}")

    @pytest.fixture
    def user(self, limited):
        return f"{limited.name}_loader"

    def test_to_create_it(self, kept, limited, user):
        with pytest.raises(LoadError, match="GRANT USAGE, CREATE ON SCHEMA"):
            limited.load(schema(PROPERTIES), row(1, 5))
        kept.sql(f"GRANT CREATE ON SCHEMA {kept.name} TO {user}")
        limited.load(schema(PROPERTIES), row(1, 5))
        assert versions(kept) == {1: [1, 5], 2: [1]}

    def test_to_write_it(self, kept, limited, user):
        kept.load(schema(PROPERTIES), row(1, 5))
        with pytest.raises(LoadError, match=r"orders__history.* GRANT SELECT, INSERT, UPDATE"):
            limited.load(schema(PROPERTIES), row(1, 6))
        kept.sql(f"GRANT SELECT, INSERT, UPDATE ON orders__history TO {user}")
        limited.load(schema(PROPERTIES), row(1, 6))
        assert versions(kept) == {1: [1, 5, 6], 2: [1]}

    def test_to_note_that_it_is_not_written(self, kept, limited, caplog):
        kept.load(schema(PROPERTIES), row(1, 5))
        limited.load(schema(PROPERTIES), row(1, 6), history_streams=[])
        assert contents(kept)[1] == (1, 6)
        assert "only its owner can note that" in caplog.text

    def test_row_level_security_hides_rows(self, kept, limited, user):
        kept.sql(
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
            "CREATE POLICY own ON orders USING (id = 1);"
            f"GRANT CREATE ON SCHEMA {kept.name} TO {user}"
        )
        with pytest.raises(LoadError, match="BYPASSRLS"):
            limited.load(schema(PROPERTIES), row(1, 5))
        assert contents(kept)[1] == (1, 1)


class TestCosts:
    """They follow the batch, not the table or the history."""

    def test_its_only_index_finds_current_versions_and_those_of_a_moment(self, filled):
        indexes = filled.sql(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = %s",
            *(filled.name, "orders__history"),
        )
        assert len(indexes) == 1
        assert indexes[0]["indexdef"].endswith("USING btree (valid_to, id)")

    @staticmethod
    def rows_read(warehouse):
        """How many rows of the table and its history were read so far, by scans and indexes."""
        warehouse.sql("SELECT pg_stat_force_next_flush()")
        (counts,) = warehouse.sql(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS rows "
            "FROM pg_stat_user_tables WHERE schemaname = %s AND relname LIKE 'orders%%'",
            warehouse.name,
        )
        return counts["rows"]

    def test_a_batch_reads_neither_of_them_in_full(self, filled):
        filled.sql("INSERT INTO orders SELECT n, 1, 1 FROM generate_series(4, 30000) AS n")
        filled.sql(
            "INSERT INTO orders__history SELECT id, day, payout, now(), null FROM orders "
            "WHERE id > 3"
        )
        filled.sql(
            "INSERT INTO orders__history "
            "SELECT id, day, 0, now() - interval '2 days', now() - interval '1 day' FROM orders"
        )
        filled.sql("ANALYZE orders; ANALYZE orders__history")
        before = self.rows_read(filled)
        filled.load(schema(PROPERTIES), *(row(number, 5) for number in range(1, 101)))
        assert self.rows_read(filled) - before < 2_000
        assert versions(filled)[100] == [0, None, 1, 5]

    def test_nor_do_the_batches_of_a_first_load(self, kept):
        """The server has no statistics then, and takes an empty history for a small one."""
        stream = schema({"id": {"type": "string"}, "payout": "integer"})
        rows = [record(id=f"{number * 7919 % 6007:032x}", payout=1) for number in range(6000)]
        kept.load(stream, *rows, batch_size_rows=2000)
        assert self.rows_read(kept) < 60_000
        assert agrees(kept)
