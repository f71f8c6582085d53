"""Scopes that the tap has read completely: the table holds of them what the tap sent."""

from __future__ import annotations

import io
import json
import random
from contextlib import redirect_stdout
from datetime import date

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql
from warehouse import lines, record, schema, state

from signalroom_target_postgres.errors import LoadError
from signalroom_target_postgres.rows.staging_file import StagingFile
from signalroom_target_postgres.scoped_rows import ScopedRows
from signalroom_target_postgres.target import TargetPostgres
from signalroom_target_postgres.warehouse.scopes import (
    Condition,
    Scope,
    ScopeColumns,
    merge_scopes,
)
from signalroom_target_postgres.warehouse.vanished_rows import TooManyVanishedError

DAY = {"type": "string", "format": "date"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
PROPERTIES = {"id": {"type": "integer"}, "day": DAY, "advertiser": "integer", "payout": "integer"}


def scoped(properties=PROPERTIES, keys=("id",), stream="orders"):
    """A SCHEMA message of a tap that says which scopes are complete."""
    return schema(properties, keys, stream, **{"x-complete-scopes": True})


def complete(where, *, stream="orders", **value):
    """A STATE message that says so of a scope."""
    return state(**value) | {"x-complete-scopes": [{"stream": stream, "where": where}]}


def days(first, before):
    """A scope of days of December 2026, by their numbers."""
    return {"day": {"from": f"2026-12-{first:02}", "before": f"2026-12-{before:02}"}}


def row(number, day=1, payout=1, advertiser=7):
    return record(id=number, day=f"2026-12-{day:02}", payout=payout, advertiser=advertiser)


def contents(warehouse, table="orders"):
    return {one["id"]: one["payout"] for one in warehouse.rows(table)}


@pytest.fixture
def filled(warehouse):
    """Rows 1 to 3 of the first day, and row 4 of the second."""
    warehouse.load(scoped(), row(1), row(2), row(3), row(4, day=2), state(at=0))
    return warehouse


class TestAScope:
    def test_it_holds_what_was_read(self, filled):
        states = filled.load(
            scoped(), row(1, payout=5), row(3), row(9), complete(days(1, 2), at=1), state(at=2)
        )
        assert contents(filled) == {1: 5, 3: 1, 9: 1, 4: 1}
        assert states[-1] == {"at": 2}

    def test_one_without_rows_is_emptied(self, filled):
        states = filled.load(scoped(), complete(days(1, 2), at=1))
        assert contents(filled) == {4: 1}
        assert states == [{"at": 1}]

    def test_several_at_once(self, filled):
        filled.load(scoped(), row(1), complete(days(1, 2)), complete(days(2, 3)), row(8, day=3))
        assert contents(filled) == {1: 1, 8: 1}

    def test_what_is_outside_stays(self, filled):
        of_another = {**days(1, 3), "advertiser": {"in": [8]}}
        filled.load(scoped(), row(5, advertiser=8), complete(of_another))
        assert contents(filled).keys() == {1, 2, 3, 4, 5}
        filled.load(scoped(), complete(of_another))
        assert contents(filled).keys() == {1, 2, 3, 4}

    def test_texts_with_a_prefix_stay(self, warehouse):
        stream = scoped({"id": {"type": "string"}, "day": DAY})
        rows = [record(id=name, day="2026-12-01") for name in ("a", "(none)", "(none) b")]
        warehouse.load(stream, *rows)
        where = {**days(1, 2), "id": {"without_prefix": "(none)"}}
        warehouse.load(stream, complete(where))
        assert [one["id"] for one in warehouse.rows()] == ["(none)", "(none) b"]

    def test_rows_of_another_client_stay(self, filled):
        for client in ("a", "b"):
            stream = scoped(PROPERTIES | {"_client_id": {"type": "string", "const": client}})
            stream["key_properties"] = ["_client_id", "id"]
            rows = [row(number)["record"] | {"_client_id": client} for number in (1, 2)]
            filled.load(
                stream,
                *({"type": "RECORD", "stream": "orders", "record": one} for one in rows),
                default_target_schema=filled.name,
                stream_maps={"orders": {"__alias__": "shared"}},
            )
        filled.load(stream, complete(days(1, 2)), stream_maps={"orders": {"__alias__": "shared"}})
        assert {one["_client_id"] for one in filled.rows("shared")} == {"a"}

    def test_rows_of_clients_stay_where_the_stream_has_none(self, filled):
        filled.sql("ALTER TABLE orders ADD COLUMN _client_id text")
        filled.sql("UPDATE orders SET _client_id = 'acme' WHERE id = 2")
        filled.load(scoped(), complete(days(1, 2)))
        assert contents(filled).keys() == {2, 4}

    def test_all_rows(self, filled):
        filled.load(scoped(), row(2), complete({}))
        assert contents(filled) == {2: 1}

    @pytest.mark.parametrize("type_", ("text", "timestamptz", "timestamp", "varchar(30)"))
    def test_in_the_column_of_another_pipeline(self, filled, type_):
        filled.sql(f"ALTER TABLE orders ALTER COLUMN day TYPE {type_} USING day::{type_}")
        filled.load(scoped(), row(1), complete(days(1, 2)))
        assert contents(filled).keys() == {1, 4}

    def test_of_moments(self, warehouse):
        stream = scoped({"id": {"type": "integer"}, "at": MOMENT})
        times = ["2026-12-01T04:59:59Z", "2026-12-01T05:00:00Z", "2026-12-02T05:00:00Z", None]
        warehouse.load(stream, *(record(id=n, at=time) for n, time in enumerate(times)))
        day = {"at": {"from": "2026-12-01T05:00:00Z", "before": "2026-12-02T05:00:00Z"}}
        warehouse.load(stream, complete(day))
        assert [one["id"] for one in warehouse.rows()] == [0, 2, 3]

    def test_null_is_in_a_range_where_the_tap_says_so(self, warehouse):
        stream = scoped({"id": {"type": "integer"}, "at": MOMENT})
        times = ["2026-12-01T04:59:59Z", "2026-12-01T05:00:00Z", None]
        warehouse.load(stream, *(record(id=n, at=time) for n, time in enumerate(times)))
        warehouse.load(stream, complete({"at": {"from": "2026-12-01T05:00:00Z", "or_null": True}}))
        assert [one["id"] for one in warehouse.rows()] == [0]

    def test_moments_without_an_order_are_not_compared(self, warehouse, caplog):
        warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, at text)")
        stream = scoped({"id": {"type": "integer"}, "at": MOMENT})
        warehouse.load(stream, record(id=1, at="2026-12-01T05:00:00Z"))
        day = {"at": {"from": "2026-12-01T05:00:00Z", "before": "2026-12-02T05:00:00Z"}}
        warehouse.load(stream, complete(day), complete(day))
        assert len(warehouse.rows()) == 1
        assert caplog.text.count("needs the column of 'at'") == 1


