"""Records that do not fit: what is said, what is kept, what is loaded nevertheless."""

from __future__ import annotations

import subprocess

import pytest
from warehouse import lines, record, schema, state

from signalroom_target_postgres.errors import InputError
from signalroom_target_postgres.warehouse.rejected import BadRecordError

STREAM = schema(
    {
        "id": {"type": "integer"},
        "total": "number",
        "name": "string",
        "paid": "boolean",
        "count": "integer",
        "at": {"type": ["string", "null"], "format": "date-time"},
        "day": {"type": ["string", "null"], "format": "date"},
        "uid": {"type": ["string", "null"], "format": "uuid"},
        "data": "object",
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    }
)
MISFITS = {
    "total": ("12 EUR", "expected a number, got another type"),
    "name": (5, "expected a text, got int"),
    "paid": ("yes", "expected a boolean, got str"),
    "count": (1.5, "expected an integer, got a fraction"),
    "at": ("secret-token", "expected a date and time, got something else"),
    "day": ("now", "expected a date, got something else"),
    "uid": ("7d444840", "expected a UUID, got another text"),
    "tags": ("secret-token", "expected an array, got str"),
    "id": (None, "expected an integer, got null"),
}


@pytest.mark.parametrize("column", MISFITS)
def test_the_error_names_stream_table_column_and_what_was_expected(warehouse, column):
    value, told = MISFITS[column]
    with pytest.raises(BadRecordError) as error:
        warehouse.load(STREAM, record(**{"id": 7, column: value}))
    said = str(error.value)
    assert "A record of stream orders does not fit" in said
    assert f"table {warehouse.name}.orders" in said
    assert f"column {column!r}: {told}" in said
    assert ". Correct it at its source or in the tap; or set `on_bad_record` to quarantine" in said
    assert "secret-token" not in said


def test_a_key_that_is_missing(warehouse):
    with pytest.raises(BadRecordError, match=r"stream orders .*column 'id': it is missing"):
        warehouse.load(STREAM, record(name="a"))


def test_a_value_that_is_missing_where_the_column_is_narrower(warehouse):
    """Its column has not to become wider for that."""
    warehouse.sql("CREATE TABLE orders (id bigint PRIMARY KEY, number smallint)")
    stream = schema({"id": "integer", "number": {"type": "integer"}}, required=["number"])
    warehouse.load(stream, record(id=1), record(id=2, number=7), on_bad_record="quarantine")
    assert warehouse.rows() == [{"id": 2, "number": 7}]
    assert warehouse.types()["number"] == "smallint"
    (rejected,) = warehouse.sql("SELECT reason FROM orders__rejected")
    assert rejected["reason"] == "column 'number': it is missing"


def test_what_was_read_before_is_loaded_but_no_state_passes_the_bad_record(warehouse):
    with pytest.raises(BadRecordError):
        warehouse.load(
            STREAM,
            *(record(id=n) for n in range(400)),
            state(at=400),
            record(id=400, total="x"),
            state(at=401),
            record(id=401),
            batch_size_rows=100,
        )
    assert len(warehouse.rows()) == 401  # 401 itself was read before 400 was found out


