"""Columns that are loaded as hashes, and the functions of stream maps that hash."""

from __future__ import annotations

import hmac
import json

import pytest
from kit_vendor import RowTap, ok
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer.privacy.hashing import ColumnHashes

SALT = "a-made-up-salt-for-tests"
ROWS = [{"id": 1, "name": "ann@example.org"}, {"id": 2, "name": None}, {"id": 12, "name": "x"}]


def hashed(text, salt=SALT):
    return hmac.new(salt.encode(), text.encode(), "sha256").hexdigest()


@pytest.fixture
def load(vendor, make_tap, sync):
    def run(rows=ROWS, **config):
        vendor.answers.append(ok(json.loads(json.dumps(rows))))
        return sync(make_tap(**config), "rows")

    return run


def test_a_column_is_loaded_as_hashes_and_null_stays_null(load, caplog):
    output = load(hash_columns=["rows.name"], hash_salt=SALT)
    names = [row["name"] for row in output.records["rows"]]
    assert names == [hashed("ann@example.org"), None, hashed("x")]
    assert "ann@example.org" not in f"{output.messages}{caplog.text}"
    assert SALT not in f"{output.messages}{caplog.text}"


def test_a_key_of_numbers_is_text_then_and_joins_with_text(load):
    output = load(hash_columns=["rows.id"], hash_salt=SALT)
    assert [row["id"] for row in output.records["rows"]] == [hashed("1"), hashed("2"), hashed("12")]
    assert output.schemas["rows"]["schema"]["properties"]["id"]["type"] == ["string", "null"]
    assert output.schemas["rows"]["key_properties"] == ["id"]
    assert [row["name"] for row in output.records["rows"]] == ["ann@example.org", None, "x"]


def test_wildcards_and_other_streams(load):
    output = load(hash_columns=["*.n*", "rows.id"], hash_salt=SALT)
    assert output.records["rows"][2] == {
        **output.records["rows"][2],
        "id": hashed("12"),
        "name": hashed("x"),
    }


def test_a_value_that_did_not_fit_is_hashed_in_extra_too(load):
    output = load([{"id": 1, "name": "x", "more": {"name": "ann@example.org"}}])
    assert output.records["rows"][0]["_extra"] == {"more": {"name": "ann@example.org"}}
    output = load(
        [{"id": 1, "name": "x", "more": {"name": "ann@example.org"}}],
        hash_columns=["rows.name", "rows._extra.more.name"],
        hash_salt=SALT,
    )
    assert output.records["rows"][0]["_extra"] == {"more": {"name": hashed("ann@example.org")}}


@pytest.mark.parametrize(
    ("settings", "message"),
    (
        ({"hash_columns": ["rows.name"]}, "Missing required setting hash_salt"),
        (
            {"hash_columns": ["rows.name"], "hash_salt": "short"},
            "Invalid hash_salt: it is too short",
        ),
        ({"hash_columns": ["name"], "hash_salt": SALT}, "'name': expected stream.column"),
        ({"hash_columns": ["rows.nmae"], "hash_salt": SALT}, "no stream has the column rows.nmae"),
        ({"hash_columns": ["row.name"], "hash_salt": SALT}, "no stream has the column row.name"),
    ),
)
def test_what_would_hide_nothing_is_an_error(make_tap, settings, message):
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(**settings).setup_mapper()
    assert message in caught.value.errors[0]


def test_hashes_of_nested_values_and_their_schema():
    hashes = ColumnHashes.from_config(
        "contacts",
        {
            "hash_columns": [
                *("contacts.owner.email", "contacts.owner.address.street", "contacts.tags.*"),
                "x.y",
            ],
            "hash_salt": SALT,
        },
    )
    record = {
        "owner": {"email": "a@b", "id": 1, "address": {"street": "s", "city": "c"}},
        "tags": [{"name": "n"}, None],
        "email": "kept",
    }
    assert hashes.hash_record(record) == {
        "owner": {
            "email": hashed("a@b"),
            "id": 1,
            "address": {"street": hashed("s"), "city": "c"},
        },
        "tags": [{"name": hashed("n")}, None],
        "email": "kept",
    }
    text = {"type": "string"}
    address = {"type": "object", "properties": {"street": text, "city": text}}
    email = {"type": "string", "format": "email"}
    owner = {"type": "object", "properties": {"email": email, "address": address}}
    tags = {"type": "array", "items": {"type": "object", "properties": {"name": text}}}
    found = hashes.hash_schema({"owner": owner, "tags": tags, "email": text})
    hashed_text = {"type": ["string", "null"]}
    assert found["owner"]["properties"]["email"] == hashed_text
    assert found["owner"]["properties"]["address"]["properties"] == {
        "street": hashed_text,
        "city": text,
    }
    assert found["tags"]["items"]["properties"] == {"name": hashed_text}
    assert found["email"] == text


def test_the_same_value_has_the_same_hash_whatever_its_type():
    hashes = ColumnHashes("s", ("s.c",), SALT)
    assert {hashes.hash_value(value) for value in (12, 12.0, "12")} == {hashed("12")}
    assert hashes.hash_value({"b": 1, "a": 2}) == hashes.hash_value({"a": 2, "b": 1})
    assert hashes.hash_value(True) != hashes.hash_value(1)
    assert hashes.hash_value("") != hashes.hash_value(None) is None
    assert ColumnHashes("s", ("s.c",), "another-salt").hash_value("12") != hashed("12")


@pytest.mark.parametrize("function", ("md5", "sha256"))
def test_functions_of_stream_maps_take_nulls_and_numbers(load, function):
    maps = {"rows": {"name": f"{function}(name)", "number": f"{function}(id)"}}
    rows = load(stream_maps=maps).records["rows"]
    assert [row["name"] is None for row in rows] == [False, True, False]
    assert {len(row["number"]) for row in rows} == {32 if function == "md5" else 64}


def test_stream_maps_see_the_hashes(load):
    output = load(
        hash_columns=["rows.name"], hash_salt=SALT, stream_maps={"rows": {"copy": "name"}}
    )
    assert output.records["rows"][0]["copy"] == hashed("ann@example.org")


def test_a_deselected_column_stays_away(vendor, make_tap, sync):
    config = {"hash_columns": ["rows.name"], "hash_salt": SALT}
    tap = make_tap(**config)
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for one in entry["metadata"]:
            is_left_out = [*one["breadcrumb"]] == ["properties", "name"]
            one["metadata"]["selected"] = not is_left_out and entry["stream"] == "rows"
    vendor.answers.append(ok([{"id": 1, "name": "ann@example.org"}]))
    output = sync(RowTap(config=dict(tap.config), catalog=catalog))
    assert "name" not in output.records["rows"][0]