class TestNothingIsRemoved:
    def test_of_a_scope_that_is_not_complete(self, filled):
        filled.load(scoped(), row(1, payout=5), state(at=1))
        assert contents(filled) == {1: 5, 2: 1, 3: 1, 4: 1}

    def test_where_a_record_is_rejected(self, filled):
        bad = record(id=1, day="2026-12-01", payout="many", advertiser=7)
        filled.load(scoped(), bad, row(2), complete(days(1, 2)), on_bad_record="quarantine")
        assert contents(filled).keys() == {1, 2, 3, 4}

    def test_where_the_server_rejects_a_row(self, filled):
        filled.sql("ALTER TABLE orders ADD CHECK (payout < 100)")
        filled.load(scoped(), row(1, payout=100), complete(days(1, 2)), on_bad_record="quarantine")
        assert contents(filled).keys() == {1, 2, 3, 4}

    @pytest.mark.parametrize(
        "rules",
        (
            {"__filter__": "payout > 1"},
            {"day": "'2026-12-01'"},
            {"__else__": None, "id": "id"},
        ),
    )
    def test_where_a_stream_map_leaves_out_rows_or_their_days(self, filled, rules):
        maps = {"orders": rules}
        filled.load(scoped(), row(1), complete(days(1, 2)), stream_maps=maps)
        assert contents(filled).keys() == {1, 2, 3, 4}

    @pytest.mark.parametrize("load_method", ("append-only", "overwrite"))
    def test_with_another_load_method(self, filled, load_method):
        filled.sql("DELETE FROM orders WHERE id = 1")
        messages = (scoped(), row(1), complete(days(1, 2)))
        if load_method == "overwrite":
            messages += ({"type": "ACTIVATE_VERSION", "stream": "orders", "version": 1},)
        filled.load(*messages, load_method=load_method)
        expected = {1} if load_method == "overwrite" else {1, 2, 3, 4}
        assert contents(filled).keys() == expected

    def test_where_the_schema_changes_meanwhile(self, filled):
        changed = scoped(PROPERTIES | {"note": "string"})
        filled.load(scoped(), row(1), changed, row(2), complete(days(1, 2)))
        assert contents(filled).keys() == {1, 2, 3, 4}

    def test_by_conditions_that_are_not_known(self, filled, caplog):
        filled.load(scoped(), row(1), complete({"day": {"like": "2026%"}}), row(4, day=2))
        assert contents(filled).keys() == {1, 2, 3, 4}
        assert "Update the loader" in caplog.text

    @pytest.mark.parametrize(
        ("does", "told"),
        (
            ("RETURN NULL", "the server lets the loader remove only 0"),
            (
                "RAISE EXCEPTION 'this one stays'",
                r"PostgreSQL refused to load: .*Change that function, or the trigger that calls it",
            ),
            (
                "RAISE EXCEPTION 'this one stays' USING ERRCODE = 'ZZ001'",
                r"PostgreSQL refused to load: .*\(SQLSTATE ZZ001\). Change that function",
            ),
        ),
    )
    def test_where_a_trigger_keeps_them(self, filled, does, told):
        filled.sql(
            f"CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$;"
            "CREATE TRIGGER stay BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION stay()"
        )
        with pytest.raises(LoadError, match=told):
            filled.load(scoped(), row(1, payout=5), complete(days(1, 2), at=1))
        assert contents(filled) == {1: 1, 2: 1, 3: 1, 4: 1}

    def test_by_a_loader_that_keeps_them(self, filled):
        filled.load(scoped(), complete(days(1, 2)), removed_rows="keep")
        assert contents(filled).keys() == {1, 2, 3, 4}


