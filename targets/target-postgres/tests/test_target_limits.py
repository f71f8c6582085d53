"""What PostgreSQL cannot hold is refused by name, and the rest of the run is loaded."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from contextlib import redirect_stdout

import pytest
from warehouse import activate, lines, record, schema, state

from signalroom_target_postgres.errors import LoadError, TargetPostgresError
from signalroom_target_postgres.target import TargetPostgres
from signalroom_target_postgres.warehouse.rejected import BadRecordError

MOST = 1600


def wide(count, first=0, **more):
    """A SCHEMA with so many columns, the key among them."""
    names = [f"c{number}" for number in range(first, first + count - 1)]
    return schema({"id": "integer"} | dict.fromkeys(names, "integer"), stream="wide", **more)


def states_before_the_error(warehouse, *messages):
    """The states that a run passes on, which ends with an error."""
    target = TargetPostgres(config=warehouse.config)
    output = io.StringIO()
    with redirect_stdout(output), pytest.raises(TargetPostgresError):
        target.listen(io.StringIO(lines(*messages)))
    return [json.loads(line)["at"] for line in output.getvalue().splitlines()]


REFUSED = {
    "a new table": ((), wide(MOST + 1), "would have 1,601 columns.*at most 1,600"),
    "new columns": ((wide(MOST),), wide(2, first=5000), "would have 1,601 columns"),
    "a key": (
        (),
        schema(dict.fromkeys(map(str, range(33)), "integer"), map(str, range(33)), "wide"),
        "33 columns.*at most 32",
    ),
    "a column's name": ((), schema({"id": "integer", "o" * 64: "integer"}, stream="wide"), "64|63"),
}


@pytest.mark.parametrize(
    "settings", ({}, {"on_bad_record": "quarantine"}, {"validate_records": True})
)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_stream_over_a_limit_is_refused_and_the_others_load(warehouse, kind, settings):
    before, refused, said = REFUSED[kind]
    if before:
        warehouse.load(*before)
    for _ in range(2):
        with pytest.raises(LoadError) as caught:
            warehouse.load(
                schema({"id": "integer"}),
                record(id=1),
                state(at=1),
                refused,
                record("wide", id=1),
                activate(3, "wide"),
                state(at=2),
                schema({"id": "integer"}, stream="later"),
                record("later", id=2),
                state(at=3),
                **settings,
            )
        message = caught.value.message
        assert "Stream 'wide' is not loaded" in message
        assert re.search(said, message)
        assert "stream_maps" in message
        assert "The other streams were loaded" in message
    assert warehouse.rows() == [{"id": 1}]
    assert warehouse.rows("later") == [{"id": 2}]
    assert not before or warehouse.rows("wide") == []


def test_many_records_of_another_stream_are_loaded_beside_a_refused_one(warehouse):
    rows = [record(id=number) for number in range(3000)]
    with pytest.raises(LoadError, match="Stream 'wide' is not loaded"):
        warehouse.load(wide(MOST + 1), record("wide", id=1), schema({"id": "integer"}), *rows)
    assert len(warehouse.rows()) == 3000


@pytest.mark.parametrize(
    ("messages", "passed"),
    (
        ((wide(MOST + 1), state(at=1), record("wide", id=1), state(at=2)), [1]),
        ((wide(MOST + 1), record("wide", id=1), state(at=1), wide(3), state(at=2)), []),
        ((wide(MOST + 1), activate(1, "wide"), state(at=1)), []),
        ((wide(MOST + 1), state(at=1)), [1]),
        ((wide(3), record("wide", id=1), state(at=1), wide(MOST + 1), state(at=2)), [2]),
    ),
)
def test_no_state_passes_over_what_was_refused(warehouse, messages, passed):
    other = (schema({"id": "integer"}), record(id=1))
    assert states_before_the_error(warehouse, *messages, *other)[-1:] == passed
    assert warehouse.rows() == [{"id": 1}]


def test_a_table_may_have_as_many_columns_as_postgresql_has(warehouse):
    for _ in range(2):
        warehouse.load(wide(MOST), record("wide", id=1, c7=8))
    (row,) = warehouse.rows("wide")
    assert (row["id"], row["c7"], len(row)) == (1, 8, MOST)


def test_columns_that_were_dropped_count(warehouse):
    warehouse.load(wide(MOST))
    warehouse.sql("ALTER TABLE wide DROP COLUMN c1, DROP COLUMN c2")
    with pytest.raises(LoadError, match=r"1,601 columns.* 2 of them were dropped"):
        warehouse.load(wide(2, first=5000), record("wide", id=1))


def test_a_stream_goes_on_when_its_schema_fits_again(warehouse):
    with pytest.raises(LoadError, match="'wide' is not loaded"):
        warehouse.load(
            wide(3),
            record("wide", id=1),
            wide(MOST + 1),
            record("wide", id=2),
            wide(3),
            record("wide", id=3),
        )
    assert [row["id"] for row in warehouse.rows("wide")] == [1, 3]


def test_a_run_that_is_asked_to_end_says_what_was_refused(warehouse):
    target = TargetPostgres(config=warehouse.config)
    messages = lines(wide(MOST + 1), record("wide", id=1), schema({"id": "integer"}), record(id=1))

    def read():
        yield from messages.splitlines()
        target.message_reader.request_shutdown()
        yield lines(state(at=1))

    class Input:
        __iter__ = staticmethod(read)

        def fileno(self):
            raise OSError

    with pytest.raises(LoadError, match="'wide' is not loaded"):
        target.listen(Input())
    assert warehouse.rows() == [{"id": 1}]


COUNT = 1200
BIG = {f"c{number}": number for number in range(COUNT)}
SMALL = {"c7": 7}
REPLACES = ("activate_version", "add_record_metadata", "hard_delete")


def broad(**more):
    """A SCHEMA whose rows fit, unless most columns have a value: 8 bytes each."""
    return schema({"id": "integer"} | dict.fromkeys(BIG, "integer"), stream="broad", **more)


def batch(path, *rows):
    """A BATCH message of a file of rows."""
    path.write_text(lines(*rows))
    return {
        "type": "BATCH",
        "stream": "broad",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [f"file://{path}"],
    }


@pytest.mark.parametrize("filled", (False, True))
@pytest.mark.parametrize("keys", (("id",), ()))
@pytest.mark.parametrize("settings", ({}, {"on_bad_record": "quarantine"}))
def test_a_row_that_is_too_big(warehouse, filled, keys, settings):
    if filled:
        warehouse.load(broad(keys=keys), record("broad", id=0, **SMALL))
    messages = (
        broad(keys=keys),
        record("broad", id=1, **SMALL),
        record("broad", id=2, **BIG),
        record("broad", id=3, **SMALL),
        schema({"id": "integer"}),
        record(id=1),
    )
    if settings:
        warehouse.load(*messages, **settings)
        (kept,) = warehouse.rows("broad__rejected")
        assert "8,160 bytes" in kept["reason"]
        assert kept["record"] == {"id": 2} | BIG
    else:
        said = "stream broad .*8,160 bytes.* select fewer fields.* The other streams were loaded"
        with pytest.raises(BadRecordError, match=said):
            warehouse.load(*messages)
    assert [row["id"] for row in warehouse.rows("broad")] == [0, 1, 3][not filled :]
    assert warehouse.rows() == [{"id": 1}]


@pytest.mark.parametrize("how", ("record", "batch", "replaced", "aside"))
def test_no_state_passes_over_a_row_that_is_too_big(warehouse, tmp_path, how):
    activated = {"x-replace-on-activate": True} if how == "replaced" else {}
    if how == "replaced":
        warehouse.settings = dict.fromkeys(REPLACES, True)
    if how == "aside":
        warehouse.settings = {"batch_size_rows": 1}
    rows = [{"id": 1, **SMALL}, {"id": 2, **BIG}, {"id": 3, **SMALL}]
    sent = [record("broad", **row) for row in rows]
    found = states_before_the_error(
        warehouse,
        schema({"id": "integer"}),
        record(id=1),
        state(at=1),
        broad(**activated),
        *([batch(tmp_path / "rows", *rows)] if how == "batch" else sent),
        state(at=2),
        *([activate(7, "broad")] if how == "replaced" else []),
        state(at=3),
        record(id=2),
        state(at=4),
        record("broad", id=4),
        state(at=5),
    )
    assert found[-1:] == [1]
    assert [row["id"] for row in warehouse.rows()] == [1, 2]
    # All of a file, and all of what is replaced, or nothing.
    loaded = {"record": [1, 3, 4], "aside": [1, 3, 4], "batch": [4], "replaced": []}[how]
    assert [row["id"] for row in warehouse.rows("broad")] == loaded


def test_a_key_that_is_too_long_for_an_index(warehouse):
    described = schema({"id": "string"})
    text = "".join(map(str, range(3000)))
    long = base64.b64encode(hashlib.shake_256(text.encode()).digest(6000)).decode()
    for _ in range(2):
        warehouse.load(described, record(id="a"), record(id=long), on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": "a"}]
    assert "index" in warehouse.rows("orders__rejected")[0]["reason"]


def test_other_bad_records_still_end_the_run(warehouse):
    messages = (
        broad(),
        record("broad", id=1, **BIG),
        record("broad", id="x"),
        schema({"id": "integer"}, stream="later"),
    )
    with pytest.raises(BadRecordError, match="column 'id': expected an integer"):
        warehouse.load(*messages)


@pytest.mark.parametrize("size", (1, None), ids=("loaded at once", "held"))
@pytest.mark.parametrize("load_method", ("upsert", "overwrite"))
def test_older_rows_stay_where_a_record_was_too_large(warehouse, load_method, size):
    """Not all that the version has is in the table, so nothing is deleted for it."""
    settings = {
        "load_method": load_method,
        "batch_size_rows": size,
        "activate_version": True,
        "hard_delete": True,
        "add_record_metadata": True,
    }

    def of_version(version, **values):
        return record("broad", **values) | {"version": version}

    old = of_version(1, id=1, **SMALL), activate(1, "broad")
    warehouse.load(broad(), *old, **settings)
    new = of_version(2, id=2, **SMALL), of_version(2, id=3, **BIG), activate(2, "broad")
    other = schema({"id": "integer"}), record(id=1), activate(2)
    with pytest.raises(BadRecordError, match=r"stream broad .*The other streams were loaded"):
        warehouse.load(broad(), *new, *other, **settings)
    assert 1 in {row["id"] for row in warehouse.rows("broad")}
    assert len(warehouse.rows()) == 1


@pytest.mark.parametrize("maps", ({}, {"stream_maps": {"wide": {"more": "1"}}}))
def test_the_files_of_a_refused_stream_are_not_loaded(warehouse, tmp_path, maps):
    warehouse.settings = maps
    sent = states_before_the_error(
        warehouse,
        schema({"id": "integer"}),
        record(id=1),
        state(at=1),
        schema({"id": "integer", "o" * 64: "integer"}, stream="wide"),
        batch(tmp_path / "rows", {"id": 1}) | {"stream": "wide"},
        state(at=2),
    )
    assert sent == [1]
    assert warehouse.rows() == [{"id": 1}]