def test_states_before_the_bad_record_are_passed_on(warehouse, tmp_path):
    done = subprocess.run(
        warehouse.command(tmp_path, batch_size_rows=100),
        input=lines(
            STREAM,
            *(record(id=n) for n in range(100)),
            state(at=100),
            record(id=100, total="x"),
            state(at=101),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 65
    assert done.stdout == '{"at": 100}\n'
    assert "column 'total': expected a number" in done.stderr
    assert "Traceback" not in done.stderr


def rejected(warehouse):
    return warehouse.sql("SELECT reason, record, times FROM orders__rejected ORDER BY reason")


def test_quarantine_keeps_bad_records_and_loads_the_others(warehouse, caplog):
    states = warehouse.load(
        STREAM,
        *(record(id=n) for n in range(300)),
        *(record(**{"id": 300, column: value}) for column, (value, _) in MISFITS.items()),
        '{"type":"RECORD","stream":"orders","record":{"id":301,"total":NaN}}',
        r'{"type":"RECORD","stream":"orders","record":{"id":302,"name":"half \ud800"}}',
        r'{"type":"RECORD","stream":"orders","record":{"id":303,"data":{"a":"\ud800"}}}',
        record(id=304, day="2024-02-30"),
        record(id=305, name="fine"),
        state(at=1),
        on_bad_record="quarantine",
    )
    assert states == [{"at": 1}]
    assert len(warehouse.rows()) == 301
    found = rejected(warehouse)
    reasons = {row["reason"] for row in found}
    assert {f"column {column!r}: {told}" for column, (_, told) in MISFITS.items()} < reasons
    assert len(found) == len(MISFITS) + 4
    assert {"id": 300, "total": "12 EUR"} in [row["record"] for row in found]
    assert {"id": 302, "name": "half \ufffd"} in [row["record"] for row in found]
    assert "records of orders in" in caplog.text
    assert f"{warehouse.name}.orders__rejected" in caplog.text


def test_a_bad_record_that_comes_again_is_one_record(warehouse):
    for _ in range(3):
        warehouse.load(STREAM, record(id=1, total="x"), on_bad_record="quarantine")
    (row,) = rejected(warehouse)
    assert (row["record"], row["times"]) == ({"id": 1, "total": "x"}, 3)


def test_rows_that_only_the_server_refuses(warehouse):
    """Of many rows with line breaks in them: the right ones are set aside."""
    warehouse.sql("CREATE TYPE size AS ENUM ('small')")
    warehouse.sql(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(9) NOT NULL,"
        " total numeric CHECK (total < 100), data jsonb, size size)"
    )
    stream = schema(
        {
            "id": {"type": "integer"},
            "name": "string",
            "total": "number",
            "data": "object",
            "size": "string",
        }
    )
    good = [record(id=n, name=f"a\nb\n{n}", total=n % 100, data={}) for n in range(500)]
    bad = [
        record(id=1000, name="a", total=1, data={"a": 1}, size="large"),
        record(id=1001, name=None, total=1, data={}),
        record(id=1002, name="a", total=100, data={}),
    ]
    messages = [*good[:100], bad[0], *good[100:200], bad[1], bad[2], *good[200:]]
    warehouse.load(stream, *messages, on_bad_record="quarantine")
    assert [row["id"] for row in warehouse.rows()] == list(range(500))
    found = rejected(warehouse)
    enum = "PostgreSQL rejected it: invalid input value for enum"
    assert [row["record"]["id"] for row in found] == [1001, 1000, 1002]
    assert found[1]["record"]["data"] == {"a": 1}
    assert [row["reason"] for row in found] == [
        "column 'name': it is null, which the table does not allow",
        f"column 'size': {enum} {warehouse.name}.size",
        "the table's constraint orders_total_check forbids it",
    ]
    with pytest.raises(BadRecordError, match="; and 2 more"):
        warehouse.load(stream, *messages)
    assert len(warehouse.rows()) == 500


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    (
        ("version", "1", "its message's `version` has to be an integer or null, got str"),
        ("version", 1.5, "its message's `version` has to be an integer or null, got float"),
        ("version", [], "its message's `version` has to be an integer or null, got array"),
        ("time_extracted", 5, "its message's `time_extracted` has to be a text or null, got int"),
        ("time_extracted", {}, "its message's `time_extracted` has to be a text or null, got obj"),
    ),
)
@pytest.mark.parametrize("metadata", (True, False))
def test_a_message_with_a_field_of_a_wrong_type(warehouse, field, value, reason, metadata):
    message = {"add_record_metadata": metadata, "on_bad_record": "quarantine"}
    bad = {field: value} | record(id=2, name="a")
    warehouse.load(STREAM, record(id=1), bad, record(id=3), **message)
    assert [row["id"] for row in warehouse.rows()] == [1, 3]
    (row,) = rejected(warehouse)
    assert row["reason"].startswith(reason)
    assert row["record"] == {"id": 2, "name": "a"}
    with pytest.raises(BadRecordError, match=f"stream orders .*{field}.* has to be"):
        warehouse.load(STREAM, bad)


def test_a_message_may_have_null_for_its_version_and_time(warehouse):
    warehouse.load(STREAM, record(id=1) | {"version": None, "time_extracted": None})
    assert [row["id"] for row in warehouse.rows()] == [1]


@pytest.mark.parametrize("depth", (190, 210))
def test_a_rejected_record_that_is_deeply_nested(warehouse, depth):
    """Deeper ones are kept as text, which PostgreSQL can always read."""
    nested = 7
    for _ in range(depth):
        nested = [nested]
    stream = schema({"id": "integer", "more": "object"})
    warehouse.load(stream, record(id="x", more=nested), on_bad_record="quarantine")
    (row,) = warehouse.sql("SELECT jsonb_typeof(record) AS kind FROM orders__rejected")
    assert row["kind"] == ("object" if depth < 200 else "string")


NINES = "9" * 5000


@pytest.mark.parametrize(
    ("written", "kept"),
    (
        ("0.10", "0.10"),
        ("12345678901234567890123", "12345678901234567890123"),
        (NINES, NINES),
        ("1E3", "1000"),
        ("-2.5e-3", "-0.0025"),
        # The largest number that jsonb has, and the smallest; those beyond are texts.
        ("1e131071", "1" + "0" * 131071),
        ("1e131072", '"1e131072"'),
        ("1e-16383", "0." + "0" * 16382 + "1"),
        ("1e-16384", '"1e-16384"'),
        ("NaN", '"NaN"'),
        ("-Infinity", '"-Infinity"'),
    ),
)
def test_numbers_of_a_rejected_record_keep_their_digits(warehouse, written, kept):
    stream = schema({"id": "integer", "more": "object"})
    line = f'{{"type":"RECORD","stream":"orders","record":{{"id":"x","more":[{written}]}}}}'
    warehouse.load(stream, line, on_bad_record="quarantine")
    (row,) = warehouse.sql("SELECT (record->'more'->0)::text AS number FROM orders__rejected")
    assert row["number"] == kept


def test_everything_is_bad(warehouse):
    messages = [record(id=n, total="x") for n in range(1000)]
    warehouse.load(STREAM, *messages, on_bad_record="quarantine")
    assert warehouse.rows() == []
    assert len(rejected(warehouse)) == 1000


def test_full_validation_still_exists(warehouse):
    stream = schema({"id": {"type": "integer"}, "name": {"type": "string", "pattern": "^a"}})
    warehouse.load(stream, record(id=1, name="b"))
    with pytest.raises(BadRecordError, match=r"at \$.name it breaks the schema's `pattern`: \^a"):
        warehouse.load(stream, record(id=2, name="b"), validate_records=True)
    warehouse.load(stream, record(id=3, name="ab"), validate_records=True)
    assert [row["id"] for row in warehouse.rows()] == [1, 3]


@pytest.mark.parametrize(
    ("declared", "rule"),
    (
        ({"enum": [1.1, None, True, "a"]}, '`enum`: [1.1,null,true,"a"]'),
        ({"enum": [{"a": 1.5, "b": "ü"}]}, '`enum`: [{"a":1.5,"b":"ü"}]'),
        ({"const": 1.1}, "`const`: 1.1"),
        ({"type": ["integer", "null"]}, '`type`: ["integer","null"]'),
        ({"type": "integer"}, "`type`: integer"),
        ({"type": "number", "multipleOf": 0.1}, "`multipleOf`: 0.1"),
        ({"anyOf": [{"type": "integer", "minimum": 1.5}]}, '[{"type":"integer","minimum":1.5}]'),
    ),
)
def test_a_rule_is_quoted_as_the_schema_has_it(warehouse, declared, rule):
    stream = schema({"id": {"type": "integer"}, "x": declared})
    settings = {"validate_records": True, "on_bad_record": "quarantine"}
    warehouse.load(stream, record(id=1, x=2.05), **settings)
    (row,) = rejected(warehouse)
    assert row["reason"].startswith("at $.x it breaks the schema's `")
    assert row["reason"].endswith(rule)


@pytest.mark.parametrize("ref", ("#/nowhere", "#/properties/name"))
def test_a_schema_that_refers_to_nothing_or_to_itself_validates_nothing(warehouse, ref):
    stream = schema({"id": {"type": "integer"}, "name": {"$ref": ref}})
    with pytest.raises(BadRecordError, match=r"`\$ref`"):
        warehouse.load(stream, record(id=2, name="b"), validate_records=True)


def test_a_schema_that_cannot_validate_is_named(warehouse):
    stream = schema({"id": {"type": "integer"}, "name": {"type": "string", "pattern": "("}})
    with pytest.raises(InputError, match=r"stream 'orders' is not valid.*'\(' is not a 'regex'"):
        warehouse.load(stream, record(id=2, name="b"), validate_records=True)


DEEP = "[" * 99_999 + "]" * 99_999


def test_fields_without_a_column_are_told_once(warehouse, caplog):
    warehouse.load(STREAM, *(record(id=n, surprise=n, _sdc_batched_at="x") for n in range(600)))
    assert len(warehouse.rows()) == 600
    assert caplog.text.count("have the field 'surprise'") == 1
    assert "_sdc_batched_at" not in caplog.text


@pytest.mark.parametrize(
    ("line", "told"),
    (
        ("{broken", "Line 2 of the input is not a Singer message"),
        ('{"stream":"orders"}', "Line 2 .* missing required field `type`"),
        ('{"type":"NEWS"}', "Line 2 of the input has the unknown type 'NEWS'"),
        ('{"type":"RECORD","stream":"other","record":{}}', "'other' came before its schema"),
        (
            '{"type":"RECORD","stream":"orders"}',
            "Line 2 .*RECORD.* 'orders': .*field `record`",
        ),
        ('{"type":"STATE"}', "Line 2 .* STATE message: .* no `value`"),
        ("[1]", "Line 2 of the input is not a Singer message"),
        pytest.param(
            f'{{"type":"SCHEMA","stream":"a","schema":{DEEP}}}',
            "Line 2 of the input is not a Singer message: it is nested too deeply",
            id="a deep schema",
        ),
        pytest.param(
            f'{{"\\x":1,"type":"RECORD","stream":"a","record":{{"b":{DEEP}}}}}',
            "Line 2 of the input is not a Singer message",
            id="a deep record after a name that is not JSON",
        ),
        (
            '{"type":"SCHEMA","stream":"a","more":1e999}',
            "Line 2: The input is not a Singer message",
        ),
        (
            '{"type":"SCHEMA","stream":"a\\u0000","schema":{"properties":{}}}',
            "Line 2 .* SCHEMA message .*: the stream's name has the character NUL",
        ),
        (
            '{"type":"SCHEMA","stream":"a","schema":{"properties":{"b":5}}}',
            "Line 2 .* SCHEMA message .* 'a': column 'b': Expected",
        ),
    ),
)
def test_input_that_is_not_singers(warehouse, line, told):
    with pytest.raises(InputError, match=told):
        warehouse.load(STREAM, line)


def test_empty_lines_are_passed_over(warehouse):
    warehouse.load(STREAM, "", record(id=1), "  ")
    assert [row["id"] for row in warehouse.rows()] == [1]