class TestOneTransaction:
    @pytest.mark.parametrize("batch_size_rows", (None, 7))
    def test_rows_come_and_go_together(self, filled, batch_size_rows):
        # The second one makes the rows of a scope wait on the disk.
        filled.sql(
            "CREATE TABLE log (transaction bigint, command text);"
            "CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"INSERT INTO {filled.name}.log VALUES (txid_current(), TG_OP); RETURN NULL; END $$;"
            "CREATE TRIGGER log_it AFTER INSERT OR UPDATE OR DELETE ON orders "
            "FOR EACH ROW EXECUTE FUNCTION log_it()"
        )
        settings = {"batch_size_rows": batch_size_rows} if batch_size_rows else {}
        rows = [row(number) for number in (1, *range(10, 60))]
        states = filled.load(scoped(), *rows, complete(days(1, 2), at=1), **settings)
        assert states == [{"at": 1}]
        assert contents(filled).keys() == {1, 4, *range(10, 60)}
        assert len({one["transaction"] for one in filled.rows("log")}) == 1
        assert {one["command"] for one in filled.rows("log")} == {"INSERT", "UPDATE", "DELETE"}

    def test_rows_on_the_disk_do_not_fill_the_batch(self, filled, monkeypatch):
        written = []
        write = StagingFile.write

        def note(self, rows):
            written.append(rows.num_rows)
            write(self, rows)

        monkeypatch.setattr(StagingFile, "write", note)
        rows = [row(number) for number in range(10, 60)]
        filled.load(scoped(), *rows, complete(days(1, 2)), batch_size_rows=7)
        assert max(written) == 7, "not one row at a time, once seven wait there"

    @pytest.mark.parametrize("batch_size_rows", (7, 1000))
    def test_a_column_that_becomes_wider_meanwhile(self, filled, batch_size_rows):
        filled.sql("ALTER TABLE orders ALTER COLUMN payout TYPE integer")
        rows = [row(number) for number in range(10, 300)]
        states = filled.load(
            scoped(),
            *(*rows, row(300, payout=2**40), row(301), complete(days(1, 2), at=1)),
            *(row(4, day=2, payout=2**40 + 1), complete(days(2, 3), at=2)),
            batch_size_rows=batch_size_rows,
        )
        assert contents(filled) == {
            **dict.fromkeys(range(10, 302), 1),
            300: 2**40,
            4: 2**40 + 1,
        }
        assert states[-1] == {"at": 2}

    def test_no_state_before_its_rows_are_gone(self, filled):
        filled.sql(
            "CREATE TABLE refers (id bigint REFERENCES orders); INSERT INTO refers VALUES (2)"
        )
        with pytest.raises(LoadError, match="refers"):
            filled.load(scoped(), row(1), complete(days(1, 2), at=1))
        assert contents(filled).keys() == {1, 2, 3, 4}

    @pytest.mark.parametrize("parameter", ("autocommit=true", "prepare_threshold=1"))
    def test_whatever_the_driver_is_told(self, filled, parameter):
        url = filled.sqlalchemy_url
        url += f"{'&' if '?' in url else '?'}{parameter}"
        filled.sql("CREATE TABLE refers (id bigint REFERENCES orders)")
        filled.sql("INSERT INTO refers VALUES (2)")
        with pytest.raises(LoadError, match="refers"):
            filled.load(scoped(), row(9), complete(days(1, 2)), sqlalchemy_url=url)
        assert contents(filled).keys() == {1, 2, 3, 4}
        filled.load(scoped(), row(2), row(9), complete(days(1, 2)), sqlalchemy_url=url)
        assert contents(filled).keys() == {2, 4, 9}


class TestTooMany:
    @pytest.fixture
    def large(self, warehouse):
        """Thirty rows of each of ten days."""
        rows = [row(100 * day + n, day=day) for day in range(1, 11) for n in range(30)]
        warehouse.load(scoped(), *rows, state(at=0))
        return warehouse

    def test_of_a_scope(self, large):
        kept = [row(100 + n, payout=2) for n in range(9)]
        with pytest.raises(TooManyVanishedError) as raised:
            large.load(scoped(), *kept, complete(days(1, 2), at=1), max_removed_share_of_run=1)
        text = str(raised.value)
        assert "21 of 30 rows, day from 2026-12-01 before 2026-12-02" in text
        assert "`max_removed_share_of_scope` set to 1" in text
        assert set(contents(large).values()) == {1}, "neither removed nor loaded"

    def test_of_one_of_several_that_are_complete_together(self, large):
        """Each file of a list counts alone: nine that are as before hide none that is empty."""
        names = {"day": {"in": [f"2026-12-{day:02}" for day in range(1, 11)]}}
        kept = [row(100 * day + n, day=day) for day in range(2, 11) for n in range(30)]
        with pytest.raises(TooManyVanishedError, match=r"30 of 30 rows, day in \(2026-12-01\)"):
            large.load(scoped(), *kept, complete(names, at=1))
        assert len(large.rows()) == 300
        with_few = [*kept, *(row(100 + n) for n in range(20))]
        large.load(scoped(), *with_few, complete(names, at=1))
        assert len(large.rows()) == 290

    def test_of_a_list_of_a_range_together(self, large):
        """A list beside another condition is what a setting filters by."""
        where = days(1, 11) | {"payout": {"in": [1, 2]}}
        large.load(
            scoped(),
            *(row(100 * day + n, day=day) for day in range(2, 11) for n in range(30)),
            complete(where, at=1),
        )
        assert len(large.rows()) == 270

    def test_of_a_run(self, large):
        messages = [
            message
            for day in range(1, 11)
            for message in (
                *(row(100 * day + n, day=day) for n in range(20)),
                complete(days(day, day + 1), at=day),
            )
        ]
        with pytest.raises(TooManyVanishedError, match="100 of 300 rows that this run"):
            large.load(scoped(), *messages, max_removed_share_of_run=0.25)
        assert len(large.rows()) == 300
        large.load(scoped(), *messages)
        assert len(large.rows()) == 200

    def test_of_a_run_in_several_transactions(self, large):
        messages = []
        for day in range(1, 11):
            messages += [row(100 * day + n, day=day) for n in range(20)]
            messages += [complete(days(day, day + 1), at=day)]
        limits = {"batch_size_rows": 25, "batch_size_bytes": 100_000}
        with pytest.raises(TooManyVanishedError):
            large.load(scoped(), *messages, **limits, max_removed_share_of_run=0.25)
        # Twenty rows may always go.
        assert len(large.rows()) == 280

    def test_the_other_streams_are_loaded(self, large):
        other = scoped(stream="others")
        with pytest.raises(TooManyVanishedError, match="The other streams were loaded"):
            large.load(
                scoped(),
                complete(days(1, 2), at=1),
                other,
                record("others", id=1, day="2026-12-01"),
            )
        assert len(large.rows("others")) == 1

    def test_no_state_passes_over_them(self, large):
        messages = (scoped(), state(at=0), complete(days(1, 2), at=1), state(at=2))
        target, output = TargetPostgres(config=large.config), io.StringIO()
        with pytest.raises(TooManyVanishedError), redirect_stdout(output):
            target.listen(io.StringIO(lines(*messages)))
        assert json.loads(output.getvalue()) == {"at": 0}

    def test_with_leave(self, large):
        large.load(
            scoped(),
            complete(days(1, 2), at=1),
            max_removed_share_of_scope=1,
            max_removed_share_of_run=1,
        )
        assert len(large.rows()) == 270

    def test_a_few_may_always_go(self, filled):
        assert filled.load(scoped(), complete(days(1, 31), at=1)) == [{"at": 1}]
        assert contents(filled) == {}


class TestMethods:
    def test_marked(self, filled):
        for _ in range(2):
            filled.load(scoped(), row(1), complete(days(1, 2)), removed_rows="mark")
        marked = {one["id"] for one in filled.rows() if one["_sdc_deleted_at"]}
        assert marked == {2, 3}
        filled.load(scoped(), row(1), row(3), complete(days(1, 2)), removed_rows="mark")
        assert {one["id"] for one in filled.rows() if one["_sdc_deleted_at"]} == {2}

    def test_archived(self, filled):
        settings = {"removed_rows": "archive"}
        filled.load(scoped(), row(1), row(3), complete(days(1, 2)), **settings)
        assert contents(filled).keys() == {1, 3, 4}
        (gone,) = filled.rows("orders__removed")
        assert (gone["id"], gone["payout"]) == (2, 1)
        assert gone["_removed_at"] is not None

    def test_an_archive_follows_its_table(self, filled):
        settings = {"removed_rows": "archive"}
        filled.load(scoped(), row(1), row(3), complete(days(1, 2)), **settings)
        wider = scoped(PROPERTIES | {"note": "string"})
        filled.load(wider, row(3, payout=2**40), **settings)
        filled.load(wider, row(1), complete(days(1, 2)), **settings)
        assert contents(filled, "orders__removed") == {2: 1, 3: 2**40}

    def test_what_is_removed_is_counted(self, filled, caplog):
        counts = filled.counts(scoped(), row(1), complete(days(1, 2)))
        assert (counts.read, counts.written.updated, counts.removed) == (1, 1, 2)
        assert "2 removed" in counts.describe()


@pytest.mark.parametrize("seed", range(8))
def test_after_any_sequence_the_table_is_the_sources(warehouse, seed):
    chance = random.Random(seed)
    source: dict[int, tuple[int, int]] = {}
    for _ in range(6):
        for _ in range(chance.randrange(12)):
            number = chance.randrange(30)
            if number in source and chance.random() < 0.5:
                del source[number]
            else:
                source[number] = (chance.randrange(1, 8), chance.randrange(100))
        messages = [scoped()]
        first = 1
        while first < 8:
            before = min(8, first + chance.randrange(1, 4))
            messages += [
                row(number, day, payout)
                for number, (day, payout) in source.items()
                if first <= day < before
            ]
            messages.append(complete(days(first, before), at=first))
            first = before
        size = chance.choice((None, 1, 3, 1000))
        states = warehouse.load(*messages, **({"batch_size_rows": size} if size else {}))
        assert states[-1] == messages[-1]["value"]
        table = {one["id"]: (one["day"].day, one["payout"]) for one in warehouse.rows()}
        assert table == source


class TestMerging:
    @staticmethod
    def scope(start, before, **others):
        where = {"day": Condition(start=start, before=before)}
        return Scope("orders", where | others)

    def test_ranges_that_follow_each_other(self):
        scopes = [self.scope("03", "04"), self.scope("01", "03"), self.scope("06", "07")]
        assert merge_scopes(scopes) == [self.scope("01", "04"), self.scope("06", "07")]

    def test_not_with_other_conditions(self):
        scopes = [
            self.scope("01", "02", advertiser=Condition(in_=(7,))),
            self.scope("02", "03", advertiser=Condition(in_=(8,))),
            Scope("orders", {}),
        ]
        assert sorted(map(str, merge_scopes(scopes))) == sorted(map(str, scopes))

    def test_the_same_twice(self):
        scopes = [Scope("orders", {"id": Condition(in_=(1,))})] * 2
        assert merge_scopes(scopes) == scopes[:1]

    def test_lists_of_one_field(self):
        scopes = [Scope("orders", {"id": Condition(in_=(number,))}) for number in (1, 2)]
        assert merge_scopes(scopes) == [Scope("orders", {"id": Condition(in_=(1, 2))})]

    @pytest.mark.parametrize("condition", ("in_", "not_in"))
    def test_not_with_long_lists_that_begin_alike(self, condition):
        # A message names the first of them alone.
        lists = [Condition(**{condition: (*range(9), end)}) for end in (10, 11)]
        scopes = [self.scope(f"0{day}", f"0{day + 1}", advertiser=lists[day - 1]) for day in (1, 2)]
        assert merge_scopes(scopes) == scopes

    def test_a_list_and_a_range_of_one_field_stay_two(self):
        scopes = [
            Scope("orders", {"id": Condition(in_=(1, 2))}),
            Scope("orders", {"id": Condition(start=5, before=7)}),
        ]
        assert sorted(map(str, merge_scopes(scopes))) == ["id from 5 before 7", "id in (1, 2)"]


@pytest.mark.parametrize(
    ("condition", "text"),
    (
        (Condition(in_=(1, 2, 3, 4, 5)), "in (1, 2, 3, 4, 5)"),
        (Condition(in_=(1, 2, 3, 4, 5, 6)), "in (1, 2, 3, 4, 5, ...)"),
        (Condition(not_in=(1,), or_null=True), "not in (1) or null"),
        (Condition(start=1, before=7), "from 1 before 7"),
        (Condition(prefix="a"), "beginning with a"),
        (Condition(without_prefix="a"), "not beginning with a"),
    ),
)
def test_a_condition_in_a_message(condition, text):
    assert str(condition) == text


_UUIDS = [f"a0000000-0000-4000-8000-00000000000{number}" for number in (1, 2)]


@pytest.mark.parametrize(
    ("field", "condition", "ids"),
    (
        ("uid", Condition(in_=(*_UUIDS, "x")), {1, 2}),
        ("uid", Condition(not_in=(_UUIDS[1],), or_null=True), {1, 3}),
        ("uid", Condition(in_=(_UUIDS[1].upper(),)), {2}),
        ("uid", Condition(not_in=(_UUIDS[1].upper(),)), {1}),
        ("day", Condition(in_=("2026-01-02",)), {2}),
        ("day", Condition(start="2026-01-01", before="2026-01-02"), {1}),
        ("day", Condition(or_null=True), {1, 2, 3}),
        ("day", Condition(), {1, 2, 3}),
        ("short", Condition(in_=("ab",)), {1}),
        # The type has a length, to which a day is not cut: 2026-01 is before 2026-01-15.
        ("short", Condition(start="2026-01-15", before="2026-02-01"), set()),
        ("short", Condition(start="2025-12-31", before="2026-02-01"), {2}),
        ("number", Condition(in_=(1, 2.5)), {1, 2}),
        ("number", Condition(start=2, or_null=True), {2, 3}),
    ),
)
def test_conditions_select_rows(warehouse, field, condition, ids):
    warehouse.sql(
        "CREATE TABLE rows (id int, uid uuid, day date, short varchar(7), number numeric)"
    )
    warehouse.sql(
        f"INSERT INTO rows VALUES (1, '{_UUIDS[0]}', '2026-01-01', 'ab', 1.0),"
        f" (2, '{_UUIDS[1]}', '2026-01-02', '2026-01', 2.50), (3, NULL, NULL, NULL, NULL)"
    )
    types = {"uid": "uuid", "day": "date", "short": "character varying(7)", "number": "numeric"}
    columns = ScopeColumns({name: name for name in types}, types)
    # The other table has columns of the same names.
    query = "SELECT t.id FROM rows AS t CROSS JOIN (SELECT * FROM rows WHERE id = 1) AS o WHERE "
    where = columns.condition(Scope("rows", {field: condition})).as_string(None)
    assert {row["id"] for row in warehouse.sql(query + where)} == ids


class TestRowsThatWait:
    class Buffer:
        """What the sink has buffered."""

        def __init__(self, rows=0, rejects=0):
            self.drained = ([pa.table({"id": [*range(rows)]})] if rows else [], ["bad"] * rejects)

        def drain(self):
            return self.drained

    @pytest.fixture
    def rows(self):
        return ScopedRows(lambda table: table, batch_bytes=1000)

    def test_those_of_all_complete_scopes_are_counted(self, rows):
        scope = Scope("orders", {"id": Condition(start=0, before=9)})
        assert rows.complete(self.Buffer(3, rejects=1), [scope], "first")
        assert not rows.complete(self.Buffer(4), [scope], "second")
        assert (rows.rows_in_memory, rows.rows) == (8, 10)
        batch = rows.take_complete()
        assert [table.num_rows for table in batch.tables()] == [3, 4]
        assert (batch.rejects, batch.scopes, batch.records) == (["bad"], [scope] * 2, "first")
        assert (rows.rows_in_memory, rows.rows) == (0, 0)

    def test_a_scope_of_which_nothing_was_set_aside(self, rows):
        batch = rows.take_staged(self.Buffer(rejects=1), [Scope("orders", {})], "label")
        assert [*batch.tables()] == []
        assert (batch.rejects, len(batch.scopes), batch.records) == (["bad"], 1, "label")


class TestPages:
    """Pages of a list by id: where rows lay close together, all of a page may be gone."""

    @staticmethod
    def page(first, before):
        message = complete({"id": {"from": first, "before": before}})
        message["x-complete-scopes"][0]["page"] = True
        return message

    def test_one_may_lose_most_of_its_rows(self, warehouse):
        warehouse.load(scoped(), *(row(number) for number in range(200)))
        rest = [row(number) for number in range(150, 200)]
        messages = (*(row(n) for n in range(50)), self.page(0, 50), self.page(50, 100))
        warehouse.load(scoped(), *messages, *rest, self.page(150, 200))
        assert contents(warehouse).keys() == {*range(50), *range(100, 200)}

    def test_the_run_may_not(self, warehouse):
        warehouse.load(scoped(), *(row(number) for number in range(200)))
        messages = (*(row(n) for n in range(49)), self.page(0, 50), self.page(50, 100))
        with pytest.raises(TooManyVanishedError, match="51 of 100 rows that this run read again"):
            warehouse.load(scoped(), *messages)
        assert len(contents(warehouse)) == 200

    def test_they_are_joined_by_the_size_of_numbers(self):
        def scope(start, before):
            return Scope("orders", {"id": Condition(start=start, before=before)}, page=True)

        scopes = [scope(number, number + 5) for number in range(1, 1_001, 5)]
        random.Random(1).shuffle(scopes)
        assert merge_scopes(scopes) == [scope(1, 1_001)]


class TestDeleted:
    """Rows of which the source says that they were deleted."""

    @staticmethod
    def deleted(where):
        message = complete(where)
        message["x-complete-scopes"][0]["deleted"] = True
        return message

    def test_they_are_counted_among_all_rows(self, warehouse):
        warehouse.load(scoped(), *(row(number) for number in range(100)))
        warehouse.load(scoped(), self.deleted({"id": {"in": [*range(60, 100)]}}))
        assert contents(warehouse).keys() == {*range(60)}
        with pytest.raises(TooManyVanishedError, match="40 of 60 rows"):
            warehouse.load(scoped(), self.deleted({"id": {"in": [*range(20, 60)]}}))

    def test_they_are_no_share_of_the_rows_that_are_read_again(self, warehouse):
        warehouse.load(scoped(), *(row(number) for number in range(100)))
        warehouse.load(
            scoped(),
            self.deleted({"id": {"in": [*range(60, 100)]}}),
            *(row(number) for number in range(1, 30)),
            complete({"id": {"from": 0, "before": 30}}),
            batch_size_rows=1,
        )
        assert contents(warehouse).keys() == {*range(1, 60)}

    def test_one_that_was_not_sent_either_is_removed_once(self, warehouse):
        warehouse.load(scoped(), *(row(number) for number in range(100)))
        warehouse.load(
            scoped(),
            self.deleted({"id": {"in": [7, 50]}}),
            *(row(number) for number in range(7)),
            complete({"id": {"from": 0, "before": 9}}),
        )
        assert contents(warehouse).keys() == {*range(100)} - {7, 8, 50}
        counts = warehouse.sql(
            "SELECT rows_removed FROM signalroom.loads WHERE table_schema = current_schema()"
        )
        assert sorted(one["rows_removed"] for one in counts) == [0, 3]

    def test_also_where_a_record_is_rejected(self, filled):
        bad = record(id=1, day="2026-12-01", payout="many", advertiser=7)
        messages = (bad, complete(days(1, 2)), self.deleted({"id": {"in": [2]}}))
        filled.load(scoped(), *messages, on_bad_record="quarantine")
        assert contents(filled).keys() == {1, 3, 4}

    def test_of_a_folder_what_is_not_listed(self, warehouse):
        stream = scoped({"id": {"type": "string"}})
        names = ("a/1", "a/2", "b/1")
        warehouse.load(stream, *(record(id=name) for name in names))
        where = {"id": {"prefix": "a/", "not_in": ["a/2", "c"]}}
        warehouse.load(stream, self.deleted(where))
        assert [one["id"] for one in warehouse.rows()] == ["a/2", "b/1"]


class TestFiles:
    """BATCH messages, whose files wait for the STATE that follows."""

    @pytest.fixture
    def batch(self, tmp_path):
        numbers = iter(range(100))

        def write(*rows):
            path = tmp_path / f"{next(numbers)}.arrow"
            columns = [message["record"] for message in rows]
            table = pa.Table.from_pylist(
                [{**one, "day": date.fromisoformat(one["day"])} for one in columns]
            )
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
                out.write_table(table)
            return {
                "type": "BATCH",
                "stream": "orders",
                "encoding": {"format": "arrow"},
                "manifest": [path.as_uri()],
            }

        return write

    def test_a_file_is_a_scope(self, filled, batch):
        files = (batch(row(1, payout=5), row(9)), batch(row(4, day=2)))
        states = filled.load(scoped(), files[0], complete(days(1, 2), at=1), files[1], state(at=2))
        assert contents(filled) == {1: 5, 9: 1, 4: 1}
        assert states == [{"at": 1}, {"at": 2}]

    def test_several_files_are_one(self, filled, batch):
        filled.load(scoped(), batch(row(1)), batch(row(9)), complete(days(1, 2)))
        assert contents(filled).keys() == {1, 9, 4}

    def test_files_before_records_are_none(self, filled, batch):
        filled.load(scoped(), batch(row(1)), row(9), complete(days(1, 2)))
        assert contents(filled).keys() == {1, 2, 3, 9, 4}

    def test_nor_are_records_before_files(self, filled, batch):
        states = filled.load(scoped(), row(9), batch(row(1)), complete(days(1, 2), at=1))
        assert contents(filled).keys() == {1, 2, 3, 9, 4}
        assert states == [{"at": 1}]

    def test_a_state_between_says_nothing_of_them(self, filled, batch):
        end = {"type": "STATE", "value": {}, "x-complete-scopes": [{"stream": "orders"}]}
        filled.load(scoped(), batch(row(9)), end, batch(row(1)), complete(days(1, 2)))
        assert contents(filled).keys() == {1, 4}


class TestLargeTables:
    """A run that reads a few days again must not read the whole table for them."""

    INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = 'orders'"

    def indexes(self, warehouse):
        return [one["indexdef"] for one in warehouse.sql(self.INDEXES, warehouse.name)]

    def load_again(self, warehouse, table_rows):
        warehouse.sql("ANALYZE orders")
        table = f"'{warehouse.name}.orders'::regclass"
        warehouse.sql(f"UPDATE pg_class SET reltuples = {table_rows} WHERE oid = {table}")
        for _ in range(2):
            warehouse.load(scoped(), row(1), complete(days(1, 2)))

    def test_the_scopes_column_gets_an_index_once(self, filled):
        self.load_again(filled, 100_000)
        assert [index for index in self.indexes(filled) if "USING brin (day)" in index]
        assert len(self.indexes(filled)) == 2

    def test_nor_do_deferred_constraints_prevent_it(self, filled):
        filled.sql("CREATE TABLE advertisers (id bigint PRIMARY KEY)")
        filled.sql("INSERT INTO advertisers VALUES (7)")
        filled.sql(
            "ALTER TABLE orders ADD FOREIGN KEY (advertiser) REFERENCES advertisers "
            "DEFERRABLE INITIALLY DEFERRED"
        )
        self.load_again(filled, 100_000)
        assert [index for index in self.indexes(filled) if "USING brin (day)" in index]

    def test_not_where_one_begins_with_it(self, filled):
        filled.sql("CREATE INDEX ON orders (day, payout)")
        self.load_again(filled, 100_000)
        assert len(self.indexes(filled)) == 2

    def test_small_tables_need_none(self, filled):
        self.load_again(filled, 99_999)
        assert len(self.indexes(filled)) == 1

    def test_rows_that_the_server_does_not_expect(self, filled, monkeypatch):
        """Compared one by one with each key, 100,000 of them take minutes."""
        plans = []
        execute = psycopg.Cursor.execute

        def explain(cursor, query, *args, **options):
            text = query.as_string(cursor) if isinstance(query, sql.Composable) else str(query)
            if "FROM pg_temp.signalroom_keys" in text.replace('"', ""):
                execute(cursor, f"EXPLAIN {text}")
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
            return execute(cursor, query, *args, **options)

        # The statistics are of another day.
        filled.sql("ALTER TABLE orders SET (autovacuum_enabled = false)")
        filled.load(scoped(), *(row(number, day=3) for number in range(10, 5_000)))
        filled.sql("ANALYZE orders")
        rows = [row(number, day=4) for number in range(10_000, 15_000)]
        filled.load(scoped(), *rows)
        monkeypatch.setattr(psycopg.Cursor, "execute", explain)
        filled.load(scoped(), *rows[1:], complete(days(4, 5)))
        monkeypatch.undo()
        assert len(plans) == 2
        assert not [plan for plan in plans if "Nested Loop" in plan]
        assert 10_000 not in contents(filled)
        assert filled.sql("SELECT current_setting('enable_nestloop') AS it") == [{"it": "on"}]
